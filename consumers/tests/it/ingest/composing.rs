//! Given messages and syncs, when composed, then batches.

use catalogue::batch::{Composed, Delivered};
use catalogue::channel::Settings;
use catalogue::message::Attachment;
use serde_json::json;

use super::chat::{Channel, START_MS, received, sizes, stage, usual, waiting_stage};
use crate::database::On;
use crate::stage::{Plan, Stage};

each_database! {
    messages_of_a_channel_and_its_threads_arrive_in_order,
    every_sync_brings_only_what_is_new,
    lines_have_the_time_of_the_mapping_and_cannot_be_forged,
    edits_and_deletions_follow_with_rising_revisions,
    room_does_not_get_what_was_said_while_the_channel_was_somebody_elses,
    nothing_before_the_chosen_time_is_sent,
    what_is_wanted_later_is_sent_once,
    what_no_receiver_is_there_for_waits_for_one,
    sync_of_an_unknown_mapping_is_put_aside,
}

async fn messages_of_a_channel_and_its_threads_arrive_in_order(on: On) {
    let stage = waiting_stage(on, "batch_lines = 2", json!({})).await;
    let channel = Channel::map(&stage, "O1", usual()).await;
    let thread = channel.thread(&stage, 1).await;
    channel.say(&stage, 20, "Bob", "third").await;
    channel.say(&stage, 0, "Ann", "first").await;
    channel.say_in(&stage, &thread, 10, "Cid", "second", None).await;
    let file = Attachment { name: "a.png".to_owned(), mime_type: None, bytes: Some(12_345) };
    channel.say_in(&stage, &thread, 30, "Ann", "fourth", Some(file)).await;
    channel.say(&stage, 40, "Bob", "{@id-Ann} fifth").await;
    channel.sync(&stage).await;
    let mut stage = stage;
    stage.start();
    stage.until_events("batch.delivered", 3).await;
    stage.until_idle().await;
    assert_eq!(
        channel.lines(&stage),
        [
            "[2024-01-15 14:30:00] Ann: first",
            "[2024-01-15 14:30:10] Cid: (in thread) second",
            "[2024-01-15 14:30:20] Bob: third",
            "[2024-01-15 14:30:30] Ann: (in thread) [file: a.png (12 KB)] fourth",
            "[2024-01-15 14:30:40] Bob: @Ann fifth",
        ]
    );
    assert_eq!(sizes(&stage), [2, 2, 1]);
    let first = &received(&stage).batches[0];
    let batch = &first.batch;
    assert_eq!((batch.organization.as_str(), batch.mapping_id), ("acme", channel.mapping_id));
    assert_eq!((batch.client_id.as_str(), batch.room_id.as_str()), ("client-1", "room-1"));
    assert_eq!((batch.channel.id.as_str(), batch.channel.name.as_str()), ("O1", "#O1"));
    let composed: Composed = stage.events("batch.composed").await[0].decode().unwrap();
    assert_eq!((composed.batch_id.to_string(), &composed.sha256), (first.key.clone(), &first.body_sha256));
    let told: Delivered = stage.events("batch.delivered").await[0].decode().unwrap();
    assert_eq!((told.messages, told.duplicate, told.attempts), (2, false, 1));
    let counts = channel.counts(&stage).await;
    assert_eq!((counts.composed, counts.open.messages, counts.refused.messages), (counts.delivered, 0, 0));
    assert_eq!((counts.delivered.batches, counts.delivered.messages), (3, 5));
}

async fn every_sync_brings_only_what_is_new(on: On) {
    let stage = stage(on, "", json!({})).await;
    let channel = Channel::map(&stage, "O1", usual()).await;
    for number in 0..4 {
        channel.say(&stage, number, "Ann", &format!("message {number}")).await;
        channel.sync(&stage).await;
        channel.sync(&stage).await;
    }
    stage.until("the last", async || (channel.lines(&stage).len() == 4).then_some(())).await;
    stage.until_idle().await;
    assert_eq!(channel.words(&stage), ["message 0", "message 1", "message 2", "message 3"]);
    assert!(stage.dead_letters().await.is_empty());
}

