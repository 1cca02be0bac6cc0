//! What is read, and how often.

use catalogue::sync::{Completed, Failed};
use chrono::TimeDelta;
use gateway::sync::jobs::{State, Trigger, Wish};
use mappings::channel::{Change, Mapping};
use simulator::control::CliqChannelChange;
use simulator::seed::{CliqMessageSeed, CliqOptions};
use simulator::{Fault, FaultRule, Seed};
use testkit::on_both_databases;
use testkit::store::Backend;

use super::stage::{ORG, Stage, actor};

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    every_message_is_in_the_log_once_and_a_second_sync_finds_nothing_new,
    new_messages_come_with_the_next_sync_and_quiet_channels_cost_no_call,
    walk_goes_on_where_a_killed_process_stopped,
    full_sync_after_a_broken_one_reads_everything,
    sync_after_a_broken_one_reads_what_came_since,
    message_that_comes_during_a_walk_is_read_by_the_next_sync,
    faults_on_the_way_lose_and_repeat_nothing,
    paused_channel_is_not_synced_and_resumed_it_is,
    channel_that_cannot_be_read_is_an_error_until_it_can,
    mapping_of_the_organization_that_had_the_account_before_is_not_synced,
    messages_before_the_wanted_time_are_left_out,
    messages_that_are_wanted_later_are_read,
    channel_without_messages_has_no_last_one,
    hundreds_of_messages_within_a_second_are_read,
    moment_with_more_than_an_answer_is_said_and_everything_else_is_read,
    renamed_channel_is_called_by_its_new_name,
    list_from_before_the_last_wish_does_not_vouch,
    wish_during_a_run_is_followed_by_another_run,
    wish_during_the_first_call_is_followed_by_another_run,
}

fn channels(channels: u32, messages: u32) -> Seed {
    Seed::cliq(&CliqOptions { channels, messages_per_channel: messages, ..CliqOptions::default() })
}

fn text(text: &str) -> CliqMessageSeed {
    CliqMessageSeed { text: text.to_owned(), ..CliqMessageSeed::default() }
}

async fn every_message_is_in_the_log_once_and_a_second_sync_finds_nothing_new(on: Backend) {
    let mut stage = Stage::new(on, &channels(3, 250)).await;
    let mapped = stage.map_all().await;
    stage.start();
    let jobs = stage.with_time_flying(TimeDelta::seconds(2), stage.completed(mapped.len())).await;
    stage.assert_complete().await;
    let fetched: u64 = jobs.iter().map(|job| job.counts["messages_fetched"]).sum();
    let processed: u64 = jobs.iter().map(|job| job.counts["messages_processed"]).sum();
    assert_eq!(processed, stage.events("message.posted").await.len() as u64);
    assert!(fetched >= processed);
    let told: Vec<Completed> =
        stage.events("sync.completed").await.iter().map(|event| event.decode().unwrap()).collect();
    assert_eq!(told.len(), mapped.len());

    stage.advance(TimeDelta::minutes(10));
    let job = stage.ask(&mapped[0], Trigger::Manual).await;
    let job = stage.with_time_flying(TimeDelta::seconds(2), stage.ended(&job)).await;
    assert_eq!((job.state, job.counts["messages_processed"]), (State::Completed, 0));
    stage.assert_complete().await;
    stage.assert_well_behaved();
}

