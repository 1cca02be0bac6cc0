//! A store that outgrew its file: moved to PostgreSQL, where everything goes on as if nothing had happened.

use hmac::{Hmac, KeyInit, Mac};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tests::http::post;
use tests::log::{Log, change};
use tests::verify::{self, is_checked, records};
use tests::wait::until_true;
use tests::{Database, Ran, Site, Store, binary, story};

use crate::trees::{arrive, small};

const SECRET: &str = "a secret of the partner";

/// A site with a sender beside its transfers, and a database to move to.
struct Move {
    site: Site,
    to: Database,
}

impl Move {
    fn new(records: u32, files: u32) -> Self {
        let site = Site::new(&small(records, files));
        site.configure(&site.settings().with(&format!(
            "[accounts.partner]\nprovider = \"generic\"\n\
             [accounts.partner.webhook]\nverify = \"hmac\"\nsecret = \"{SECRET}\"\nheader = \"X-Hub-Signature-256\"\n\
             prefix = \"sha256=\"\ndelivery_id_header = \"X-Delivery\"\n"
        )));
        let to = Database::new(Store::Postgres, site.folder());
        Move { site, to }
    }

    /// With a synthetic history of so many events, some with large payloads, and what comes with it.
    fn with_history(events: u32) -> Self {
        let moved = Move::new(0, 0);
        assert_eq!(moved.site.run(&["migrate"]).code, Some(0));
        change(moved.site.database(), &history(events));
        moved
    }

    fn url(&self) -> &str {
        self.to.url().unwrap()
    }

    fn arguments(&self) -> [&str; 5] {
        ["migrate-store", "--from", "sqlite:gateledger.db", "--to", self.url()]
    }

    fn copy(&self, more: &[&str]) -> Ran {
        let arguments: Vec<&str> = self.arguments().into_iter().chain(more.iter().copied()).collect();
        self.site.run(&arguments)
    }

    /// From now on every process works on PostgreSQL, as the command says it should be done.
    fn switch(&mut self) {
        let key = std::fs::read_to_string(self.site.file("gateledger.key")).unwrap();
        let url = self.url().to_owned();
        self.site.set_variable("GATELEDGER__STORE__URL", &url);
        self.site.set_variable("GATELEDGER_KEY", key.trim());
    }

    fn log(&self) -> Log {
        Log::open(&self.to)
    }

    fn deliver(&self, id: &str) -> u16 {
        let body = format!("{{\"delivery\": \"{id}\", \"b\": 1, \"a\": 2}}");
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(body.as_bytes());
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        let headers = [("X-Hub-Signature-256", signature.as_str()), ("X-Delivery", id)];
        post(self.site.listen(), "/webhooks/partner", &headers, body.as_bytes()).unwrap().status
    }
}

/// Statements for SQLite that make a long history at once.
fn history(events: u32) -> String {
    let time = "'2026-11-21T08:00:00.' || printf('%06d', n) || '+00:00'";
    format!(
        "CREATE TEMP TABLE numbers AS WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {events}) \
            SELECT n FROM numbers;
         INSERT INTO events SELECT n, randomblob(16), 'crm_record-' || (n % 1000), (n - 1) / 1000 + 1, 'crm_record.changed', 1, 'org-a', \
            'default', 'poll', randomblob(16), NULL, {time}, NULL, {time}, json_object('z', n, 'a', hex(randomblob(100))), '{{}}', \
            CASE n % 2000 WHEN 0 THEN randomblob(1000000) WHEN 1 THEN NULL ELSE randomblob(100) END FROM numbers ORDER BY n;
         INSERT INTO sightings SELECT n, randomblob(16), {time}, 'webhook', NULL, NULL, n % 2 FROM numbers WHERE n <= {events} / 4;
         INSERT INTO rm_records SELECT 'org-a', 'Contacts', n, {time}, json_object('n', n), 0, 1, 'poll', {time}, n FROM numbers \
            WHERE n <= {events} / 4"
    )
}

fn complete(ran: &Ran) -> Value {
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    let report = ran.json();
    assert_eq!(report["state"], "complete", "{report}");
    assert_eq!(report["different_rows"], 0);
    assert_eq!(report["payloads"]["source"], report["payloads"]["target"]);
    assert_eq!(report["order"]["source"], report["order"]["target"]);
    for table in report["tables"].as_array().unwrap() {
        assert_eq!((&table["equal"], &table["target_rows"]), (&Value::Bool(true), &table["source_rows"]), "{table}");
    }
    report
}

