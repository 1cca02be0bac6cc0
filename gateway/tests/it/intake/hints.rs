//! Notifications become facts: whatever their number, order and quality.

use event_log::sightings;
use serde_json::json;
use simulator::Fault;
use simulator::control::{GrantChange, GrantRenewal};
use testkit::wait::until;

use super::stage::{Plan, Roles, Stage, pending, transfer};
use crate::store::{Backend, on_both_databases};

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    notification_becomes_a_fact_of_the_fetched_record_in_the_story_of_its_delivery,
    further_notifications_of_the_same_change_are_kept_as_sightings,
    deleted_and_vanished_records_are_facts_too,
    what_can_never_be_handled_is_skipped_and_holds_up_nothing,
    record_that_the_crm_refuses_does_not_spoil_the_others_of_its_notification,
    hints_wait_while_the_provider_is_down_and_then_become_facts,
    throttled_hints_wait_for_the_providers_time,
    account_without_consent_waits_alone_and_goes_on_by_itself,
    crash_in_the_middle_of_a_fetch_loses_no_hint_and_repeats_no_fact,
    two_states_of_a_record_within_one_second_are_two_facts,
}

const ONE: &str = "5200000000000001";
const TWO: &str = "5200000000000002";
const GONE: &str = "5200000000009999";

async fn stage(on: Backend) -> Stage {
    Stage::new(on, Plan { records: vec![(ONE, pending("Alpha")), (TWO, pending("Beta"))], ..Plan::default() }).await
}

/// A stage whose first poll is done, so that what follows comes from hints.
async fn polled(on: Backend) -> Stage {
    let mut stage = stage(on).await;
    stage.start(Roles::Poller);
    stage.until_outcome("contacts", "completed").await;
    stage
}

async fn notification_becomes_a_fact_of_the_fetched_record_in_the_story_of_its_delivery(on: Backend) {
    let mut stage = polled(on).await;
    stage.advance(chrono::TimeDelta::seconds(5));
    stage.change("org-a", ONE, json!({"Source_Folder_Name": "Gamma"})).await;
    let delivery = stage.notify("org-a", "update", &[ONE]).await;
    let facts = stage.until_events("crm_record.changed", 3).await;
    let fact = facts.last().unwrap();
    assert_eq!(fact.causation_id, Some(delivery.id));
    assert_eq!(fact.correlation_id, delivery.correlation_id);
    assert_eq!((fact.source.as_str(), fact.account.as_deref()), ("webhook", Some("org-a")));
    let data: catalogue::crm::Changed = fact.decode().unwrap();
    assert_eq!(data.fields, *json!({"Transfer_Complete": false, "Source_Folder_Name": "Gamma"}).as_object().unwrap());
    assert!(data.modified_time.is_some() && data.modified_time == fact.occurred_at);
    stage.stop().await;
}

async fn further_notifications_of_the_same_change_are_kept_as_sightings(on: Backend) {
    let mut stage = stage(on).await;
    let first = stage.notify("org-a", "insert", &[ONE, TWO]).await;
    let second = stage.notify("org-a", "update", &[TWO]).await;
    let third = stage.notify("org-a", "update", &[TWO, ONE, TWO]).await;
    stage.start(Roles::Poller);
    let facts = stage.until_events("crm_record.changed", 2).await;
    stage.until_outcome("contacts", "completed").await;
    let beta = facts.iter().find(|fact| fact.stream_name.as_str().ends_with(TWO)).unwrap();
    let causes = until("three further sightings", async || {
        let sightings = sightings(stage.process.log.database().readers(), beta.id).await.unwrap();
        (sightings.len() == 3).then(|| sightings.into_iter().map(|one| one.causation_id).collect::<Vec<_>>())
    })
    .await;
    let seen = |id| beta.causation_id == Some(id) || causes.contains(&Some(id));
    assert!([first.id, second.id, third.id].into_iter().all(seen), "{causes:?}");
    assert_eq!(stage.events("crm_record.changed").await.len(), 2);
    stage.stop().await;
}

async fn deleted_and_vanished_records_are_facts_too(on: Backend) {
    let mut stage = polled(on).await;
    stage.notify("org-a", "update", &[GONE]).await;
    stage.notify("org-a", "delete", &[ONE]).await;
    stage.notify("org-a", "delete", &[ONE]).await;
    let facts = stage.until_events("crm_record.deleted", 2).await;
    let ids: Vec<String> =
        facts.iter().map(|fact| fact.decode::<catalogue::crm::Deleted>().unwrap().record_id).collect();
    assert_eq!(ids, [GONE, ONE]);
    until("the second deletion as a sighting", async || {
        let seen = sightings(stage.process.log.database().readers(), facts[1].id).await.unwrap();
        (seen.len() == 1).then_some(())
    })
    .await;
    stage.stop().await;
}

async fn what_can_never_be_handled_is_skipped_and_holds_up_nothing(on: Backend) {
    let mut stage = polled(on).await;
    stage.advance(chrono::TimeDelta::seconds(5));
    stage.change("org-a", TWO, json!({"Source_Folder_Name": "Delta"})).await;
    stage.deliver("org-a", "not json").await;
    stage.deliver("org-a", &json!({"module": "Deals", "operation": "update", "ids": ["1"]}).to_string()).await;
    stage.deliver("org-a", &json!({"module": "Contacts", "operation": "merge", "ids": ["1"]}).to_string()).await;
    let last = stage.notify("org-a", "update", &[TWO]).await;
    let facts = stage.until_events("crm_record.changed", 3).await;
    assert_eq!(facts.last().unwrap().causation_id, Some(last.id));
    stage.stop().await;
}