async fn new_messages_come_with_the_next_sync_and_quiet_channels_cost_no_call(on: Backend) {
    let mut seed = channels(4, 20);
    seed.organizations[0].cliq.generated[0].threads_per_channel = 0;
    let mut stage = Stage::new(on, &seed).await;
    let mapped = stage.map_all().await;
    stage.start();
    stage.with_time_flying(TimeDelta::seconds(2), stage.completed(mapped.len())).await;
    stage.advance(TimeDelta::minutes(10));
    let before = stage.calls("cliq.messages");
    stage.control().post_cliq_messages(ORG, &mapped[1].chat_id, &[text("one"), text("two")]).unwrap();
    let mut wanted = Vec::new();
    for mapping in &mapped {
        wanted.push(stage.ask(mapping, Trigger::Manual).await);
    }
    for (at, job) in wanted.iter().enumerate() {
        let job = stage.ended(job).await;
        assert_eq!(job.counts["messages_processed"], if at == 1 { 2 } else { 0 });
    }
    assert_eq!(stage.calls("cliq.messages") - before, 1, "only the channel with something new is read");
    stage.assert_complete().await;
    let mapping = stage.mapping(&mapped[1]).await;
    let newest = stage.recorded().await[&mapping.chat_id].iter().map(|posted| posted.time_ms).max();
    assert_eq!(mapping.last_message_at.map(|at| at.timestamp_millis()), newest);
    assert!(mapping.last_sync_at.is_some());
    stage.assert_well_behaved();
}

async fn walk_goes_on_where_a_killed_process_stopped(on: Backend) {
    let mut stage = Stage::new(on, &channels(1, 900)).await;
    let mapped = stage.map_all().await;
    stage.start();
    for pages in [2, 4, 6] {
        let looked = testkit::wait::until("some pages are read", async || {
            (stage.events("sync.read").await.len() >= pages).then_some(())
        });
        stage.with_time_flying(TimeDelta::seconds(2), looked).await;
        stage.process.crash().await;
        stage.start();
    }
    stage.with_time_flying(TimeDelta::seconds(2), stage.completed(mapped.len())).await;
    stage.assert_complete().await;
    let read = stage.events("sync.read").await.len();
    assert!(read <= 9 + 2 + 3 * 2 + 2, "pages are read again after a kill only: {read}");
    stage.assert_well_behaved();
}

/// A channel whose incremental sync breaks after its first page.
async fn broken(on: Backend) -> (Stage, Mapping) {
    let mut seed = channels(1, 150);
    seed.organizations[0].cliq.generated[0].threads_per_channel = 0;
    let mut stage = Stage::new(on, &seed).await;
    let mapped = stage.map_all().await.remove(0);
    stage.start();
    stage.with_time_flying(TimeDelta::seconds(5), stage.completed(1)).await;
    stage.advance(TimeDelta::minutes(10));
    let news: Vec<CliqMessageSeed> = (0..130).map(|number| text(&format!("news {number}"))).collect();
    for news in news.chunks(26) {
        stage.control().post_cliq_messages(ORG, &mapped.chat_id, news).unwrap();
        stage.advance(TimeDelta::seconds(10));
    }
    let denied = FaultRule::once("cliq.messages", Fault::Status { code: 404, html_body: false }).skipping(1);
    stage.control().add_fault(denied).unwrap();
    let job = stage.ask(&mapped, Trigger::Manual).await;
    let job = stage.with_time_flying(TimeDelta::seconds(5), stage.ended(&job)).await;
    assert_eq!((job.state, job.counts["calls"]), (State::Failed, 1), "{job:?}");
    (stage, mapped)
}

async fn full_sync_after_a_broken_one_reads_everything(on: Backend) {
    let (stage, mapped) = broken(on).await;
    let job = stage.want(Wish { is_full: true, ..Stage::wish(&mapped, Trigger::Manual) }).await;
    let job = stage.with_time_flying(TimeDelta::seconds(5), stage.ended(&job)).await;
    assert_eq!(job.state, State::Completed, "{job:?}");
    assert!(job.counts["messages_fetched"] >= 150 + 130, "{:?}", job.counts);
    stage.assert_complete().await;
}

async fn sync_after_a_broken_one_reads_what_came_since(on: Backend) {
    let (stage, mapped) = broken(on).await;
    stage.control().post_cliq_messages(ORG, &mapped.chat_id, &[text("since")]).unwrap();
    let job = stage.ask(&mapped, Trigger::Retry).await;
    let job = stage.with_time_flying(TimeDelta::seconds(5), stage.ended(&job)).await;
    assert_eq!(job.state, State::Completed, "{job:?}");
    stage.assert_complete().await;
}

