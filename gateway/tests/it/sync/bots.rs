//! What bots tell: edits and deletions become facts, and a channel with news is read at once.

use bytes::Bytes;
use catalogue::delivery;
use catalogue::message::{Deleted, Edited};
use event_log::{Append, GlobalPosition, NewEvent};
use gateway::sync::jobs::{State, Trigger, Wish};
use mappings::channel::{Change, Mapping};
use serde_json::{Value, json};
use simulator::Seed;
use simulator::seed::{CliqMessageSeed, CliqOptions};
use testkit::on_both_databases;
use testkit::store::Backend;
use testkit::wait::until;

use super::stage::{ORG, Stage, actor};

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    news_bring_a_sync_forward_and_a_burst_brings_one,
    news_that_another_job_takes_up_are_read_whatever_the_list_says,
    edits_and_deletions_are_facts_once_however_often_they_are_told,
    what_is_about_no_mapped_channel_leads_to_nothing,
    what_is_told_to_another_account_leads_to_nothing,
    what_is_told_of_a_paused_channel_is_a_fact_and_read_when_it_goes_on,
}

async fn stage(on: Backend) -> (Stage, Mapping) {
    let options =
        CliqOptions { channels: 1, messages_per_channel: 5, threads_per_channel: 0, ..CliqOptions::default() };
    let mut stage = Stage::new(on, &Seed::cliq(&options)).await;
    stage.process.settings.bots.insert("org-a".to_owned(), "org-a".to_owned());
    let name = stage.cliq().channels[0].name.clone();
    let mapped = stage.map(&name, Change::default()).await;
    stage.start();
    stage.completed(1).await;
    (stage, mapped)
}

pub(super) fn told(mapping: &Mapping, operation: &str, message_id: &str, time_ms: i64) -> Value {
    json!({"operation": operation, "data": {"time": time_ms, "message": {"id": message_id, "type": "text", "text": "new words"}},
        "user": {"id": "64396901", "first_name": "Ann", "last_name": "Lee"},
        "chat": {"id": mapping.chat_id, "type": "chat", "channel_id": mapping.channel_id}})
}

/// Puts an event of a bot into the log as the gateway would have received it.
pub(super) async fn deliver(stage: &Stage, body: &Value) {
    deliver_to(stage, "org-a", body).await;
}

async fn deliver_to(stage: &Stage, account: &str, body: &Value) -> GlobalPosition {
    let body = body.to_string();
    let data = delivery::Received {
        verify: "zoho-cliq".to_owned(),
        delivery_id: None,
        registration_id: None,
        json: true,
        flagged: false,
        size_bytes: body.len() as u64,
    };
    let mut event = NewEvent::new(delivery::RECEIVED, "webhook", &data).of(account, "acme");
    event.received_at = Some(stage.process.log.now());
    event.payload = Some(Bytes::from(body));
    let appended = stage.process.log.append(Append::to_fresh_stream(delivery::CATEGORY, event)).await.unwrap();
    appended.outcomes[0].position()
}

async fn news_bring_a_sync_forward_and_a_burst_brings_one(on: Backend) {
    let (stage, mapped) = stage(on).await;
    let calls = stage.calls("cliq.messages");
    let texts = ["a", "b", "c"].map(|text| CliqMessageSeed { text: text.to_owned(), ..CliqMessageSeed::default() });
    for (at, id) in stage.control().post_cliq_messages(ORG, &mapped.chat_id, &texts).unwrap().iter().enumerate() {
        deliver(&stage, &told(&mapped, "message_sent", id, at as i64)).await;
    }
    let jobs = stage.with_time_flying(chrono::TimeDelta::seconds(1), stage.completed(2)).await;
    assert_eq!((jobs.len(), jobs[0].trigger), (2, Trigger::Webhook));
    assert_eq!(jobs[0].counts["messages_processed"], 3);
    assert_eq!(stage.calls("cliq.messages") - calls, 1);
    stage.assert_complete().await;
    stage.assert_well_behaved();
}

async fn news_that_another_job_takes_up_are_read_whatever_the_list_says(on: Backend) {
    let (stage, mapped) = stage(on).await;
    stage.advance(chrono::TimeDelta::minutes(10));
    let calls = stage.calls("cliq.messages");
    let later = Some(stage.process.log.now() + chrono::TimeDelta::hours(1));
    let waiting = stage.want(Wish { not_before: later, ..Stage::wish(&mapped, Trigger::Scheduled) }).await;
    deliver(&stage, &told(&mapped, "message_sent", "1768471400000_1", 1)).await;
    let job = stage.with_time_flying(chrono::TimeDelta::seconds(1), stage.ended(&waiting)).await;
    assert_eq!((job.state, job.trigger), (State::Completed, Trigger::Scheduled));
    assert_eq!(stage.calls("cliq.messages") - calls, 1, "the list shows nothing new, and the bot has told of it");
    let again = stage.ask(&mapped, Trigger::Manual).await;
    stage.with_time_flying(chrono::TimeDelta::seconds(1), stage.ended(&again)).await;
    assert_eq!(stage.calls("cliq.messages") - calls, 1, "once");
}

