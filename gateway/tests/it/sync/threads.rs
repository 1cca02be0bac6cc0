//! Threads are chats of their own: which are read, and how often.

use chrono::TimeDelta;
use gateway::sync::jobs::{State, Trigger};
use mappings::channel::{Change, Mapping};
use simulator::seed::{CliqMessageSeed, CliqOptions, CliqThreadSeed};
use simulator::{Fault, FaultRule, Seed};
use testkit::on_both_databases;
use testkit::store::Backend;
use testkit::wait::until;

use super::bots::{deliver, told};
use super::stage::{ORG, Stage, actor};

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    quiet_threads_cost_no_call_until_a_day_has_passed_or_something_tells_of_them,
    thread_that_was_named_to_a_process_that_died_is_read_by_the_next,
    bot_tells_of_a_thread_and_only_that_is_read,
    thread_that_began_a_moment_ago_is_found_by_who_asks,
    threads_that_are_not_wanted_any_more_are_not_read,
    list_of_threads_that_is_cut_short_goes_on_where_it_was,
    channel_is_read_although_its_threads_are_not_shown,
}

fn seed(threads: u32) -> Seed {
    Seed::cliq(&CliqOptions {
        channels: 1,
        messages_per_channel: 20,
        threads_per_channel: threads,
        messages_per_thread: 3,
        ..CliqOptions::default()
    })
}

/// A channel with threads of which everything is read, and has been quiet for days.
async fn read(on: Backend, threads: u32) -> (Stage, Mapping) {
    let mut stage = Stage::new(on, &seed(threads)).await;
    stage.process.settings.bots.insert("org-a".to_owned(), "org-a".to_owned());
    let yearly = Change { schedule: Some(Some("0 0 1 1 *".to_owned())), ..Change::default() };
    let name = stage.cliq().channels[0].name.clone();
    let mapped = stage.map(&name, yearly).await;
    stage.start();
    stage.with_time_flying(TimeDelta::seconds(2), stage.completed(1)).await;
    stage.advance(TimeDelta::hours(2));
    (stage, mapped)
}

async fn sync(stage: &Stage, mapped: &Mapping) -> u64 {
    let calls = stage.calls("cliq.messages");
    let job = stage.ask(mapped, Trigger::Manual).await;
    let job = stage.with_time_flying(TimeDelta::seconds(2), stage.ended(&job)).await;
    assert_eq!(job.state, State::Completed, "{job:?}");
    stage.calls("cliq.messages") - calls
}

fn threads(stage: &Stage) -> Vec<String> {
    let state = stage.cliq();
    let own = &state.channels[0].chat_id;
    state.chats().map(|(chat_id, _)| chat_id.to_owned()).filter(|chat_id| chat_id != own).collect()
}

fn text(text: &str) -> CliqMessageSeed {
    CliqMessageSeed::text(text)
}

async fn quiet_threads_cost_no_call_until_a_day_has_passed_or_something_tells_of_them(on: Backend) {
    let (stage, mapped) = read(on, 3).await;
    assert_eq!(sync(&stage, &mapped).await, 0);
    stage.control().post_cliq_messages(ORG, &threads(&stage)[1], &[text("again")]).unwrap();
    assert_eq!(sync(&stage, &mapped).await, 1, "the list of threads names it");
    stage.assert_complete().await;
    stage.advance(TimeDelta::hours(21));
    assert_eq!(sync(&stage, &mapped).await, 3, "each is looked into once");
    assert_eq!(sync(&stage, &mapped).await, 1, "somebody wrote in one today");
    stage.assert_complete().await;
    stage.assert_well_behaved();
}

async fn thread_that_was_named_to_a_process_that_died_is_read_by_the_next(on: Backend) {
    let (mut stage, mapped) = read(on, 3).await;
    stage.control().post_cliq_messages(ORG, &threads(&stage)[1], &[text("again")]).unwrap();
    stage.control().add_fault(FaultRule::once("cliq.messages", Fault::HangAfter {})).unwrap();
    let (lists, calls) = (stage.calls("cliq.threads"), stage.calls("cliq.messages"));
    stage.ask(&mapped, Trigger::Manual).await;
    until("the thread is asked for", async || (stage.calls("cliq.messages") > calls).then_some(())).await;
    assert!(stage.calls("cliq.threads") > lists);
    stage.process.crash().await;
    stage.start();
    stage.with_time_flying(TimeDelta::seconds(2), stage.completed(2)).await;
    stage.assert_complete().await;
}