async fn message_that_comes_during_a_walk_is_read_by_the_next_sync(on: Backend) {
    let mut seed = channels(1, 250);
    seed.organizations[0].cliq.generated[0].threads_per_channel = 0;
    let mut stage = Stage::new(on, &seed).await;
    let throttle = Fault::Throttle { retry_after_seconds: None };
    stage.control().add_fault(FaultRule::once("cliq.messages", throttle).skipping(1)).unwrap();
    let mapped = stage.map_all().await.remove(0);
    stage.start();
    testkit::wait::until("the walk waits after its first page", async || {
        stage.jobs().await.into_iter().find(|job| job.error_code.as_deref() == Some("throttled"))
    })
    .await;
    stage.control().post_cliq_messages(ORG, &mapped.chat_id, &[text("in the middle")]).unwrap();
    // Another process goes on, which knows of the new message from the list of channels.
    stage.process.crash().await;
    stage.start();
    stage.with_time_flying(TimeDelta::seconds(5), stage.completed(1)).await;
    stage.advance(TimeDelta::minutes(10));
    let job = stage.ask(&mapped, Trigger::Manual).await;
    stage.with_time_flying(TimeDelta::seconds(5), stage.ended(&job)).await;
    stage.assert_complete().await;
    stage.assert_well_behaved();
}

async fn faults_on_the_way_lose_and_repeat_nothing(on: Backend) {
    let mut stage = Stage::new(on, &channels(2, 300)).await;
    let rule = |fault, probability| FaultRule::once("cliq.*", fault).forever().with_probability(probability);
    for (fault, probability) in [
        (Fault::Status { code: 500, html_body: true }, 0.1),
        (Fault::CutMidBody { after_bytes: 500 }, 0.1),
        (Fault::TruncatedJson {}, 0.1),
        (Fault::ExpiredToken {}, 0.05),
    ] {
        stage.control().add_fault(rule(fault, probability)).unwrap();
    }
    let mapped = stage.map_all().await;
    stage.start();
    stage.with_time_flying(TimeDelta::seconds(2), stage.completed(mapped.len())).await;
    stage.control().clear_faults();
    stage.assert_complete().await;
}

async fn paused_channel_is_not_synced_and_resumed_it_is(on: Backend) {
    let mut stage = Stage::new(on, &channels(1, 5)).await;
    let mapped = stage.map_all().await.remove(0);
    let log = stage.process.log.clone();
    mappings::channel::pause(&log, &actor(), mapped.mapping_id, "quiet please").await.unwrap();
    stage.start();
    let job = stage.ask(&mapped, Trigger::Manual).await;
    let job = stage.ended(&job).await;
    assert_eq!((job.state, job.error_code.as_deref()), (State::Failed, Some("mapping_paused")));
    let told: Failed = stage.events("sync.failed").await[0].decode().unwrap();
    assert_eq!((told.job_id, told.code.as_str()), (job.job_id, "mapping_paused"));
    assert_eq!(stage.calls("cliq.messages"), 0);
    mappings::channel::resume(&log, &actor(), mapped.mapping_id).await.unwrap();
    stage.with_time_flying(TimeDelta::seconds(1), stage.completed(1)).await;
    stage.assert_complete().await;
}

