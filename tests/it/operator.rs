//! What an operator sees and does: events, stories, dead letters, registrations, read models, status.

use serde_json::Value;
use simulator::seed::constants::ORG_A;
use simulator::{Fault, FaultRule};
use tests::verify::{self, is_checked, records};
use tests::wait::until_true;
use tests::{Ran, Site, Store, story};

use crate::trees::small;

on_both! {
    dead_letter_is_seen_redriven_and_completes_its_transfer,
    events_tell_the_story_from_any_end,
    rebuilt_read_models_have_the_same_rows,
    live_read_models_equal_rebuilt_ones,
    status_and_metrics_tell_what_is_going_on,
}

fn good(ran: Ran) -> Ran {
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    ran
}

fn rows(ran: &Ran) -> Vec<Value> {
    ran.json().as_array().cloned().unwrap_or_else(|| panic!("not an array: {}", ran.stdout))
}

/// One record with three files, one of which is refused for good; its checkbox needs all of them.
fn site(store: Store) -> Site {
    let mut seed = small(1, 3);
    seed.faults.push(FaultRule::once("workdrive.download", Fault::Status { code: 403, html_body: false }));
    let site = Site::on(store, &seed);
    site.configure(&site.settings().with("[transfers.contacts]\ncheck_when = \"all\"\ninterval_seconds = 3600"));
    site
}

fn dead_letter_is_seen_redriven_and_completes_its_transfer(store: Store) {
    let site = site(store);
    let before = site.state();
    let mut process = site.serve();
    let log = site.log();
    until_true("the transfer ends incomplete", 30, || log.events_of("transfer.completed") == 1);
    assert!(!records(&site.state()).iter().any(is_checked), "all files were wished for and one is missing");

    let letters = rows(&good(site.run(&["dead-letters", "list", "--json"])));
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    let id = letter["dead_letter_id"].as_i64().unwrap().to_string();
    assert_eq!(letter["kind"], "file.copy");
    assert!(good(site.run(&["dead-letters", "list"])).stdout.contains("file.copy"));
    let shown = good(site.run(&["dead-letters", "show", &id, "--json"])).json();
    assert_eq!(shown["effect_key"], letter["effect_key"]);
    assert_eq!(site.run(&["dead-letters", "show", "4711"]).code, Some(1));

    let preview = good(site.run(&["dead-letters", "redrive", &id, "--json"])).json();
    assert_eq!(preview["preview"], true);
    assert_eq!(
        log.count("SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL"),
        1,
        "a preview changes nothing"
    );

    let redriven = good(site.run(&["dead-letters", "redrive", &id, "--yes", "--json"])).json();
    assert_eq!(redriven["redriven"].as_array().map(Vec::len), Some(1));
    until_true("the checkbox is set after all", 30, || records(&site.state()).iter().all(is_checked));
    until_true("nothing is open", 10, || log.open_effects() == 0);
    assert!(rows(&good(site.run(&["dead-letters", "list", "--json"]))).is_empty());
    verify::compare(&before, &site.state()).assert_right();
    assert_eq!(log.events_of("effect.redriven"), 1);
    process.terminate();
    assert!(process.wait(10).success());
}

fn events_tell_the_story_from_any_end(store: Store) {
    let site = Site::on(store, &small(1, 3));
    let mut process = site.serve();
    until_true("the work is done", 30, || records(&site.state()).iter().all(is_checked));
    let log = site.log();
    until_true("the log tells it", 10, || log.events_of("crm_record.updated") == 1);

    let listed = rows(&good(site.run(&["events", "list", "--type", "transfer*", "--json"])));
    assert!(
        listed.iter().all(|event| event["event_type"].as_str().is_some_and(|name| name.starts_with("transfer"))),
        "{listed:?}"
    );
    let requested = listed.iter().find(|event| event["event_type"] == "transfer.requested").unwrap();
    let story = requested["correlation_id"].as_str().unwrap();

    let told = good(site.run(&["events", "show", "--story", story, "--json"])).json();
    let types: Vec<&str> =
        told["events"].as_array().unwrap().iter().filter_map(|event| event["event_type"].as_str()).collect();
    for event_type in [
        "crm_record.changed",
        "transfer.requested",
        "transfer.located",
        "transfer_file.completed",
        "transfer.completed",
        "crm_record.updated",
    ] {
        assert!(types.contains(&event_type), "{event_type} is missing in {types:?}");
    }
    assert_eq!(
        told["effects"].as_array().map(Vec::len),
        Some(6),
        "locate, a folder, three files, the record: {}",
        told["effects"]
    );
    let for_people = good(site.run(&["events", "show", "--story", story])).stdout;
    assert!(for_people.contains("transfer.completed") && for_people.contains("effects:"), "{for_people}");

    let position = requested["global_position"].as_i64().unwrap().to_string();
    let by_position = good(site.run(&["events", "show", &position, "--json"])).json();
    let by_id = good(site.run(&[
        "events",
        "show",
        requested["event_id"].as_str().unwrap_or_else(|| panic!("{requested}")),
        "--json",
    ]))
    .json();
    assert_eq!(by_position, by_id);
    assert_eq!(site.run(&["events", "show", "no such thing"]).code, Some(1));

    let tail = good(site.run(&["events", "tail", "--json"])).json_lines();
    assert_eq!(tail.len() as u64, log.count("SELECT count(*) FROM events"));
    let positions: Vec<i64> = tail.iter().filter_map(|event| event["global_position"].as_i64()).collect();
    assert!(positions.is_sorted() && positions.len() == tail.len());

    let registrations = rows(&good(site.run(&["registrations", "list", "--json"])));
    assert_eq!(registrations[0]["account"], ORG_A, "{registrations:?}");
    assert_eq!(registrations[0]["state"], "active");
    assert!(registrations[0]["time_left_seconds"].as_i64().unwrap() > 86_400);

    process.terminate();
    assert!(process.wait(10).success());
    story::read(&log).assert_whole();
}

