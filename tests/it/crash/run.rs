//! Work for crash runs: a tree under faults that grows while it is transferred, and what must be true in the end.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use simulator::control::{State, StateQuery, TreeChange};
use simulator::seed::constants::{DESTINATION_FOLDER_ID, MODULE, ORG_A, ORG_B, SOURCE_TEAM_FOLDER_ID};
use simulator::seed::{EntrySeed, GeneratedSeed};
use simulator::{Fault, FaultRule, MigrationOptions, Seed};
use tests::log::Log;
use tests::story::{self, Told};
use tests::verify::{self, Findings, is_checked, records};
use tests::wait::becomes_true;
use tests::{Database, Settings, Site, Store};

use crate::trees::pending;

const MIB: u64 = 1024 * 1024;

/// A site under faults with a 200-file tree, and what is needed to keep it busy.
pub struct Run {
    /// The site.
    pub site: Arc<Site>,
    before: State,
    /// Everything random comes from here.
    pub random: StdRng,
    seed: u64,
    fed: u32,
    /// Kills that met effects under way, and how many effects these were.
    met: (u32, u64),
    began: Instant,
}

impl Run {
    /// A site on SQLite.
    pub fn new(seed: u64) -> Self {
        Self::with_database(seed, |folder| Database::new(Store::Sqlite, folder))
    }

    /// A site on the database that `make` gives.
    pub fn with_database(seed: u64, make: impl FnOnce(&Path) -> Database) -> Self {
        eprintln!("GATELEDGER_TEST_SEED={seed}");
        let site = Arc::new(Site::with_database(&tree(seed), make));
        site.configure(&Self::settings(&site));
        let before = site.state();
        Run { site, before, random: StdRng::seed_from_u64(seed), seed, fed: 0, met: (0, 0), began: Instant::now() }
    }

    /// What such a site is configured with.
    pub fn settings(site: &Site) -> Settings {
        site.settings().with("[transfers.contacts]\nmax_attempts = 50")
    }

    /// Records that still wait for their checkbox.
    pub fn pending(&self) -> usize {
        let query = StateQuery { organization: Some(ORG_A.to_owned()), md5: false };
        let state = self.site.control().state(&query);
        records(&state).iter().filter(|record| !is_checked(record)).count()
    }

    /// What the kill of this process met: effects whose outcome nobody knows now.
    pub fn look_at_the_dead(&mut self, id: u32) {
        // The first kill may come before there is a file.
        if let Database::File(path) = self.site.database()
            && !path.is_file()
        {
            return;
        }
        let log = self.site.log();
        if log.tables().iter().any(|table| table == "effects") {
            let started = log
                .count(&format!("SELECT count(*) FROM effects WHERE status = 'started' AND leased_by LIKE '{id}:%'"));
            self.met = (self.met.0 + u32::from(started > 0), self.met.1 + started);
        }
    }

    /// Adds records with trees of their own until there is work for the next moments.
    pub fn keep_busy(&mut self) {
        for _ in self.pending()..8 {
            self.fed += 1;
            let name = format!("Late arrival {:04}", self.fed);
            let generated = GeneratedSeed {
                in_folder: SOURCE_TEAM_FOLDER_ID.to_owned(),
                path: name.clone(),
                folders: 2,
                files_per_folder: 5,
                min_size_bytes: 0,
                max_size_bytes: Some(100_000),
                seed: self.random.random_range(0..u64::MAX),
            };
            let large = EntrySeed {
                in_folder: SOURCE_TEAM_FOLDER_ID.to_owned(),
                path: format!("{name}/large.bin"),
                size_bytes: Some(self.random.random_range(11 * MIB..16 * MIB)),
                ..EntrySeed::default()
            };
            let entries = if self.fed.is_multiple_of(4) { vec![large] } else { Vec::new() };
            let change = TreeChange { entries, generated: vec![generated], ..TreeChange::default() };
            self.site.control().change_tree(ORG_B, &change).unwrap();
            self.site.control().create_record(ORG_A, MODULE, &pending(&name)).unwrap();
        }
    }

    /// Waits for the end of everything.
    ///
    /// # Panics
    /// When it does not come within three minutes; shows what the log says of what is unfinished.
    pub fn until_all_is_done(&self) {
        let log = self.site.log();
        let is_done = becomes_true(180, || self.pending() == 0 && log.open_effects() == 0);
        assert!(is_done, "not within 180 s: everything is transferred\n{}", self.unfinished(&log));
    }

    /// Events and effects of records without their checkbox, open effects, and how far every subscription is.
    fn unfinished(&self, log: &Log) -> String {
        let query = StateQuery { organization: Some(ORG_A.to_owned()), md5: false };
        let state = self.site.control().state(&query);
        let ids: Vec<String> =
            records(&state).iter().filter(|record| !is_checked(record)).map(|record| record.id.clone()).collect();
        let mut shown = vec![format!("without a checkbox: {ids:?}"), "open effects:".to_owned()];
        let effect = "effect_key || ' ' || status || ' attempt ' || attempt";
        shown.extend(log.texts(&format!(
            "SELECT {effect} FROM effects WHERE status NOT IN ('succeeded', 'failed') ORDER BY effect_key"
        )));
        for id in ids {
            shown.push(format!("events and effects of {id}:"));
            shown.extend(log.texts(&format!(
                "SELECT global_position || ' ' || stream_name || ' ' || event_type FROM events \
                 WHERE stream_name LIKE '%{id}%' ORDER BY global_position"
            )));
            shown.extend(
                log.texts(&format!("SELECT {effect} FROM effects WHERE effect_key LIKE '%{id}%' ORDER BY effect_key")),
            );
        }
        shown.push("checkpoints:".to_owned());
        shown.extend(
            log.texts("SELECT subscription_name || ' ' || global_position FROM checkpoints ORDER BY subscription_name"),
        );
        shown.join("\n")
    }