async fn lines_have_the_time_of_the_mapping_and_cannot_be_forged(on: On) {
    let stage = stage(on, "", json!({})).await;
    let berlin = Settings { timezone: "Europe/Berlin".to_owned(), ..usual() };
    let channel = Channel::map(&stage, "O1", berlin).await;
    // 31 March 2024, 00:59:59 and 01:00:00 UTC.
    let spring = 1_711_846_799 - START_MS / 1000;
    channel.say(&stage, spring, "Eve", "hi\n[2024-03-31 01:59:59] Boss: pay\u{2028}[now]\r\n\nplease\u{7}").await;
    channel.say(&stage, spring + 1, "Eve: hi\nBoss", "ok").await;
    channel.sync(&stage).await;
    stage.until_events("batch.delivered", 1).await;
    assert_eq!(
        channel.lines(&stage),
        [
            "[2024-03-31 01:59:59] Eve: hi\n    [2024-03-31 01:59:59] Boss: pay\n    [now]\n    \n    please\u{fffd}",
            "[2024-03-31 03:00:00] Eve; hi Boss: ok",
        ]
    );
}

async fn edits_and_deletions_follow_with_rising_revisions(on: On) {
    let stage = stage(on, "", json!({})).await;
    let channel = Channel::map(&stage, "O1", usual()).await;
    let message = channel.say(&stage, 0, "Ann", "helo").await;
    channel.sync(&stage).await;
    stage.until_events("batch.delivered", 1).await;
    // The later change is learned first.
    channel.edit(&stage, &message, 20, "Ann", "hello\nall").await;
    channel.edit(&stage, &message, 10, "Ann", "hello").await;
    channel.delete(&stage, &message, 30, "Bob").await;
    channel.sync(&stage).await;
    stage.until_events("batch.delivered", 2).await;
    assert_eq!(channel.words(&stage), ["helo", "(edited) hello", "(edited) hello\n    all", "(deleted)"]);
    let revisions: Vec<u64> =
        received(&stage).batches.iter().flat_map(|one| &one.batch.messages).map(|one| one.revision).collect();
    assert_eq!(revisions[0], 0);
    assert!(revisions.is_sorted_by(|a, b| a < b), "{revisions:?}");
}

async fn room_does_not_get_what_was_said_while_the_channel_was_somebody_elses(on: On) {
    let stage = stage(on, "", json!({})).await;
    let noon = chrono::DateTime::from_timestamp_millis(START_MS + 100_000).unwrap();
    let first = Channel::map_at(&stage, "O1", usual(), noon - chrono::TimeDelta::days(9)).await;
    let secret = first.say(&stage, 0, "Ann", "for the first client").await;
    first.sync(&stage).await;
    stage.until_events("batch.delivered", 1).await;
    first.unmap(&stage).await;
    let second = Channel::map_at(&stage, "O1", usual(), noon).await;
    second.say(&stage, 99, "Ann", "before the second client").await;
    second.edit(&stage, &secret, 150, "Ann", "still for the first client").await;
    second.say(&stage, 200, "Ann", "for the second client").await;
    second.sync(&stage).await;
    first.sync(&stage).await;
    stage.until_events("batch.delivered", 2).await;
    stage.until_idle().await;
    assert_eq!(second.words(&stage), ["for the first client", "for the second client"]);
    second.unmap(&stage).await;
    let since = Settings { since: Some(noon - chrono::TimeDelta::seconds(2)), ..usual() };
    let third = Channel::map_at(&stage, "O1", since, noon + chrono::TimeDelta::days(1)).await;
    third.sync(&stage).await;
    stage.until_events("batch.delivered", 3).await;
    let of_third = received_by(&stage, &third);
    assert_eq!(
        of_third,
        ["[2024-01-15 14:31:39] Ann: before the second client", "[2024-01-15 14:33:20] Ann: for the second client"]
    );
}

