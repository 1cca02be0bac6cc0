//! Several processes on one PostgreSQL: one works at a time, and whoever was replaced changes nothing any more.

use std::time::{Duration, Instant};

use catalogue::poll::Completed;
use chrono::TimeDelta;
use event_log::{GlobalPosition, checkpoints, sightings, sql};
use gateway::poller::{PollRequest, run_poll_once};
use providers::zoho::crm::UpdateOptions;
use serde_json::json;
use simulator::Fault;
use testkit::postgres::{Cluster, database_in};
use testkit::wait::{until, until_true};

use super::stage::{Plan, Roles, Stage, contacts, pending};
use crate::metrics;
use crate::store::Backend;

const ONE: &str = "5200000000000001";
const TWO: &str = "5200000000000002";

/// Longer than any lease lasts.
const LEASES_END: TimeDelta = TimeDelta::seconds(11);

async fn stage() -> Stage {
    let records = vec![(ONE, pending("Alpha")), (TWO, pending("Beta"))];
    Stage::new(Backend::Postgres, Plan { records, ..Plan::default() }).await
}

async fn checkpoint(stage: &Stage) -> GlobalPosition {
    let all = checkpoints(stage.process.log.database().readers()).await.unwrap();
    let lane = all.into_iter().find(|one| one.subscription_name == "crm-hints:org-a");
    lane.map_or(GlobalPosition(0), |one| one.global_position)
}

/// Runs a statement as another process would.
async fn run(stage: &Stage, statement: &'static str) {
    let work = stage.process.log.write(move |unit| {
        Box::pin(async move {
            sql::run(unit.connection(), statement).await?;
            Ok::<_, event_log::Error>(())
        })
    });
    work.await.unwrap();
}