async fn channel_that_cannot_be_read_is_an_error_until_it_can(on: Backend) {
    let mut seed = channels(1, 5);
    seed.organizations[0].cliq.generated[0].threads_per_channel = 0;
    let mut stage = Stage::new(on, &seed).await;
    let mapped = stage.map_all().await.remove(0);
    let channel = stage.cliq().channels.remove(0);
    let everybody = CliqChannelChange { leave: channel.members.clone(), ..CliqChannelChange::default() };
    stage.control().change_cliq_channel(ORG, &channel.channel_id, &everybody).unwrap();
    stage.start();
    let failed = testkit::wait::until("the first sync fails", async || {
        stage.jobs().await.into_iter().find(|job| job.state == State::Failed)
    });
    let failed = stage.with_time_flying(TimeDelta::seconds(1), failed).await;
    assert!(failed.error.is_some());
    let mapping = stage.mapping(&mapped).await;
    assert_eq!((mapping.state.as_str(), mapping.last_error.is_some()), ("error", true));
    let back = CliqChannelChange { join: channel.members, ..CliqChannelChange::default() };
    stage.control().change_cliq_channel(ORG, &channel.channel_id, &back).unwrap();
    stage.advance(TimeDelta::minutes(1));
    let job = stage.ask(&mapped, Trigger::Retry).await;
    let job = stage.with_time_flying(TimeDelta::seconds(1), stage.ended(&job)).await;
    assert_eq!(job.state, State::Completed, "{job:?}");
    let mapping = stage.mapping(&mapped).await;
    assert_eq!((mapping.state.as_str(), mapping.last_error), ("active", None));
    stage.assert_complete().await;
}

async fn mapping_of_the_organization_that_had_the_account_before_is_not_synced(on: Backend) {
    let mut stage = Stage::new(on, &channels(1, 5)).await;
    let mapping = stage.map_all().await.remove(0);
    stage.process.settings.organizations.insert(mapping.account.clone(), "umbrella".to_owned());
    stage.start();
    let failed = testkit::wait::until("the job has failed", async || stage.events("sync.failed").await.pop()).await;
    assert_eq!(failed.decode::<Failed>().unwrap().code, "account_of_another_organization");
    let noted = stage.mapping(&mapping).await;
    assert_eq!(noted.state, mappings::channel::State::Error);
    assert!(noted.last_error.unwrap().contains("does not belong to the organisation acme any more"));
    assert_eq!(stage.calls("cliq.messages") + stage.calls("cliq.channels"), 0);
    assert!(stage.events("message.posted").await.is_empty());
}

async fn messages_before_the_wanted_time_are_left_out(on: Backend) {
    let mut stage = Stage::new(on, &channels(1, 150)).await;
    let channel = stage.cliq().channels.remove(0);
    let middle = channel.messages[75].time_ms;
    let since = chrono::DateTime::from_timestamp_millis(middle);
    let mapped = stage.map(&channel.name, Change { since: Some(since), ..Change::default() }).await;
    stage.start();
    stage.with_time_flying(TimeDelta::seconds(2), stage.completed(1)).await;
    let recorded = stage.recorded().await;
    let found = &recorded[&mapped.chat_id];
    assert!(found.iter().all(|posted| posted.time_ms >= middle));
    assert_eq!(found.len(), channel.messages.iter().filter(|message| message.time_ms >= middle).count());
}

/// Messages an hour before the clock of the simulator, so many milliseconds later each.
fn burst(stage: &Stage, later_ms: impl Iterator<Item = i64>) -> Vec<CliqMessageSeed> {
    let start = stage.process.log.now() - TimeDelta::hours(1);
    let at = |later| (start + TimeDelta::milliseconds(later)).to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    later_ms.map(|later| CliqMessageSeed { at: Some(at(later)), ..text("burst") }).collect()
}

async fn hundreds_of_messages_within_a_second_are_read(on: Backend) {
    let mut seed = channels(1, 30);
    seed.organizations[0].cliq.generated[0].threads_per_channel = 0;
    let mut stage = Stage::new(on, &seed).await;
    let mapped = stage.map_all().await.remove(0);
    let burst = burst(&stage, (0..240).map(|number| number / 80 * 155));
    stage.control().post_cliq_messages(ORG, &mapped.chat_id, &burst).unwrap();
    stage.start();
    let job = stage.with_time_flying(TimeDelta::seconds(5), stage.completed(1)).await.remove(0);
    assert_eq!((job.error_code, job.counts["messages_processed"]), (None, 270));
    assert!(job.counts["calls"] <= 7, "{:?}", job.counts);
    stage.assert_complete().await;
    stage.assert_well_behaved();
}