fn rebuilt_read_models_have_the_same_rows(store: Store) {
    let site = Site::on(store, &small(2, 5));
    let mut process = site.serve();
    until_true("the work is done", 30, || records(&site.state()).iter().all(is_checked));
    let log = site.log();
    until_true("the read models are up to date", 20, || {
        let listed = rows(&good(site.run(&["projections", "list", "--json"])));
        listed.len() >= 7 && listed.iter().all(|one| one["lag_events"] == 0)
    });
    process.terminate();
    assert!(process.wait(10).success());
    // Folds what came with the end.
    let tables =
        ["rm_accounts", "rm_records", "rm_transfers", "rm_transfer_files", "rm_registrations", "rm_polls", "rm_totals"];
    good(site.run(&["projections", "rebuild", "--json"]));
    let first: Vec<Vec<String>> = tables.iter().map(|table| log.rows(table)).collect();
    assert!(first.iter().all(|rows| !rows.is_empty()), "{first:?}");
    let events = log.count("SELECT count(*) FROM events");
    let rebuilt = good(site.run(&["projections", "rebuild"])).stdout;
    assert!(rebuilt.contains("the fresh tables are live"), "{rebuilt}");
    let second: Vec<Vec<String>> = tables.iter().map(|table| log.rows(table)).collect();
    assert_eq!(first, second);
    assert_eq!(log.count("SELECT count(*) FROM events"), events, "a rebuild writes no events");
    assert_eq!(site.run(&["projections", "rebuild", "nonsense"]).code, Some(1));
}

fn live_read_models_equal_rebuilt_ones(store: Store) {
    let site = Site::on(store, &small(2, 5));
    let mut process = site.serve();
    until_true("the work is done", 30, || records(&site.state()).iter().all(is_checked));
    let log = site.log();
    let tables = ["rm_records", "rm_transfers", "rm_transfer_files", "rm_registrations"];
    until_true("the read models are up to date", 20, || {
        log.events_of("crm_record.updated") == 2
            && log.count(
                "SELECT count(*) FROM events WHERE (event_type LIKE 'crm_record%' OR event_type LIKE 'transfer%') AND \
                 global_position > (SELECT min(global_position) FROM checkpoints WHERE subscription_name LIKE 'projection%')",
            ) == 0
    });
    process.terminate();
    assert!(process.wait(10).success());
    let live: Vec<Vec<String>> = tables.iter().map(|table| log.rows(table)).collect();
    good(site.run(&["projections", "rebuild"]));
    let rebuilt: Vec<Vec<String>> = tables.iter().map(|table| log.rows(table)).collect();
    assert_eq!(live, rebuilt);
}

fn status_and_metrics_tell_what_is_going_on(store: Store) {
    let site = site(store);
    let mut process = site.serve();
    let log = site.log();
    until_true("the transfer ends incomplete", 30, || log.events_of("transfer.completed") == 1);
    until_true("the registration is there", 20, || log.events_of("registration.created") == 1);
    let status: Value = serde_json::from_str(&site.get("/status").unwrap().body).unwrap();
    assert_eq!(status["ready"], true);
    assert_eq!(status["dead_letters"], 1);
    assert_eq!(status["effects"]["succeeded"], 4, "{}", status["effects"]);
    assert!(status["accounts"].as_array().unwrap().iter().any(|account| account["account"] == ORG_A), "{status}");
    assert_eq!(status["registrations"][0]["state"], "active");
    assert!(status["schedules"][0]["runs"].as_i64().unwrap() >= 1, "{status}");
    let metrics = site.get("/metrics").unwrap().body;
    for name in ["webhooks_received_total", "effects_", "poll_"] {
        assert!(metrics.contains(name), "{name} is not measured:\n{metrics}");
    }
    assert_eq!(site.get("/health").unwrap().status, 200);
    process.terminate();
    assert!(process.wait(10).success());
}

#[test]
fn help_stays_as_it_is_promised() {
    let site = Site::new(&small(0, 0));
    let commands: [&[&str]; 25] = [
        &[],
        &["demo"],
        &["serve"],
        &["transfer"],
        &["events", "list"],
        &["events", "show"],
        &["events", "tail"],
        &["dead-letters", "list"],
        &["dead-letters", "show"],
        &["dead-letters", "redrive"],
        &["accounts", "list"],
        &["accounts", "test"],
        &["accounts", "connect"],
        &["keys", "generate"],
        &["keys", "rotate"],
        &["notify", "list"],
        &["notify", "test"],
        &["notify", "resume"],
        &["registrations", "list"],
        &["projections", "list"],
        &["projections", "rebuild"],
        &["migrate"],
        &["migrate-store"],
        &["simulate"],
        &["completions"],
    ];
    let mut text = String::new();
    for command in commands {
        let arguments: Vec<&str> = command.iter().copied().chain(["--help"]).collect();
        text.push_str(&format!("$ gateledger {}\n{}\n", arguments.join(" "), good(site.run(&arguments)).stdout));
    }
    insta::assert_snapshot!("help", text);
}
