//! Endpoints are told what happens, whatever is killed and whatever fails on the way: each event under one id, which the
//! receiver verifies.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use simulator::control::{BooksUserChange, ReceiverState};
use simulator::seed::BooksUserStatus;
use simulator::seed::constants::{BOOKS_ORGANIZATION_ID, ORG_A};
use simulator::{Fault, FaultRule, Seed};
use tests::wait::{becomes_true, until_true};
use tests::{Ran, Site, Store, binary};

use crate::partner::{self, Load};

on_both! {
    what_books_changes_reaches_the_erp_signed,
    serve_killed_at_any_moment_tells_every_event_under_one_id,
}

/// What the simulator's receivers know.
const SECRET: &str = "whsec_c2ltdWxhdGVkIHNlY3JldCBvZiBub2JvZHk=";
/// What is not known to them yet.
const NEXT_SECRET: &str = "whsec_dGhlIG5leHQgc2VjcmV0IG9mIG5vYm9keQ==";

fn good(ran: Ran) -> Ran {
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    ran
}

fn endpoint(site: &Site, events: &str) -> String {
    let url = &site.simulator().services()["receiver"];
    format!(
        "[service]\neffect_lease_seconds = 3\n[notify.erp]\nurl = \"{url}/erp\"\nsecrets = [\"{NEXT_SECRET}\", \"{SECRET}\"]\n\
         events = {events}\nfrom = \"beginning\"\nallow_private = true\nretry_base_ms = 10\nmax_attempts = 40\n\
         timeout_seconds = 2\n"
    )
}

fn heard(site: &Site) -> ReceiverState {
    site.control().receiver("erp")
}

/// Positions in the log of everything that the receiver has, the pings left out.
fn told(state: &ReceiverState) -> BTreeSet<String> {
    let positions = state.notifications.iter().filter_map(|one| one.body["position"].as_i64());
    positions.map(|position| position.to_string()).collect()
}

/// The receiver has exactly the events of these types, each under an id of its own, and believed everything.
fn assert_told_exactly(site: &Site, types: &str) {
    let expected = positions(site, types);
    until_true("every event is told", 120, || told(&heard(site)).len() >= expected.len());
    let state = heard(site);
    let told = told(&state);
    assert_eq!(told, expected);
    let events = state.notifications.iter().filter(|one| one.body["type"] != "gateledger.ping").count();
    assert_eq!(events, told.len(), "an event came under two ids");
    assert_eq!((state.refused, state.changed), (0, 0));
}

fn positions(site: &Site, types: &str) -> BTreeSet<String> {
    let sql = format!("SELECT CAST(global_position AS TEXT) FROM events WHERE event_type IN ({types})");
    site.log().texts(&sql).into_iter().collect()
}

fn listed(site: &Site) -> Value {
    good(site.run(&["notify", "list", "--json"])).json()[0].clone()
}