async fn bot_tells_of_a_thread_and_only_that_is_read(on: Backend) {
    let (stage, mapped) = read(on, 3).await;
    let calls = stage.calls("cliq.messages");
    let thread = threads(&stage)[2].clone();
    let id = stage.control().post_cliq_messages(ORG, &thread, &[text("in a thread")]).unwrap().remove(0);
    let mut body = told(&mapped, "message_sent", &id, 1);
    body["chat"]["id"] = thread.into();
    deliver(&stage, &body).await;
    let jobs = stage.with_time_flying(TimeDelta::seconds(1), stage.completed(2)).await;
    assert_eq!((jobs[0].trigger, jobs[0].counts["messages_processed"]), (Trigger::Webhook, 1));
    assert_eq!(stage.calls("cliq.messages") - calls, 1);
    stage.assert_complete().await;
}

async fn thread_that_began_a_moment_ago_is_found_by_who_asks(on: Backend) {
    let (stage, mapped) = read(on, 0).await;
    sync(&stage, &mapped).await;
    let root = stage.recorded().await[&mapped.chat_id][0].message_id.clone();
    let thread = CliqThreadSeed { messages: vec![text("new")], ..CliqThreadSeed::default() };
    stage.control().start_cliq_thread(ORG, &mapped.chat_id, &root, &thread).unwrap();
    sync(&stage, &mapped).await;
    stage.assert_complete().await;
}

async fn threads_that_are_not_wanted_any_more_are_not_read(on: Backend) {
    let (stage, mapped) = read(on, 2).await;
    let without = Change { threads: Some(false), ..Change::default() };
    mappings::channel::configure(&stage.process.log, &actor(), mapped.mapping_id, &without).await.unwrap();
    stage.control().post_cliq_messages(ORG, &threads(&stage)[0], &[text("nobody wants it")]).unwrap();
    stage.advance(TimeDelta::days(2));
    assert_eq!(sync(&stage, &mapped).await, 0);
}

async fn list_of_threads_that_is_cut_short_goes_on_where_it_was(on: Backend) {
    let mut stage = Stage::new(on, &seed(250)).await;
    let throttle = Fault::Throttle { retry_after_seconds: None };
    stage.control().add_fault(FaultRule::once("cliq.threads", throttle).skipping(2)).unwrap();
    let name = stage.cliq().channels[0].name.clone();
    stage.map(&name, Change::default()).await;
    stage.start();
    let waits = async || stage.jobs().await.into_iter().find(|job| job.error_code.as_deref() == Some("throttled"));
    until("the list is cut short", waits).await;
    assert_eq!(stage.calls("cliq.threads"), 3);
    stage.advance(TimeDelta::minutes(11));
    until("messages are read", async || (stage.calls("cliq.messages") > 0).then_some(())).await;
    assert_eq!(stage.calls("cliq.threads"), 4, "two pages, a refusal, and the third page");
}

async fn channel_is_read_although_its_threads_are_not_shown(on: Backend) {
    let mut stage = Stage::new(on, &seed(0)).await;
    let refused = Fault::Status { code: 403, html_body: false };
    stage.control().add_fault(FaultRule::once("cliq.threads", refused).forever()).unwrap();
    let mapped = stage.map_all().await.remove(0);
    stage.start();
    let job = stage.with_time_flying(TimeDelta::seconds(2), stage.completed(1)).await.remove(0);
    assert_eq!(job.error_code.as_deref(), Some("incomplete"), "{job:?}");
    stage.assert_complete().await;
    let error = stage.mapping(&mapped).await.last_error.unwrap();
    assert!(error.starts_with("new threads are not found: "), "{error}");
    stage.control().clear_faults();
    stage.advance(TimeDelta::minutes(10));
    sync(&stage, &mapped).await;
    assert_eq!(stage.mapping(&mapped).await.last_error, None);
}