fn refused(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, Some(1), "{}\n{}", ran.stdout, ran.stderr);
    for word in words {
        assert!(ran.stderr.contains(word), "does not say {word:?}:\n{}", ran.stderr);
    }
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
}

/// Deliveries of the sender that is in the test's hand; the CRM's come when they come.
const OF_PARTNER: &str = "SELECT count(*) FROM events WHERE event_type = 'delivery.received' AND account = 'partner'";

#[test]
fn store_moved_in_the_middle_of_its_work_does_nothing_twice() {
    let mut moved = Move::new(6, 12);
    let before = moved.site.state();
    let mut process = moved.site.serve();
    let log = moved.site.log();
    for id in ["one", "two"] {
        assert_eq!(moved.deliver(id), 202);
    }
    assert_eq!(post(moved.site.listen(), "/webhooks/partner", &[], b"unsigned").unwrap().status, 401);
    until_true("some of the work is done", 60, || log.events_of("transfer_file.completed") >= 20);
    process.terminate();
    assert!(process.wait(10).success(), "{}", process.stderr());
    let (events, deliveries) = (log.count("SELECT count(*) FROM events"), log.count(OF_PARTNER));
    drop(log);
    let file = || Sha256::digest(std::fs::read(moved.site.file("gateledger.db")).unwrap());
    let file_before = file();

    let ran = moved.copy(&["--json"]);
    let report = complete(&ran);
    assert_eq!(report["tables"][0]["copied_rows"], events);
    for said in ["store.url", "GATELEDGER_KEY", "gateledger.key", "is unchanged"] {
        assert!(ran.stderr.contains(said), "does not say {said:?}:\n{}", ran.stderr);
    }
    assert_eq!(file(), file_before, "the file is only read");
    let again = moved.copy(&["--verify-only"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(again.stdout.contains("nothing was copied") && again.stdout.contains("SHA-256"), "{}", again.stdout);
    let tokens = moved.site.control().counts().requests("oauth.token");

    moved.switch();
    let mut process = moved.site.serve();
    let log = moved.log();
    assert!(log.count("SELECT count(*) FROM events") >= events);
    let sightings = log.count("SELECT count(*) FROM sightings");
    assert_eq!(moved.deliver("one"), 202);
    assert_eq!(log.count(OF_PARTNER), deliveries, "what the file knew is known");
    assert!(log.count("SELECT count(*) FROM sightings") > sightings);
    assert_eq!(moved.deliver("three"), 202);
    arrive(&moved.site, "Arrived after the move", 3);
    until_true("all records are checked", 90, || {
        let state = moved.site.state();
        records(&state).len() == 7 && records(&state).iter().all(is_checked)
    });
    until_true("nothing is open", 20, || log.open_effects() == 0);
    until_true("the log tells it", 20, || log.events_of("crm_record.updated") == 7);
    process.terminate();
    assert!(process.wait(10).success(), "{}", process.stderr());
    verify::compare(&before, &moved.site.state()).assert_right();
    story::read(&log).assert_whole();
    assert!(moved.site.control().counts().misdeeds.is_empty(), "{:?}", moved.site.control().counts().misdeeds);
    assert_eq!(moved.site.control().counts().requests("oauth.token"), tokens, "the stored tokens go on being used");

    // The file has stayed behind.
    let ran = moved.copy(&["--verify-only", "--json"]);
    assert_eq!((ran.code, &ran.json()["state"]), (Some(1), &Value::from("different")), "{}", ran.stderr);
    refused(&moved.copy(&[]), &["already holds", "use an empty database"]);
}

/// Events and sightings that the copy has brought so far.
fn copied_rows(log: &Log) -> u64 {
    let rows = "SELECT (SELECT coalesce(max(global_position), 0) FROM events) + (SELECT count(*) FROM sightings)";
    log.try_count(rows).unwrap_or(0)
}

#[test]
fn copy_killed_at_any_moment_goes_on_and_nobody_takes_its_beginning_for_a_store() {
    let seed = binary::seed();
    eprintln!("GATELEDGER_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut moved = Move::with_history(60_000);
    let (mut met, mut ended) = (0, 0);
    for _ in 0..binary::kills().div_ceil(5) {
        let mut process = moved.site.start(&moved.arguments());
        let log = moved.log();
        let goal = copied_rows(&log) + random.random_range(0..8_000);
        until_true("the copy is that far, or has ended", 120, || copied_rows(&log) >= goal || !process.is_running());
        process.kill();
        let exists = "SELECT count(*) FROM pg_tables WHERE tablename = 'unfinished_copy'";
        if log.count(exists) == 1 {
            met += 1;
            assert_eq!(log.count("SELECT coalesce(max(global_position), 0) - count(*) FROM events"), 0, "a beginning");
        } else {
            ended += 1;
        }
    }
    let listed = moved.copy(&["--json"]);
    let report = complete(&listed);
    eprintln!("{met} kills met a copy, {ended} before or after it; the last run copied {}", report["copied_rows"]);
    assert_eq!(report["payloads"]["target"]["bytes"], report["payloads"]["source"]["bytes"]);
    assert_eq!(report["order"]["target"]["last_position"], 60_000);
    assert_eq!(moved.log().count("SELECT count(*) FROM sightings"), 15_000);
    std::fs::write(moved.site.file("gateledger.key"), "a2V5IGZvciB0ZXN0cyBhbmQgZm9yIG5vdGhpbmcgZWw=").unwrap();
    moved.switch();
    assert_eq!(moved.site.run(&["events", "list"]).code, Some(0));
}

#[test]
fn interrupted_copy_ends_in_order_and_says_how_to_go_on() {
    let mut moved = Move::with_history(60_000);
    let mut process = moved.site.start(&moved.arguments());
    let log = moved.log();
    until_true("the copy has begun", 30, || {
        log.count("SELECT count(*) FROM pg_tables WHERE tablename = 'unfinished_copy'") == 1
            && log.count("SELECT count(*) FROM events") > 0
    });
    process.terminate();
    assert_eq!(process.wait(20).code(), Some(1), "{}", process.stderr());
    let said = std::fs::read_to_string(moved.site.file("stdout.txt")).unwrap();
    assert!(said.contains("interrupted") && said.contains("same command again"), "{said}\n{}", process.stderr());
    assert!(!process.stderr().contains("next:"), "{}", process.stderr());

    let url = moved.url().to_owned();
    moved.site.set_variable("GATELEDGER__STORE__URL", &url);
    moved.site.set_variable("GATELEDGER_KEY", "a2V5IGZvciB0ZXN0cyBhbmQgZm9yIG5vdGhpbmcgZWw=");
    for arguments in [&["serve"][..], &["events", "list"], &["migrate"], &["transfer"]] {
        refused(&moved.site.run(arguments), &["unfinished copy", "migrate-store"]);
    }
    let already = log.count("SELECT count(*) FROM events");
    let report = complete(&moved.copy(&["--json"]));
    assert_eq!(report["tables"][0]["copied_rows"].as_u64(), Some(60_000 - already));
    assert_eq!(moved.site.run(&["events", "list"]).code, Some(0));
}

#[test]
fn what_cannot_be_moved_is_refused_with_what_helps() {
    let mut moved = Move::new(0, 0);
    let url = moved.url().to_owned();
    let run = |site: &Site, from: &str, to: &str| site.run(&["migrate-store", "--from", from, "--to", to]);
    let site = &moved.site;
    refused(&run(site, "sqlite:gateledger.db", &url), &["gateledger.db", "no such database file"]);
    assert_eq!(site.run(&["migrate"]).code, Some(0));
    refused(&run(site, &url, "sqlite:gateledger.db"), &["--from must be the file"]);
    refused(&run(site, "sqlite:gateledger.db", "sqlite:gateledger.db"), &["--to must be postgres://"]);
    refused(&run(site, &url, &url), &["--from must be the file"]);
    refused(&run(site, "gateledger.db", &url), &["--from", "scheme"]);
    refused(&run(site, "sqlite:gateledger.db", "mysql://x"), &["--to", "mysql"]);
    refused(&run(site, "sqlite:gateledger.db", "env:NOT_SET"), &["--to", "NOT_SET"]);
    refused(&run(site, "sqlite:gateledger.db", "postgres://u:planted-secret@127.0.0.1:1/x"), &["127.0.0.1:1"]);
    let closed = run(site, "sqlite:gateledger.db", "postgres://u:planted-secret@127.0.0.1:1/x");
    assert!(!closed.stderr.contains("planted-secret"), "{}", closed.stderr);
    assert_eq!(site.run(&["migrate-store", "--from", "sqlite:gateledger.db"]).code, Some(2));

    let process = moved.site.serve();
    refused(&moved.copy(&[]), &["already working on", "gateledger.db"]);
    process.kill();
    moved.site.set_variable("TARGET", &url);
    let ran = run(&moved.site, "sqlite:gateledger.db", "env:TARGET");
    assert_eq!(ran.code, Some(0), "a file whose process was killed is as good as any: {}", ran.stderr);
}