async fn runs(stage: &Stage) -> Vec<(i64, String)> {
    let pages = stage.events("poll.completed").await;
    pages.iter().map(|page| page.decode::<Completed>().unwrap()).map(|page| (page.run, page.trigger)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_works_and_another_goes_on_at_once_when_it_stops() {
    let mut stage = stage().await;
    let mut other = stage.another_process("other").await;
    stage.start(Roles::All);
    other.start(Roles::All);
    stage.until_quiet().await;
    assert_eq!(stage.calls("crm.watch_create"), 1);
    assert_eq!(stage.events("registration.created").await.len(), 1);
    for (count, folder) in ["Gamma", "Delta", "Epsilon"].into_iter().enumerate() {
        stage.advance(TimeDelta::seconds(2));
        stage.change("org-a", ONE, json!({"Source_Folder_Name": folder})).await;
        stage.until_events("crm_record.changed", 3 + count).await;
    }
    assert_eq!(stage.calls("crm.record"), 3, "each notification is looked up once");

    let began_at = Instant::now();
    stage.stop().await;
    let delivery = stage.notify("org-a", "update", &[ONE]).await;
    let fact = stage.events("crm_record.changed").await.pop().unwrap();
    until("the sighting that the other process found", async || {
        let seen = sightings(stage.process.log.database().readers(), fact.id).await.unwrap();
        seen.iter().any(|one| one.causation_id == Some(delivery.id)).then_some(())
    })
    .await;
    assert!(began_at.elapsed() < Duration::from_secs(6), "{:?}", began_at.elapsed());
    stage.advance(TimeDelta::days(1));
    until("the daily poll", async || {
        let triggers: Vec<String> = runs(&stage).await.into_iter().map(|(_, trigger)| trigger).collect();
        triggers.contains(&"schedule".to_owned()).then_some(())
    })
    .await;
    other.stop().await;
    let scheduled = runs(&stage).await.into_iter().filter(|(_, trigger)| trigger == "schedule").count();
    assert_eq!(scheduled, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_is_replaced_within_seconds_and_what_it_was_doing_is_done() {
    let mut stage = stage().await;
    let mut other = stage.another_process("other").await;
    // The look at the fields passes, the first page does not.
    stage.fault("crm.coql", Fault::Hang {}, 1, 1);
    stage.fault("crm.watch_create", Fault::Hang {}, 1, 0);
    stage.fault("crm.record", Fault::Hang {}, 1, 0);
    stage.start(Roles::All);
    stage.notify("org-a", "update", &[ONE]).await;
    stage.until_met(3).await;
    other.start(Roles::All);
    stage.process.kill().await;
    let killed_at = Instant::now();
    stage.until_events("crm_record.changed", 2).await;
    stage.until_events("poll.completed", 1).await;
    assert!(killed_at.elapsed() < Duration::from_secs(14), "{:?}", killed_at.elapsed());
    assert_eq!(runs(&stage).await[0], (1, "start".to_owned()), "the interrupted run goes on");
    let id = stage.until_registered().await;
    assert_eq!(stage.channels().await, [id]);
    assert_eq!(stage.events("registration.created").await.len(), 1);
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_was_replaced_saves_nothing_also_when_its_successor_has_ended() {
    let mut stage = stage().await;
    stage.start(Roles::Poller);
    stage.until_outcome("contacts", "completed").await;
    stage.advance(TimeDelta::seconds(5));
    stage.change("org-a", ONE, json!({"Source_Folder_Name": "Gamma"})).await;
    stage.change("org-a", TWO, json!({"Source_Folder_Name": "Delta"})).await;
    stage.fault("crm.record", Fault::Delay { ms: 700 }, 1, 0);
    stage.notify("org-a", "update", &[ONE]).await;
    stage.until_met(1).await;
    // A successor handles the notification in its own way, and ends.
    run(
        &stage,
        "INSERT INTO checkpoints SELECT 'crm-hints:org-a', max(global_position), now() FROM events \
         ON CONFLICT (subscription_name) DO UPDATE SET global_position = excluded.global_position; \
         DELETE FROM leases WHERE lease_name = 'hints:org-a'",
    )
    .await;
    let handled = checkpoint(&stage).await;
    stage.notify("org-a", "update", &[TWO]).await;
    stage.until_events("crm_record.changed", 3).await;
    stage.stop().await;
    let folders = stage.known_folders().await;
    assert_eq!((&folders[ONE], &folders[TWO]), (&json!("Alpha"), &json!("Delta")));
    assert!(checkpoint(&stage).await > handled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_a_run_that_was_taken_over_is_not_saved_also_when_that_has_ended() {
    let mut stage = stage().await;
    stage.fault("crm.coql", Fault::Delay { ms: 700 }, 1, 1);
    stage.start(Roles::Poller);
    stage.until_met(1).await;
    // Another process completes the run, and the next one is due at once.
    run(
        &stage,
        "DELETE FROM poll_cursors; DELETE FROM leases WHERE lease_name = 'schedule:crm-pending:contacts'; \
         UPDATE schedules SET last_outcome = 'completed', next_run_at = last_started_at, wanted_trigger = 'gap'",
    )
    .await;
    stage.until_events("poll.completed", 1).await;
    stage.stop().await;
    assert_eq!(runs(&stage).await, [(2, "gap".to_owned())]);
    assert_eq!(stage.events("crm_record.changed").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_demands_for_one_poll_take_turns() {
    let stage = stage().await;
    let other = stage.another_process("other").await;
    stage.fault("crm.coql", Fault::Delay { ms: 500 }, 1, 0);
    let request = PollRequest { trigger: "manual".to_owned(), ..PollRequest::default() };
    let (one, another, elsewhere) = tokio::join!(
        run_poll_once(stage.process.intake(), "contacts", &request),
        run_poll_once(stage.process.intake(), "contacts", &request),
        run_poll_once(other.intake(), "contacts", &request),
    );
    let mut found =
        [one.unwrap(), another.unwrap(), elsewhere.unwrap()].map(|outcome| (outcome.run, outcome.new_facts));
    found.sort();
    assert_eq!(found, [(1, 2), (2, 0), (3, 0)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_that_arrives_after_its_registrar_was_replaced_is_known_and_taken_back() {
    let mut stage = stage().await;
    let mut other = stage.another_process("other").await;
    stage.fault("crm.watch_create", Fault::Delay { ms: 4_000 }, 1, 0);
    stage.start(Roles::Registrar);
    stage.until_met(1).await;
    let late = stage.registrations().await.remove(0).registration_id.unwrap();
    stage.advance(LEASES_END);
    other.start(Roles::Registrar);
    let id = stage.until_registered().await;
    assert_ne!(id, late, "the one without an answer was given up");
    stage.until_events("registration.created", 2).await;
    until("the retirement of one of the two", async || {
        stage.registrations().await.iter().any(|view| view.state == "retiring").then_some(())
    })
    .await;
    stage.stop().await;
    stage.advance(TimeDelta::seconds(61));
    stage.until_events("registration.removed", 1).await;
    assert_eq!(stage.channels().await.len(), 1);
    assert_eq!(stage.events("registration.created").await.len(), 2);
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_intake_outlives_its_database() {
    let cluster = Cluster::start().await;
    let plan = Plan { records: vec![(ONE, pending("Alpha"))], ..Plan::default() };
    let mut stage = Stage::over(database_in(cluster.url()).await.into(), plan).await;
    let failures = || metrics::counter("log_commit_failures_total");
    stage.start(Roles::All);
    stage.until_quiet().await;
    stage.advance(TimeDelta::seconds(5));
    cluster.stop_immediate().await;
    // Each role notices when it prolongs its lease.
    let before = failures();
    until_true("every role notices", async || failures() >= before + 6).await;
    cluster.start_again().await;
    let gamma = json!({"Source_Folder_Name": "Gamma"});
    until("a way to the provider, whose token lies in the database", async || {
        let fields = gamma.as_object().unwrap().clone();
        let client = stage.client("org-a");
        client.crm().update(&contacts(), &ONE.parse().unwrap(), fields, UpdateOptions::default()).await.ok()
    })
    .await;
    stage.until_fact(ONE, "Gamma").await;
    stage.stop().await;
}