fn what_books_changes_reaches_the_erp_signed(store: Store) {
    let types = "'erp_user.changed', 'customer_assignment.changed'";
    let site = Site::on(store, &Seed::demo());
    site.configure(
        &site.settings().without("transfers").with(&endpoint(&site, "[\"erp_user.*\", \"customer_*\"]")).with(
            &format!(
                "[accounts.{ORG_A}.limits]\nbooks_per_minute = 6000\n[accounts.{ORG_A}.books]\n\
             organization_id = \"{BOOKS_ORGANIZATION_ID}\"\ninterval_seconds = 2\n\
             [accounts.{ORG_A}.books.roles]\nadmin = \"tds_admin\"\n"
            ),
        ),
    );
    let mut service = site.serve();
    until_true("users and customers are read", 60, || {
        let types = ["erp_user.changed", "customer_assignment.changed"];
        types.iter().all(|event_type| site.log().events_of(event_type) > 0)
            && site.log().events_of("sync.completed") > 1
    });
    assert_told_exactly(&site, types);
    let first = &heard(&site).notifications[0];
    assert_eq!((first.signed_by.as_slice(), first.body["organization"].as_str()), (&[0][..], Some("default")));
    let story = first.body["correlation_id"].as_str().unwrap().to_owned();
    let shown = good(site.run(&["events", "show", "--story", &story, "--json"])).json();
    let effects = shown["effects"].as_array().unwrap();
    assert!(effects.iter().any(|effect| effect["kind"] == "notify.post"), "{effects:?}");

    let pinged = good(site.run(&["notify", "test", "erp", "--json"])).json();
    let ping = heard(&site).notifications.into_iter().find(|one| pinged["id"] == one.id.as_str()).unwrap();
    assert_eq!(ping.body["type"], "gateledger.ping");
    assert_eq!(listed(&site)["state"], "active");
    let status: Value = serde_json::from_str(&site.get("/status").unwrap().body).unwrap();
    assert_eq!(
        (&status["endpoints"]["erp"]["open"], status["endpoints"]["erp"]["stopped_at"].is_null()),
        (&Value::from(0), true)
    );
    let metrics = site.get("/metrics").unwrap().body;
    assert!(metrics.contains("notifications_total{endpoint=\"erp\",outcome=\"delivered\"}"), "{metrics}");

    site.control().set_knobs(serde_json::json!({"receiver": {"named": {"erp": {"status": 410}}}})).unwrap();
    let user = &site.state().organizations.iter().find(|one| one.name == ORG_A).unwrap().books.users[0].id.clone();
    let change = BooksUserChange { name: Some("Renamed".to_owned()), ..BooksUserChange::default() };
    site.control().change_books_user(ORG_A, user, &change).unwrap();
    until_true("the endpoint is stopped", 60, || listed(&site)["state"] == "stopped");
    assert_eq!(site.run(&["notify", "test", "erp"]).code, Some(1));
    let change = BooksUserChange { status: Some(BooksUserStatus::Inactive), ..BooksUserChange::default() };
    site.control().change_books_user(ORG_A, user, &change).unwrap();
    until_true("it misses something", 60, || {
        site.log().count("SELECT count(*) FROM notify_endpoints WHERE missed_after IS NOT NULL") == 1
    });
    site.control().set_knobs(serde_json::json!({"receiver": {"named": {"erp": {"status": 200}}}})).unwrap();
    let resumed = good(site.run(&["notify", "resume", "erp", "--json"])).json();
    assert_eq!((&resumed["was_stopped"], resumed["missed_after"].is_i64()), (&Value::Bool(true), true));
    let letters = good(site.run(&["dead-letters", "list", "--json"])).json();
    assert!(letters.as_array().unwrap().iter().any(|letter| letter["reason"] == "gone"), "{letters}");
    good(site.run(&["dead-letters", "redrive", "--all", "--yes"]));
    assert_told_exactly(&site, types);
    service.terminate();
    assert!(service.wait(10).success(), "{}", service.stderr());
    assert!(!service.stderr().contains("whsec_"));
}

fn serve_killed_at_any_moment_tells_every_event_under_one_id(store: Store) {
    let mut random = StdRng::seed_from_u64(binary::seed().wrapping_add(7));
    let mut seed = Seed::demo();
    seed.faults = faults();
    let site = Site::on(store, &seed);
    let settings = site.settings().without("transfers").with(partner::SETTINGS);
    site.configure(&settings.with(&endpoint(&site, "[\"delivery.received\"]")));
    good(site.run(&["migrate"]));
    let load = Load::start(&[site.listen()], 2, Duration::from_millis(5));
    for _ in 0..binary::kills().div_ceil(5) {
        let process = site.start(&["serve"]);
        let enough = heard(&site).notifications.len() + random.random_range(0..100);
        becomes_true(3, || heard(&site).notifications.len() >= enough);
        process.kill();
    }
    let mut process = site.serve();
    let enough = load.acknowledged() + 50;
    until_true("some more is accepted", 60, || load.acknowledged() >= enough);
    let acknowledged = load.stop();
    assert_told_exactly(&site, "'delivery.received'");
    assert!(told(&heard(&site)).len() >= acknowledged.len());
    until_true("nothing is open", 60, || site.log().open_effects() == 0);
    assert_eq!(listed(&site)["delivered"], told(&heard(&site)).len());
    process.terminate();
    assert!(process.wait(10).success(), "{}", process.stderr());
    assert_eq!(site.log().count("SELECT count(*) FROM dead_letters"), 0);
}

/// What may go wrong at the receiver, again and again.
fn faults() -> Vec<FaultRule> {
    let often =
        |probability: f64, fault| FaultRule::once("receiver.post", fault).forever().with_probability(probability);
    vec![
        often(0.05, Fault::CutAfter {}),
        often(0.02, Fault::CutBefore {}),
        often(0.01, Fault::HangAfter {}),
        often(0.04, Fault::StatusAfter { code: 504 }),
        often(0.01, Fault::Throttle { retry_after_seconds: Some(1) }),
        often(0.04, Fault::Status { code: 500, html_body: true }),
    ]
}
