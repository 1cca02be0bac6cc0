//! Messages of channels reach the analysis service once each, whatever is killed and whatever fails on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use simulator::control::{BatchMessageKind, IngestState};
use simulator::seed::constants::ORG_A;
use simulator::seed::{CliqMessageSeed, CliqOptions};
use simulator::{Fault, FaultRule, Seed};
use tests::wait::becomes_true;
use tests::{Settings, Site, Store, binary};

on_both! {
    messages_reach_the_analysis_service_in_order_and_once,
    serve_killed_at_any_moment_ingests_every_message_once,
}

/// Six channels with threads, and no limits that would make a test wait for minutes.
pub fn seed(messages_per_channel: u32) -> Seed {
    let mut seed = Seed::cliq(&CliqOptions { messages_per_channel, ..CliqOptions::default() });
    let cliq = &mut seed.knobs.cliq;
    (cliq.messages_per_minute, cliq.channels_per_minute, cliq.threads_per_minute, cliq.users_per_minute) = (0, 0, 0, 0);
    seed.knobs.oauth.tokens_per_window = 100_000;
    seed
}

/// The usual settings with [`ingesting`].
fn settings(site: &Site) -> Settings {
    site.settings().without("transfers").with(&ingesting(site))
}

/// Syncs every two seconds into the analysis service, with a Google identity.
pub fn ingesting(site: &Site) -> String {
    let services = site.simulator().services();
    let (google, ingest) = (&services["google"], &services["ingest"]);
    let key = site.file("service-account.json");
    std::fs::write(&key, site.control().service_account().unwrap().to_string()).unwrap();
    format!(
        "[service]\neffect_lease_seconds = 3\n[accounts.{ORG_A}.limits]\ncliq_messages_per_minute = 60000\n\
         cliq_lists_per_minute = 60000\n[accounts.{ORG_A}.cliq]\ningest = \"analysis\"\ninterval_seconds = 2\n\
         [ingest.analysis]\nurl = \"{ingest}\"\nauth = \"google-id-token\"\nservice_account = \"file:service-account.json\"\n\
         batch_lines = 40\nretry_base_ms = 50\ntimeout_seconds = 2\nmax_attempts = 50\n\
         [ingest.analysis.endpoints]\ntoken = \"{google}/token\"\n"
    )
}

/// Makes the database, and maps every channel by the command line.
pub fn map_all(site: &Site) {
    let migrated = site.run(&["migrate"]);
    assert_eq!(migrated.code, Some(0), "{}", migrated.stderr);
    let state = site.state();
    for channel in &state.organizations.iter().find(|one| one.name == ORG_A).unwrap().cliq.channels {
        let mapped = site.run(&[
            "mappings",
            "create",
            "--account",
            ORG_A,
            "--channel",
            &channel.channel_id,
            "--chat",
            &channel.chat_id,
            "--name",
            &channel.name,
            "--client",
            "acme",
            "--room",
            &channel.name,
            "--json",
        ]);
        assert_eq!(mapped.code, Some(0), "{}\n{}", mapped.stdout, mapped.stderr);
    }
}

/// Messages by channel, threads included, as ids.
fn written(site: &Site) -> BTreeMap<String, BTreeSet<String>> {
    let state = site.state();
    let cliq = &state.organizations.iter().find(|one| one.name == ORG_A).unwrap().cliq;
    let ids = |messages: &[simulator::control::CliqMessageState]| -> Vec<String> {
        messages.iter().map(|message| message.id.clone()).collect()
    };
    cliq.channels
        .iter()
        .map(|channel| {
            let mut all = ids(&channel.messages);
            channel.threads.iter().for_each(|thread| all.extend(ids(&thread.messages)));
            (channel.channel_id.clone(), all.into_iter().collect())
        })
        .collect()
}

/// Messages by channel, as the receiver has them.
fn received(state: &IngestState) -> BTreeMap<String, Vec<String>> {
    let mut channels: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for kept in &state.batches {
        let messages = kept.batch.messages.iter().filter(|message| message.kind == BatchMessageKind::Message);
        channels.entry(kept.batch.channel.id.clone()).or_default().extend(messages.map(|message| message.id.clone()));
    }
    channels
}

/// Waits for the end of everything.
///
/// # Panics
/// When it does not come within three minutes; shows what the log says of what is unfinished.
pub fn until_all_is_received(site: &Site) {
    let wanted: usize = written(site).values().map(BTreeSet::len).sum();
    let is_done =
        becomes_true(180, || received(&site.control().ingest()).values().map(Vec::len).sum::<usize>() >= wanted);
    assert!(is_done, "not within 180 s: every message is received\n{}", unfinished(site));
}