    /// Demands the one right final state.
    pub fn check(&self, kills: u32, starts: u32) {
        let log = self.site.log();
        let findings = verify::compare(&self.before, &self.site.state());
        let told = story::read(&log);
        self.print(kills, starts, &findings, &told);
        findings.assert_right();
        told.assert_whole();
        assert_eq!(told.dead_letters, 0);
        assert_eq!(told.files, findings.files, "files brought, by the log and by the destination");
        let mut misdeeds = self.site.control().counts().misdeeds;
        // A kill between the answer with a new token and the commit that keeps it: the next start asks again.
        let asked_again = misdeeds.remove("refreshed_while_valid_token_fresh").map_or(0, |misdeed| misdeed.count);
        assert!(asked_again <= u64::from(1 + kills / 10), "a fresh token was not used {asked_again} times");
        assert!(misdeeds.is_empty(), "{misdeeds:?}");
    }

    fn print(&self, kills: u32, starts: u32, findings: &Findings, told: &Told) {
        let counts = self.site.control().counts();
        let requests: u64 = counts.routes.values().flat_map(|by_status| by_status.values()).sum();
        eprintln!(
            "seed {}: {kills} kills ({} met {} effects under way), {starts} starts, {:.1} s\n\
             {} files ({} MiB, {} renamed), {} records checked, {} runs\n\
             lost answers settled: {} done, {} not done; {} attempts repeated\n\
             {requests} requests, faults {:?}, misdeeds {:?}",
            self.seed,
            self.met.0,
            self.met.1,
            self.began.elapsed().as_secs_f64(),
            findings.files,
            findings.bytes / MIB,
            findings.renamed,
            findings.checked,
            told.runs,
            told.settled_done,
            told.settled_not_done,
            told.retried,
            counts.faults,
            counts.misdeeds,
        );
    }
}

/// Four records with 200 files in twenty folders, large ones among them, some of whose names are taken.
fn tree(seed: u64) -> Seed {
    let options = MigrationOptions {
        records: 4,
        folders: 5,
        files_per_folder: 10,
        min_size_bytes: 0,
        max_size_bytes: 150_000,
        seed,
    };
    let mut tree = Seed::migration(&options);
    tree.knobs.oauth.tokens_per_window = 100_000;
    tree.knobs.workdrive.refused_listing = 0;
    tree.knobs.journal.entries = 1_000_000;
    tree.knobs.webhooks.retry_unit_ms = 200;
    let entry = |in_folder: &str, path: &str, size_bytes: u64| EntrySeed {
        in_folder: in_folder.to_owned(),
        path: path.to_owned(),
        size_bytes: Some(size_bytes),
        ..EntrySeed::default()
    };
    for (path, size_bytes) in [
        ("Customer 0001/large one.bin", 12 * MIB),
        ("Customer 0002/folder-0003/large two.bin", 20 * MIB),
        ("Customer 0003/large three.bin", 15 * MIB),
        ("Customer 0004/folder-0001/deep/large four.bin", 17 * MIB),
    ] {
        tree.organizations[1].workdrive.entries.push(entry(SOURCE_TEAM_FOLDER_ID, path, size_bytes));
    }
    for path in [
        "Customer 0001/folder-0001/file-00001.bin",
        "Customer 0001/large one.bin",
        "Customer 0002/folder-0002/FILE-00007.bin",
        "Customer 0002/folder-0002/file-00008.bin",
        "Customer 0004/folder-0005/file-00010.bin",
    ] {
        tree.organizations[0].workdrive.entries.push(entry(DESTINATION_FOLDER_ID, path, 1_000));
    }
    // Two records that mean the same folder: its files are brought once.
    let mut twin = pending("CUSTOMER 0002");
    twin.id = Some("520000000000200001".to_owned());
    tree.organizations[0].modules[0].records.push(twin);
    tree.faults = faults();
    tree
}

/// Every kind of mishap, again and again.
fn faults() -> Vec<FaultRule> {
    let often = |route: &str, probability: f64, fault: Fault| {
        FaultRule::once(route, fault).forever().with_probability(probability)
    };
    vec![
        often("workdrive.upload", 0.05, Fault::CutAfter {}),
        often("workdrive.upload_stream", 0.2, Fault::CutAfter {}),
        often("workdrive.create_folder", 0.15, Fault::CutAfter {}),
        often("crm.update", 0.2, Fault::CutAfter {}),
        often("workdrive.upload", 0.03, Fault::CutMidBody { after_bytes: 3_000 }),
        often("workdrive.upload_stream", 0.15, Fault::CutMidBody { after_bytes: 5 * MIB }),
        often("workdrive.download", 0.04, Fault::CutMidBody { after_bytes: 2_000 }),
        often("workdrive.upload", 0.02, Fault::TruncatedJson {}),
        often("workdrive.list", 0.01, Fault::Throttle { retry_after_seconds: Some(1) }),
        often("crm.*", 0.01, Fault::Throttle { retry_after_seconds: None }),
        often("workdrive.*", 0.02, Fault::Status { code: 500, html_body: true }),
        often("crm.*", 0.03, Fault::Status { code: 500, html_body: false }),
        often("workdrive.*", 0.004, Fault::ExpiredToken {}),
        often("crm.*", 0.02, Fault::ExpiredToken {}),
    ]
}