async fn moment_with_more_than_an_answer_is_said_and_everything_else_is_read(on: Backend) {
    let mut seed = channels(1, 130);
    seed.organizations[0].cliq.generated[0].threads_per_channel = 0;
    let mut stage = Stage::new(on, &seed).await;
    let mapped = stage.map_all().await.remove(0);
    let burst = burst(&stage, std::iter::repeat_n(0, 250).chain([1, 200_000]));
    stage.control().post_cliq_messages(ORG, &mapped.chat_id, &burst).unwrap();
    stage.start();
    let job = stage.with_time_flying(TimeDelta::seconds(5), stage.completed(1)).await.remove(0);
    assert_eq!((job.state, job.error_code.as_deref()), (State::Completed, Some("incomplete")), "{job:?}");
    assert_eq!(job.counts["messages_processed"], 130 + 100 + 2);
    assert!(job.counts["calls"] <= 12, "{:?}", job.counts);
    let mapping = stage.mapping(&mapped).await;
    assert_eq!(mapping.state.as_str(), "error");
    assert!(mapping.last_error.is_some_and(|error| error.contains("100 or more share the moment")));

    stage.advance(TimeDelta::minutes(10));
    stage.control().post_cliq_messages(ORG, &mapped.chat_id, &[text("after it")]).unwrap();
    let job = stage.ask(&mapped, Trigger::Manual).await;
    let job = stage.with_time_flying(TimeDelta::seconds(5), stage.ended(&job)).await;
    assert_eq!((job.error_code, job.counts["messages_processed"]), (None, 1));
    assert_eq!(stage.mapping(&mapped).await.state.as_str(), "active");
    stage.assert_well_behaved();
}

async fn list_from_before_the_last_wish_does_not_vouch(on: Backend) {
    let mut seed = channels(2, 10);
    seed.organizations[0].cliq.generated[0].threads_per_channel = 0;
    let mut stage = Stage::new(on, &seed).await;
    let mapped = stage.map_all().await;
    stage.start();
    stage.with_time_flying(TimeDelta::seconds(2), stage.completed(2)).await;
    stage.advance(TimeDelta::minutes(10));
    let later = stage.process.log.now() + TimeDelta::hours(1);
    let waiting = stage.want(Wish { not_before: Some(later), ..Stage::wish(&mapped[0], Trigger::Manual) }).await;
    let other = stage.ask(&mapped[1], Trigger::Manual).await;
    stage.ended(&other).await;
    stage.control().post_cliq_messages(ORG, &mapped[0].chat_id, &[text("after the list was read")]).unwrap();
    let job = stage.ask(&mapped[0], Trigger::Manual).await;
    assert_eq!(job.job_id, waiting.job_id);
    let job = stage.ended(&job).await;
    assert_eq!((job.state, job.counts["messages_processed"]), (State::Completed, 1));
    stage.assert_complete().await;
}

async fn messages_that_are_wanted_later_are_read(on: Backend) {
    let mut seed = channels(1, 150);
    seed.organizations[0].cliq.generated[0].threads_per_channel = 0;
    let mut stage = Stage::new(on, &seed).await;
    let channel = stage.cliq().channels.remove(0);
    let since = |number: usize| Change {
        since: Some(chrono::DateTime::from_timestamp_millis(channel.messages[number].time_ms)),
        ..Change::default()
    };
    let mapped = stage.map(&channel.name, since(120)).await;
    stage.start();
    stage.with_time_flying(TimeDelta::seconds(2), stage.completed(1)).await;
    stage.advance(TimeDelta::minutes(10));
    for (lowered, count) in [(since(40), 110), (Change { since: Some(None), ..Change::default() }, 150)] {
        mappings::channel::configure(&stage.process.log, &actor(), mapped.mapping_id, &lowered).await.unwrap();
        let job = stage.ask(&mapped, Trigger::Manual).await;
        let job = stage.with_time_flying(TimeDelta::seconds(2), stage.ended(&job)).await;
        assert_eq!(job.state, State::Completed, "{job:?}");
        assert_eq!(stage.events("message.posted").await.len(), count);
    }
    for calls in [1, 0] {
        let before = stage.calls("cliq.messages");
        let job = stage.ask(&mapped, Trigger::Manual).await;
        stage.with_time_flying(TimeDelta::seconds(2), stage.ended(&job)).await;
        assert_eq!(stage.calls("cliq.messages") - before, calls, "it is looked at once more, and quiet again");
    }
    stage.assert_complete().await;
    stage.assert_well_behaved();
}

