//! Polls by schedule and on demand.

use catalogue::poll::{Completed, Failed};
use chrono::TimeDelta;
use gateway::intake::Error;
use gateway::poller::{PollRequest, run_poll_once};
use serde_json::json;
use simulator::Fault;
use testkit::wait::until;

use super::stage::{Plan, Roles, Stage, pending, transfer};
use crate::store::{Backend, on_both_databases};

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    new_schedule_runs_at_once_and_then_at_its_time,
    nothing_pending_is_a_completed_run,
    runs_missed_while_nothing_ran_happen_once,
    interrupted_run_goes_on_where_it_stopped,
    run_that_was_interrupted_long_ago_begins_anew,
    throttled_poll_waits_for_the_providers_time,
    failed_poll_is_tried_again_before_its_next_time,
    field_that_the_crm_does_not_have_is_said_once_and_other_transfers_go_on,
    poll_finds_what_no_webhook_announced_and_counts_it,
    doubled_reversed_and_lost_webhooks_end_in_the_same_facts,
    poll_on_demand_respects_its_limit_and_leaves_the_schedule_alone,
    poll_of_one_record_says_whether_it_is_pending,
    failed_poll_on_demand_is_an_error_and_is_in_the_log,
    change_whose_webhook_waits_for_its_turn_is_not_counted_as_missed,
}

const IDS: [&str; 5] =
    ["5200000000000001", "5200000000000002", "5200000000000003", "5200000000000004", "5200000000000005"];

fn five() -> Plan {
    Plan { records: IDS.iter().map(|id| (*id, pending("Alpha"))).collect(), ..Plan::default() }
}

async fn completed(stage: &Stage) -> Vec<Completed> {
    stage.events("poll.completed").await.iter().map(|event| event.decode().unwrap()).collect()
}

fn manual() -> PollRequest {
    PollRequest { trigger: "manual".to_owned(), ..PollRequest::default() }
}

async fn new_schedule_runs_at_once_and_then_at_its_time(on: Backend) {
    let mut stage = Stage::new(on, five()).await;
    stage.start(Roles::Poller);
    stage.until_outcome("contacts", "completed").await;
    let runs = completed(&stage).await;
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].run, runs[0].trigger.as_str(), runs[0].last_page), (1, "start", true));
    assert_eq!(runs[0].pending, IDS);
    assert_eq!((runs[0].new_facts, runs[0].found_missed), (5, 0));
    let evidence = &stage.events("poll.completed").await[0];
    for fact in stage.events("crm_record.changed").await {
        assert_eq!((fact.source.as_str(), fact.causation_id), ("poll", Some(evidence.id)));
        assert!(fact.global_position > evidence.global_position, "evidence comes first");
        assert_ne!(fact.correlation_id, evidence.correlation_id, "each fact begins its own story");
    }
    stage.advance(TimeDelta::days(1));
    stage.until_events("poll.completed", 2).await;
    let runs = completed(&stage).await;
    assert_eq!((runs[1].run, runs[1].trigger.as_str(), runs[1].new_facts), (2, "schedule", 0));
    stage.stop().await;
}

async fn nothing_pending_is_a_completed_run(on: Backend) {
    let mut stage = Stage::new(on, Plan::default()).await;
    stage.start(Roles::Poller);
    stage.until_outcome("contacts", "completed").await;
    let runs = completed(&stage).await;
    assert_eq!((runs.len(), runs[0].pending.len(), runs[0].last_page), (1, 0, true));
    stage.stop().await;
}

async fn runs_missed_while_nothing_ran_happen_once(on: Backend) {
    let mut stage = Stage::new(on, five()).await;
    stage.start(Roles::Poller);
    stage.until_outcome("contacts", "completed").await;
    stage.stop().await;
    stage.advance(TimeDelta::days(9));
    stage.start(Roles::Poller);
    stage.until_events("poll.completed", 2).await;
    let next = stage.next_run_at("contacts").await.unwrap();
    assert!(next > stage.now() && next <= stage.now() + TimeDelta::days(1), "{next}");
    stage.stop().await;
    stage.start(Roles::Poller);
    stage.notify("org-a", "update", &["5200000000009999"]).await;
    stage.until_events("crm_record.deleted", 1).await;
    assert_eq!(completed(&stage).await.len(), 2);
    stage.stop().await;
}

async fn interrupted_run_goes_on_where_it_stopped(on: Backend) {
    let mut stage = Stage::new(on, five()).await;
    stage.process.settings.page_rows = 2;
    // The first COQL call looks at the fields, the second reads the first page.
    stage.fault("crm.coql", Fault::Hang {}, 1, 2);
    stage.start(Roles::Poller);
    stage.until_met(1).await;
    stage.until_events("poll.completed", 1).await;
    stage.crash().await;
    stage.start(Roles::Poller);
    stage.until_outcome("contacts", "completed").await;
    let pages = completed(&stage).await;
    let places: Vec<_> = pages.iter().map(|page| (page.run, page.cursor_before.as_deref(), page.last_page)).collect();
    assert_eq!(places, [(1, None, false), (1, Some(IDS[1]), false), (1, Some(IDS[3]), true)]);
    assert!(pages.iter().all(|page| page.trigger == "start"));
    let seen: Vec<&String> = pages.iter().flat_map(|page| &page.pending).collect();
    assert_eq!(seen, IDS.iter().collect::<Vec<_>>());
    assert_eq!(stage.events("crm_record.changed").await.len(), 5);
    stage.stop().await;
}