async fn record_that_the_crm_refuses_does_not_spoil_the_others_of_its_notification(on: Backend) {
    let mut stage = polled(on).await;
    stage.advance(chrono::TimeDelta::seconds(5));
    stage.change("org-a", ONE, json!({"Source_Folder_Name": "Epsilon"})).await;
    stage.fault("crm.list", Fault::Status { code: 400, html_body: false }, 1, 0);
    stage.notify("org-a", "update", &[ONE, TWO]).await;
    stage.until_events("crm_record.changed", 3).await;
    assert_eq!(stage.known_folders().await[ONE], "Epsilon");
    stage.stop().await;
}

async fn hints_wait_while_the_provider_is_down_and_then_become_facts(on: Backend) {
    let mut stage = polled(on).await;
    stage.advance(chrono::TimeDelta::seconds(5));
    stage.change("org-a", ONE, json!({"Source_Folder_Name": "Zeta"})).await;
    stage.fault("crm.record", Fault::Status { code: 503, html_body: true }, 4, 0);
    stage.notify("org-a", "update", &[ONE]).await;
    stage.until_events("crm_record.changed", 3).await;
    assert_eq!(stage.known_folders().await[ONE], "Zeta");
    stage.stop().await;
}

async fn throttled_hints_wait_for_the_providers_time(on: Backend) {
    let mut stage = polled(on).await;
    stage.advance(chrono::TimeDelta::seconds(5));
    stage.change("org-a", ONE, json!({"Source_Folder_Name": "Eta"})).await;
    stage.fault("crm.record", Fault::Throttle { retry_after_seconds: None }, 1, 0);
    stage.notify("org-a", "update", &[ONE]).await;
    until("the refusal", async || (stage.calls("crm.record") == 1).then_some(())).await;
    stage.until_prolonged("hints:org-a", 2).await;
    assert_eq!(stage.calls("crm.record"), 1, "no call before the time is over");
    stage.advance(chrono::TimeDelta::seconds(60));
    stage.until_events("crm_record.changed", 3).await;
    assert_eq!(stage.known_folders().await[ONE], "Eta");
    stage.stop().await;
}

async fn account_without_consent_waits_alone_and_goes_on_by_itself(on: Backend) {
    let transfers =
        transfer("contacts", "org-a", "Source_Folder_Name") + &transfer("other", "org-b", "Source_Folder_Name");
    let mut stage = Stage::new(on, Plan { records: vec![(ONE, pending("Alpha"))], transfers, ..Plan::default() }).await;
    stage.start(Roles::Poller);
    stage.until_outcome("contacts", "completed").await;
    stage.until_outcome("other", "completed").await;
    stage.control().revoke_grants("org-a", &GrantChange::default()).unwrap();
    stage.notify("org-a", "update", &[GONE]).await;
    stage.until_events("account.needs_consent", 1).await;
    stage.notify("org-b", "update", &[GONE]).await;
    let facts = stage.until_events("crm_record.deleted", 1).await;
    assert_eq!(facts[0].account.as_deref(), Some("org-b"));
    stage.control().renew_grants("org-a", &GrantRenewal::default()).unwrap();
    let facts = stage.until_events("crm_record.deleted", 2).await;
    assert_eq!(facts[1].account.as_deref(), Some("org-a"));
    assert_eq!(stage.events("account.recovered").await.len(), 1);
    stage.stop().await;
}

async fn crash_in_the_middle_of_a_fetch_loses_no_hint_and_repeats_no_fact(on: Backend) {
    let mut stage = polled(on).await;
    stage.advance(chrono::TimeDelta::seconds(5));
    stage.change("org-a", ONE, json!({"Source_Folder_Name": "Theta"})).await;
    stage.fault("crm.record", Fault::Hang {}, 1, 0);
    stage.notify("org-a", "update", &[ONE]).await;
    stage.until_met(1).await;
    stage.crash().await;
    stage.start(Roles::Poller);
    stage.until_events("crm_record.changed", 3).await;
    stage.crash().await;
    stage.start(Roles::Poller);
    stage.notify("org-a", "update", &[GONE]).await;
    stage.until_events("crm_record.deleted", 1).await;
    assert_eq!(stage.events("crm_record.changed").await.len(), 3);
    stage.stop().await;
}

async fn two_states_of_a_record_within_one_second_are_two_facts(on: Backend) {
    let mut stage = polled(on).await;
    let mut facts = 2;
    for attempt in 0.. {
        assert!(attempt < 20, "the two changes never fell into one second");
        stage.advance(chrono::TimeDelta::seconds(2));
        let mut times = Vec::new();
        for folder in ["Former", "Latter"] {
            times.push(stage.change("org-a", ONE, json!({"Source_Folder_Name": folder})).await);
            stage.notify("org-a", "update", &[ONE]).await;
            facts += 1;
            stage.until_events("crm_record.changed", facts).await;
        }
        if times[0] == times[1] {
            break;
        }
    }
    assert_eq!(stage.known_folders().await[ONE], "Latter");
    stage.notify("org-a", "update", &[ONE]).await;
    stage.notify("org-a", "update", &[GONE]).await;
    stage.until_events("crm_record.deleted", 1).await;
    assert_eq!(stage.events("crm_record.changed").await.len(), facts, "a further sighting is no fact");
    stage.stop().await;
}