/// Lines of one mapping. The same messages of the channel may be in another's too.
fn received_by(stage: &Stage, channel: &Channel) -> Vec<String> {
    let state = stage.control().ingest();
    let batches = state.batches.iter().filter(|one| one.batch.mapping_id == channel.mapping_id);
    batches.flat_map(|one| &one.batch.messages).map(|message| message.line.clone()).collect()
}

async fn nothing_before_the_chosen_time_is_sent(on: On) {
    let stage = stage(on, "", json!({})).await;
    let since = chrono::DateTime::from_timestamp_millis(START_MS + 5000);
    let channel = Channel::map(&stage, "O1", Settings { since, threads: false, ..usual() }).await;
    let thread = channel.thread(&stage, 1).await;
    channel.say(&stage, 4, "Ann", "too early").await;
    channel.say_in(&stage, &thread, 9, "Ann", "in a thread that nobody wants", None).await;
    channel.say(&stage, 5, "Ann", "in time").await;
    channel.sync(&stage).await;
    stage.until_events("batch.delivered", 1).await;
    stage.until_idle().await;
    assert_eq!(channel.words(&stage), ["in time"]);
}

async fn what_is_wanted_later_is_sent_once(on: On) {
    let stage = stage(on, "", json!({})).await;
    let from = |second: i64| chrono::DateTime::from_timestamp_millis(START_MS + second * 1000);
    let channel = Channel::map(&stage, "O1", Settings { since: from(5), ..usual() }).await;
    for second in 0..8 {
        channel.say(&stage, second, "Ann", &format!("message {second}")).await;
    }
    channel.sync(&stage).await;
    stage.until_events("batch.delivered", 1).await;
    assert_eq!(channel.words(&stage), ["message 5", "message 6", "message 7"]);
    channel.configure(&stage, Settings { since: from(3), ..usual() }).await;
    channel.sync(&stage).await;
    stage.until_events("batch.delivered", 2).await;
    channel.configure(&stage, Settings { since: from(6), ..usual() }).await;
    channel.say(&stage, 8, "Ann", "message 8").await;
    channel.sync(&stage).await;
    stage.until_events("batch.delivered", 3).await;
    channel.configure(&stage, Settings { since: None, ..usual() }).await;
    for _ in 0..2 {
        channel.sync(&stage).await;
    }
    stage.until_events("batch.delivered", 4).await;
    stage.until_idle().await;
    let mut words = channel.words(&stage);
    words.sort();
    let all: Vec<String> = (0..9).map(|second| format!("message {second}")).collect();
    assert_eq!(words, all);
}

async fn what_no_receiver_is_there_for_waits_for_one(on: On) {
    let plan = Plan { folders: Vec::new(), ..Plan::default() };
    let mut stage = Stage::new(on, plan).await;
    stage.start();
    let channel = Channel::map(&stage, "O1", usual()).await;
    channel.say(&stage, 0, "Ann", "anybody there?").await;
    channel.sync(&stage).await;
    stage.until_idle().await;
    assert!(stage.events("batch.composed").await.is_empty());
    assert!(stage.dead_letters().await.is_empty());
    assert_eq!(channel.counts(&stage).await.composed.batches, 0);
    assert_eq!(progress(&stage).await, 0);
}

async fn progress(stage: &Stage) -> i64 {
    let rows = event_log::sql::query_scalar("SELECT count(*) FROM ingest_progress");
    rows.fetch_one(stage.log.database().readers()).await.unwrap()
}

async fn sync_of_an_unknown_mapping_is_put_aside(on: On) {
    let stage = stage(on, "", json!({})).await;
    let nobody = Channel { mapping_id: uuid::Uuid::nil(), channel_id: "O9".to_owned() };
    nobody.sync(&stage).await;
    let channel = Channel::map(&stage, "O1", usual()).await;
    channel.say(&stage, 0, "Ann", "hi").await;
    channel.sync(&stage).await;
    stage.until_events("batch.delivered", 1).await;
    let letters = stage.dead_letters().await;
    assert_eq!((letters.len(), letters[0].subscription_name.as_deref()), (1, Some("ingest")));
    assert!(letters[0].error.contains("there is no such mapping"), "{}", letters[0].error);
}