/// Jobs and effects that are not over, how far chats are read and composed, and how far every subscription is.
fn unfinished(site: &Site) -> String {
    let log = site.log();
    let mut shown = Vec::new();
    for (what, sql) in [
        (
            "jobs",
            "SELECT subject || ' ' || state || ' turn ' || turns || ' not before ' || not_before || ' ' || \
             coalesce(error, '') FROM sync_jobs WHERE state <> 'completed' ORDER BY job_id",
        ),
        ("jobs by state", "SELECT subject || ' ' || state || ' ' || count(*) FROM sync_jobs GROUP BY subject, state"),
        (
            "chats",
            "SELECT chat_id || ' up to ' || newest_ms || ', walk from ' || coalesce(top_ms, 0) \
             FROM chat_cursors ORDER BY 1",
        ),
        ("composed", "SELECT stream_name || ' ' || stream_version FROM ingest_progress ORDER BY 1"),
        (
            "effects",
            "SELECT effect_key || ' ' || status || ' ' || not_before FROM effects \
             WHERE status NOT IN ('succeeded', 'failed') ORDER BY effect_key",
        ),
        ("checkpoints", "SELECT subscription_name || ' ' || global_position FROM checkpoints ORDER BY 1"),
        ("leases", "SELECT lease_name || ' ' || leased_by || ' ' || leased_until FROM leases ORDER BY 1"),
    ] {
        shown.push(format!("{what}:"));
        shown.extend(log.texts(sql));
    }
    shown.join("\n")
}

pub fn assert_received_once(site: &Site) {
    let state = site.control().ingest();
    assert!(state.repeated_messages.is_empty(), "{:?}", state.repeated_messages);
    let received = received(&state);
    for (channel, expected) in written(site) {
        let found = received.get(&channel).map(Vec::as_slice).unwrap_or_default();
        let ids: BTreeSet<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(ids.len(), found.len(), "a message of {channel} came twice");
        assert_eq!(ids, expected.iter().map(String::as_str).collect(), "{channel}");
    }
    let mut misdeeds = site.control().counts().misdeeds;
    // A kill between the answer with a new token and the commit that keeps it: the next start asks again.
    misdeeds.remove("refreshed_while_valid_token_fresh");
    assert!(misdeeds.is_empty(), "{misdeeds:?}");
}

fn messages_reach_the_analysis_service_in_order_and_once(store: Store) {
    let site = Site::on(store, &seed(166));
    site.configure(&settings(&site));
    map_all(&site);
    let mut process = site.serve();
    until_all_is_received(&site);
    process.terminate();
    assert!(process.wait(10).success(), "{}", process.stderr());
    assert_received_once(&site);
    let state = site.control().ingest();
    let lines: Vec<&str> = state.lines(&state.batches[0].batch.channel.id);
    let stamps: Vec<&str> = lines.iter().map(|line| &line[1..20]).collect();
    assert!(stamps.is_sorted(), "lines are in the order of their times");
    let listed = site.run(&["mappings", "list", "--json"]).json();
    let mapped = listed.as_array().unwrap();
    assert!(mapped.iter().all(|one| one["state"] == "active" && one["last_sync_at"].is_string()), "{listed}");
}

fn serve_killed_at_any_moment_ingests_every_message_once(store: Store) {
    let mut random = StdRng::seed_from_u64(binary::seed().wrapping_add(5));
    let mut seed = seed(60);
    seed.faults = faults();
    let site = Site::on(store, &seed);
    site.configure(&settings(&site));
    map_all(&site);
    let chats = chats(&site);
    for kill in 0..binary::kills().div_ceil(5) {
        let process = site.start(&["serve"]);
        let chat = &chats[random.random_range(0..chats.len())];
        chat_about(&site, chat, &kill.to_string(), random.random_range(1..30));
        std::thread::sleep(Duration::from_millis(random.random_range(200..1_500)));
        process.kill();
    }
    let mut process = site.serve();
    until_all_is_received(&site);
    process.terminate();
    assert!(process.wait(10).success(), "{}", process.stderr());
    assert_received_once(&site);
    let log = site.log();
    assert_eq!(log.count("SELECT count(*) FROM dead_letters"), 0);
}

/// What may go wrong on both sides, again and again.
pub fn faults() -> Vec<FaultRule> {
    let often =
        |route: &str, probability: f64, fault| FaultRule::once(route, fault).forever().with_probability(probability);
    vec![
        often("cliq.*", 0.05, Fault::Status { code: 500, html_body: true }),
        often("cliq.messages", 0.05, Fault::CutMidBody { after_bytes: 700 }),
        often("cliq.*", 0.02, Fault::ExpiredToken {}),
        often("ingest.post", 0.1, Fault::CutAfter {}),
        often("ingest.post", 0.05, Fault::HangAfter {}),
        often("ingest.post", 0.1, Fault::StatusAfter { code: 504 }),
        often("ingest.post", 0.1, Fault::Throttle { retry_after_seconds: Some(1) }),
        often("ingest.post", 0.05, Fault::Status { code: 503, html_body: true }),
        often("google.token", 0.1, Fault::Status { code: 500, html_body: false }),
    ]
}

/// Writes a few messages to a chat.
pub fn chat_about(site: &Site, chat_id: &str, subject: &str, messages: usize) {
    let texts = (0..messages)
        .map(|number| CliqMessageSeed { text: format!("{subject}: number {number}"), ..CliqMessageSeed::default() });
    site.control().post_cliq_messages(ORG_A, chat_id, &texts.collect::<Vec<_>>()).unwrap();
}

/// All chats of the organisation, threads included.
pub fn chats(site: &Site) -> Vec<String> {
    site.state().organizations[0].cliq.chats().map(|(id, _)| id.to_owned()).collect()
}