async fn run_that_was_interrupted_long_ago_begins_anew(on: Backend) {
    let mut stage = Stage::new(on, five()).await;
    stage.process.settings.page_rows = 2;
    stage.fault("crm.coql", Fault::Hang {}, 1, 2);
    stage.start(Roles::Poller);
    stage.until_met(1).await;
    stage.until_events("poll.completed", 1).await;
    stage.crash().await;
    stage.advance(TimeDelta::hours(2));
    stage.start(Roles::Poller);
    stage.until_outcome("contacts", "completed").await;
    let places: Vec<_> = completed(&stage).await.into_iter().map(|page| (page.run, page.cursor_before)).collect();
    assert_eq!(places[1], (1, None));
    stage.stop().await;
}

async fn throttled_poll_waits_for_the_providers_time(on: Backend) {
    let mut stage = Stage::new(on, five()).await;
    stage.fault("crm.coql", Fault::Throttle { retry_after_seconds: None }, 1, 1);
    stage.start(Roles::Poller);
    let failed: Failed = stage.until_events("poll.failed", 1).await[0].decode().unwrap();
    assert_eq!((failed.run, failed.code.as_str()), (1, "throttled"));
    let next = stage.next_run_at("contacts").await.unwrap();
    assert!(next > stage.now(), "{next}");
    stage.until_prolonged("crm-pending:contacts", 2).await;
    assert_eq!(stage.calls("crm.coql"), 2, "no call before the time is over");
    stage.advance(TimeDelta::seconds(60));
    stage.until_outcome("contacts", "completed").await;
    assert_eq!(completed(&stage).await[0].run, 1);
    stage.stop().await;
}

async fn failed_poll_is_tried_again_before_its_next_time(on: Backend) {
    let mut stage = Stage::new(on, five()).await;
    // Reads are tried three times by themselves.
    stage.fault("crm.coql", Fault::Status { code: 500, html_body: false }, 3, 1);
    stage.start(Roles::Poller);
    stage.until_outcome("contacts", "failed").await;
    assert!(stage.schedule("contacts", "last_error").await.unwrap().starts_with("unavailable: "));
    stage.advance(TimeDelta::seconds(61));
    stage.until_outcome("contacts", "completed").await;
    assert_eq!(stage.schedule("contacts", "last_error").await, None);
    stage.stop().await;
}

async fn field_that_the_crm_does_not_have_is_said_once_and_other_transfers_go_on(on: Backend) {
    let transfers = transfer("contacts", "org-a", "Source_Folder_Name") + &transfer("wrong", "org-b", "Ghost_Field");
    let mut stage = Stage::new(on, Plan { transfers, ..five() }).await;
    stage.start(Roles::Poller);
    stage.until_outcome("wrong", "misconfigured").await;
    stage.until_outcome("contacts", "completed").await;
    let error = stage.schedule("wrong", "last_error").await.unwrap();
    assert!(error.contains("Ghost_Field") && error.contains("transfers.wrong.folder_field"), "{error}");
    let calls = stage.calls("crm.coql");
    stage.until_prolonged("crm-pending:wrong", 2).await;
    assert_eq!(stage.calls("crm.coql"), calls, "no endless retry");
    assert!(stage.events("poll.failed").await.is_empty());
    stage.advance(TimeDelta::minutes(11));
    until("another look", async || (stage.calls("crm.coql") > calls).then_some(())).await;
    stage.stop().await;
}

async fn poll_finds_what_no_webhook_announced_and_counts_it(on: Backend) {
    let mut stage = Stage::new(on, five()).await;
    stage.start(Roles::All);
    stage.until_quiet().await;
    stage.advance(TimeDelta::seconds(10));
    stage.control().set_webhooks(json!({"drop_next": 1})).unwrap();
    stage.change("org-a", IDS[0], json!({"Source_Folder_Name": "Lost"})).await;
    stage.change("org-a", IDS[1], json!({"Source_Folder_Name": "Announced"})).await;
    stage.until_events("crm_record.changed", 6).await;
    stage.advance(TimeDelta::days(1));
    stage.until_events("crm_record.changed", 7).await;
    let runs = completed(&stage).await;
    let last = runs.last().unwrap();
    assert_eq!((last.trigger.as_str(), last.new_facts, last.found_missed), ("schedule", 1, 1));
    assert_eq!(runs.iter().map(|run| run.found_missed).sum::<u64>(), 1);
    let folders = stage.known_folders().await;
    assert_eq!((&folders[IDS[0]], &folders[IDS[1]]), (&json!("Lost"), &json!("Announced")));
    stage.stop().await;
}