async fn edits_and_deletions_are_facts_once_however_often_they_are_told(on: Backend) {
    let (stage, mapped) = stage(on).await;
    let ids: Vec<String> =
        stage.recorded().await[&mapped.chat_id].iter().map(|posted| posted.message_id.clone()).collect();
    for _ in 0..3 {
        deliver(&stage, &told(&mapped, "message_edited", &ids[0].replace('_', "%20"), 1_800_000_000_001)).await;
        deliver(&stage, &told(&mapped, "message_deleted", &ids[1], 1_800_000_000_002)).await;
    }
    deliver(&stage, &told(&mapped, "message_edited", &ids[0], 1_800_000_000_003)).await;
    until("the last edit is a fact", async || (stage.events("message.edited").await.len() >= 2).then_some(())).await;
    let edits = stage.events("message.edited").await;
    let first: Edited = edits[0].decode().unwrap();
    assert_eq!((first.message_id.as_str(), first.text.as_str()), (ids[0].as_str(), "new words"));
    assert_eq!(first.sender.name, "Ann Lee");
    assert_eq!(edits.len(), 2);
    let deletions = stage.events("message.deleted").await;
    let gone: Deleted = deletions[0].decode().unwrap();
    assert_eq!((deletions.len(), gone.message_id), (1, ids[1].clone()));
    assert_eq!(edits[0].stream_name, stage.events("message.posted").await[0].stream_name);
}

async fn what_is_about_no_mapped_channel_leads_to_nothing(on: Backend) {
    let (stage, mapped) = stage(on).await;
    let mut other = told(&mapped, "message_edited", "1_2", 5);
    other["chat"] = json!({"id": "CT_other", "channel_id": "Oother"});
    deliver(&stage, &other).await;
    deliver(&stage, &json!({"no": "event"})).await;
    deliver(&stage, &told(&mapped, "message_sent", "1_2", 6)).await;
    let jobs = stage.with_time_flying(chrono::TimeDelta::seconds(1), stage.completed(2)).await;
    assert_eq!(jobs.iter().filter(|job| job.state == State::Completed).count(), 2, "the last one was understood");
    assert!(stage.events("message.edited").await.is_empty());
}

async fn what_is_told_of_a_paused_channel_is_a_fact_and_read_when_it_goes_on(on: Backend) {
    let (stage, mapped) = stage(on).await;
    let log = stage.process.log.clone();
    let id = stage.recorded().await[&mapped.chat_id][0].message_id.clone();
    mappings::channel::pause(&log, &actor(), mapped.mapping_id, "quiet please").await.unwrap();
    deliver(&stage, &told(&mapped, "message_edited", &id, 1_800_000_000_001)).await;
    deliver(&stage, &told(&mapped, "message_deleted", &id, 1_800_000_000_002)).await;
    until("they are facts", async || (stage.events("message.deleted").await.len() == 1).then_some(())).await;
    assert_eq!(stage.events("message.edited").await.len(), 1);
    assert_eq!(stage.jobs().await.len(), 1, "nothing is read while it is paused");
    mappings::channel::resume(&log, &actor(), mapped.mapping_id).await.unwrap();
    let job = stage.ask(&mapped, Trigger::Manual).await;
    let job = stage.with_time_flying(chrono::TimeDelta::seconds(1), stage.ended(&job)).await;
    assert_eq!(job.state, State::Completed, "whoever follows completed syncs finds them");
}

async fn what_is_told_to_another_account_leads_to_nothing(on: Backend) {
    let options = CliqOptions { channels: 1, messages_per_channel: 5, ..CliqOptions::default() };
    let mut stage = Stage::new(on, &Seed::cliq(&options)).await;
    stage.process.settings.bots.insert("bot-b".to_owned(), "org-b".to_owned());
    stage.process.settings.organizations.insert("org-b".to_owned(), "acme".to_owned());
    let mapped = stage.map_all().await.remove(0);
    stage.start();
    let told = told(&mapped, "message_edited", "1_2", 5);
    let position = deliver_to(&stage, "bot-b", &told).await;
    let readers = stage.process.log.database().readers();
    until("it is looked at", async || {
        let checkpoints = event_log::checkpoints(readers).await.unwrap();
        let reached = |one: &event_log::Checkpoint| {
            one.subscription_name == "cliq-hints:bot-b" && one.global_position >= position
        };
        checkpoints.iter().any(reached).then_some(())
    })
    .await;
    assert!(stage.events("message.edited").await.is_empty());
}