async fn channel_without_messages_has_no_last_one(on: Backend) {
    let mut seed = channels(1, 0);
    seed.organizations[0].cliq.generated[0].threads_per_channel = 0;
    let mut stage = Stage::new(on, &seed).await;
    let name = stage.cliq().channels[0].name.clone();
    let since = Change { since: Some(Some(stage.process.log.now() - TimeDelta::days(1))), ..Change::default() };
    let mapped = stage.map(&name, since).await;
    stage.start();
    stage.with_time_flying(TimeDelta::seconds(2), stage.completed(1)).await;
    assert_eq!(stage.mapping(&mapped).await.last_message_at, None);
}

async fn renamed_channel_is_called_by_its_new_name(on: Backend) {
    let mut stage = Stage::new(on, &channels(1, 5)).await;
    let mapped = stage.map_all().await.remove(0);
    let change = CliqChannelChange { name: Some("#renamed".to_owned()), ..CliqChannelChange::default() };
    stage.control().change_cliq_channel(ORG, &mapped.channel_id, &change).unwrap();
    stage.start();
    stage.with_time_flying(TimeDelta::seconds(1), stage.completed(1)).await;
    assert_eq!(stage.mapping(&mapped).await.channel_name, "#renamed");
}

async fn wish_during_a_run_is_followed_by_another_run(on: Backend) {
    let mut stage = Stage::new(on, &channels(1, 400)).await;
    let mapped = stage.map_all().await.remove(0);
    stage.start();
    let begun = testkit::wait::until("the job runs", async || {
        stage.jobs().await.into_iter().find(|job| job.state == State::Running)
    });
    let first = begun.await;
    let again = stage.ask(&mapped, Trigger::Manual).await;
    assert_eq!(again.job_id, first.job_id, "one job at a time");
    let jobs = stage.with_time_flying(TimeDelta::seconds(2), stage.completed(2)).await;
    assert_eq!(jobs.len(), 2);
    assert_eq!((jobs[0].trigger, jobs[0].correlation_id), (Trigger::Manual, first.correlation_id));
    stage.assert_complete().await;
}

async fn wish_during_the_first_call_is_followed_by_another_run(on: Backend) {
    let mut seed = channels(1, 20);
    seed.organizations[0].cliq.generated[0].threads_per_channel = 0;
    let mut stage = Stage::new(on, &seed).await;
    let mapped = stage.map_all().await.remove(0);
    stage.control().add_fault(FaultRule::once("cliq.messages", Fault::Delay { ms: 1_500 })).unwrap();
    stage.start();
    testkit::wait::until_true("the first call is under way", async || stage.control().faults()[0].fired == 1).await;
    let first = stage.jobs().await.remove(0);
    let wanted = stage.want(Wish { is_full: true, ..Stage::wish(&mapped, Trigger::Manual) }).await;
    assert_eq!(wanted.job_id, first.job_id, "one job at a time");
    let jobs = stage.with_time_flying(TimeDelta::seconds(1), stage.completed(2)).await;
    assert_eq!((jobs.len(), jobs[0].is_full, jobs[0].trigger), (2, true, Trigger::Manual));
    assert_eq!((jobs[1].job_id, jobs[1].is_full), (first.job_id, false));
    stage.assert_complete().await;
}