async fn doubled_reversed_and_lost_webhooks_end_in_the_same_facts(on: Backend) {
    for webhooks in [
        json!({}),
        json!({"duplicate_probability": 1.0}),
        json!({"reorder_window": 3, "reorder_hold_ms": 300}),
        json!({"drop_probability": 1.0}),
    ] {
        let mut stage = Stage::new(on, five()).await;
        stage.start(Roles::All);
        stage.until_quiet().await;
        stage.advance(TimeDelta::seconds(10));
        stage.control().set_webhooks(webhooks.clone()).unwrap();
        for (id, folder) in [(IDS[0], "One"), (IDS[1], "Two"), (IDS[2], "Three")] {
            stage.change("org-a", id, json!({"Source_Folder_Name": folder})).await;
        }
        if webhooks.get("drop_probability").is_some() {
            stage.advance(TimeDelta::days(1));
        }
        stage.until_events("crm_record.changed", 8).await;
        let folders = stage.known_folders().await;
        let expected = json!({IDS[0]: "One", IDS[1]: "Two", IDS[2]: "Three", IDS[3]: "Alpha", IDS[4]: "Alpha"});
        assert_eq!(json!(folders), expected, "{webhooks}");
        stage.stop().await;
        assert_eq!(stage.events("crm_record.changed").await.len(), 8, "{webhooks}");
    }
}

async fn poll_on_demand_respects_its_limit_and_leaves_the_schedule_alone(on: Backend) {
    let mut stage = Stage::new(on, five()).await;
    stage.process.settings.page_rows = 2;
    let request = PollRequest { limit: Some(3), ..manual() };
    let outcome = run_poll_once(stage.process.intake(), "contacts", &request).await.unwrap();
    assert_eq!((outcome.run, outcome.records, outcome.new_facts), (1, 3, 3));
    assert_eq!(outcome.pending.iter().collect::<Vec<_>>(), IDS[..3].iter().collect::<Vec<_>>());
    assert!(completed(&stage).await.iter().all(|page| page.trigger == "manual"));
    let all = run_poll_once(stage.process.intake(), "contacts", &manual()).await.unwrap();
    assert_eq!((all.run, all.records, all.new_facts, all.pending.len()), (2, 5, 2, 5));
    stage.start(Roles::Poller);
    stage.until_outcome("contacts", "completed").await;
    let last = completed(&stage).await.pop().unwrap();
    assert_eq!((last.run, last.trigger.as_str()), (3, "start"));
    stage.stop().await;
}

async fn poll_of_one_record_says_whether_it_is_pending(on: Backend) {
    let stage = Stage::new(on, five()).await;
    let request = |id: &str| PollRequest { record_id: Some(id.parse().unwrap()), ..manual() };
    let one = run_poll_once(stage.process.intake(), "contacts", &request(IDS[2])).await.unwrap();
    assert_eq!((one.records, one.pending.len()), (1, 1));
    stage.change("org-a", IDS[2], json!({"Transfer_Complete": true})).await;
    let done = run_poll_once(stage.process.intake(), "contacts", &request(IDS[2])).await.unwrap();
    assert_eq!((done.records, done.pending.len()), (1, 0));
    let none = run_poll_once(stage.process.intake(), "contacts", &request("1")).await.unwrap();
    assert_eq!((none.records, none.pending.len()), (0, 0));
}

async fn failed_poll_on_demand_is_an_error_and_is_in_the_log(on: Backend) {
    let stage = Stage::new(on, five()).await;
    stage.fault("crm.coql", Fault::Throttle { retry_after_seconds: None }, 1, 0);
    let error = run_poll_once(stage.process.intake(), "contacts", &manual()).await.unwrap_err();
    assert!(matches!(&error, Error::Provider(error) if error.code() == "throttled"), "{error}");
    assert_eq!(stage.events("poll.failed").await.len(), 1);
    let error = run_poll_once(stage.process.intake(), "nobody", &manual()).await.unwrap_err();
    assert!(matches!(error, Error::NoSuchTransfer(_)), "{error}");
}

async fn change_whose_webhook_waits_for_its_turn_is_not_counted_as_missed(on: Backend) {
    let mut stage = Stage::new(on, five()).await;
    stage.start(Roles::All);
    stage.until_quiet().await;
    stage.advance(TimeDelta::seconds(10));
    stage.fault("crm.record", Fault::Status { code: 503, html_body: false }, 1_000, 0);
    stage.change("org-a", IDS[0], json!({"Source_Folder_Name": "Announced"})).await;
    stage.until_events("delivery.received", 1).await;
    stage.until_met(1).await;
    stage.advance(TimeDelta::days(1));
    let facts = stage.until_events("crm_record.changed", 6).await;
    assert_eq!(facts.last().unwrap().source, "poll");
    assert_eq!(completed(&stage).await.iter().map(|run| run.found_missed).sum::<u64>(), 0);
    stage.stop().await;
}
