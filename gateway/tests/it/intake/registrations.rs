//! Registrations stay alive, whatever the provider and our own crashes do to them.

use chrono::TimeDelta;
use event_log::sql;
use gateway::registrar::RegistrationView;
use serde_json::json;
use sha2::{Digest, Sha256};
use simulator::Fault;
use testkit::wait::until;

use super::stage::{Plan, Roles, Stage, pending};
use crate::store::{Backend, on_both_databases};

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    registration_is_created_and_shown_with_its_time_left,
    registration_is_renewed_with_overlap_and_no_change_goes_unannounced,
    channel_that_got_a_shorter_life_is_renewed_in_time,
    channel_deleted_at_the_provider_is_found_lost_and_a_poll_looks_into_the_gap,
    channel_that_expired_while_nothing_ran_is_lost_and_created_again,
    creation_whose_answer_is_lost_is_looked_up_and_not_repeated,
    crash_during_creation_is_settled_at_the_next_start,
    refused_registration_is_one_event_per_cause_and_is_shown,
    without_a_public_url_nothing_is_registered_and_the_reason_is_shown,
    only_the_hash_of_a_token_is_kept_with_its_registration,
    registration_of_a_transfer_that_is_gone_is_taken_back,
}

const ID: &str = "5200000000000001";

async fn stage(on: Backend) -> Stage {
    Stage::new(on, Plan { records: vec![(ID, pending("Alpha"))], ..Plan::default() }).await
}

fn states(views: &[RegistrationView]) -> Vec<&str> {
    views.iter().map(|view| view.state.as_str()).collect()
}

async fn registration_is_created_and_shown_with_its_time_left(on: Backend) {
    let mut stage = stage(on).await;
    stage.start(Roles::Registrar);
    let id = stage.until_registered().await;
    assert_eq!(stage.channels().await, [id.as_str()]);
    let view = stage.registrations().await.remove(0);
    assert_eq!((view.account.as_str(), view.target.as_str()), ("org-a", "Contacts"));
    let left = view.time_left_seconds.unwrap();
    assert!((6 * 86_400 - 60..=6 * 86_400).contains(&left), "{left}");
    let created = stage.events("registration.created").await;
    let data: catalogue::registration::Registration = created[0].decode().unwrap();
    assert_eq!((data.registration_id, data.expires_at), (id, view.expires_at));
    stage.stop().await;
    stage.start(Roles::Registrar);
    until("another look", async || {
        let checked = stage.registrations().await.remove(0).checked_at;
        (checked > view.checked_at).then_some(())
    })
    .await;
    assert_eq!(stage.events("registration.created").await.len(), 1, "a restart creates nothing");
    stage.stop().await;
}

async fn registration_is_renewed_with_overlap_and_no_change_goes_unannounced(on: Backend) {
    let mut stage = stage(on).await;
    stage.start(Roles::All);
    let first = stage.until_quiet().await;
    stage.advance(TimeDelta::days(3) + TimeDelta::minutes(1));
    stage.until_events("registration.created", 2).await;
    let states_now = until("the retiring one", async || {
        let views = stage.registrations().await;
        (views.len() == 2 && states(&views).contains(&"retiring")).then_some(views)
    });
    let views = states_now.await;
    assert_eq!(states(&views), ["retiring", "active"]);
    assert_eq!(stage.channels().await.len(), 2, "both are live at the provider");
    stage.advance(TimeDelta::seconds(61));
    stage.until_events("registration.removed", 1).await;
    let left = stage.channels().await;
    assert_eq!(left.len(), 1);
    assert_ne!(left[0], first);
    let polls = stage.events("poll.completed").await.len();
    stage.change("org-a", ID, json!({"Source_Folder_Name": "Beta"})).await;
    stage.until_events("crm_record.changed", 2).await;
    let gap_polls = stage.events("poll.completed").await.len() - polls;
    assert_eq!(gap_polls, 0, "a renewal without a gap asks for no poll");
    stage.stop().await;
}

async fn channel_that_got_a_shorter_life_is_renewed_in_time(on: Backend) {
    let mut stage = stage(on).await;
    stage.control().set_knobs(json!({"crm": {"watch_longest_seconds": 86_400}})).unwrap();
    stage.start(Roles::Registrar);
    stage.until_registered().await;
    let left = stage.registrations().await[0].time_left_seconds.unwrap();
    assert!(left <= 3600, "asked for too much, got an hour: {left}");
    stage.advance(TimeDelta::minutes(31));
    stage.until_events("registration.created", 2).await;
    assert!(stage.events("registration.lost").await.is_empty());
    stage.stop().await;
}

async fn channel_deleted_at_the_provider_is_found_lost_and_a_poll_looks_into_the_gap(on: Backend) {
    let mut stage = stage(on).await;
    stage.start(Roles::All);
    let first = stage.until_quiet().await;
    let polls = stage.events("poll.completed").await.len();
    stage.client("org-a").crm().watch_delete(std::slice::from_ref(&first)).await.unwrap();
    stage.until_events("registration.lost", 1).await;
    stage.until_events("registration.created", 2).await;
    let second = stage.until_registered().await;
    assert_ne!(first, second);
    let polls = stage.until_events("poll.completed", polls + 1).await;
    let last: catalogue::poll::Completed = polls.last().unwrap().decode().unwrap();
    assert_eq!(last.trigger, "gap");
    stage.stop().await;
}

async fn channel_that_expired_while_nothing_ran_is_lost_and_created_again(on: Backend) {
    let mut stage = stage(on).await;
    stage.start(Roles::Registrar);
    stage.until_registered().await;
    stage.stop().await;
    stage.advance(TimeDelta::days(8));
    stage.start(Roles::Registrar);
    stage.until_events("registration.lost", 1).await;
    stage.until_events("registration.created", 2).await;
    assert_eq!(stage.channels().await.len(), 1);
    stage.stop().await;
}

async fn creation_whose_answer_is_lost_is_looked_up_and_not_repeated(on: Backend) {
    let mut stage = stage(on).await;
    stage.fault("crm.watch_create", Fault::CutAfter {}, 1, 0);
    stage.start(Roles::Registrar);
    let id = stage.until_registered().await;
    assert_eq!(stage.channels().await, [id]);
    assert_eq!(stage.calls("crm.watch_create"), 1);
    assert_eq!(stage.events("registration.created").await.len(), 1);
    stage.stop().await;
}

async fn crash_during_creation_is_settled_at_the_next_start(on: Backend) {
    let mut stage = stage(on).await;
    stage.fault("crm.watch_create", Fault::Hang {}, 1, 0);
    stage.start(Roles::Registrar);
    stage.until_met(1).await;
    assert_eq!(states(&stage.registrations().await), ["creating"]);
    stage.crash().await;
    stage.advance(TimeDelta::seconds(15));
    stage.start(Roles::Registrar);
    let id = stage.until_registered().await;
    assert_eq!(stage.channels().await, [id]);
    assert_eq!(states(&stage.registrations().await), ["active"]);
    stage.stop().await;
}

async fn refused_registration_is_one_event_per_cause_and_is_shown(on: Backend) {
    let mut stage = stage(on).await;
    stage.fault("crm.watch_create", Fault::Status { code: 400, html_body: false }, 3, 0);
    stage.start(Roles::Registrar);
    for calls in 1..=3 {
        until("a call", async || (stage.calls("crm.watch_create") == calls).then_some(())).await;
        until("the refusal", async || (states(&stage.registrations().await) == ["failed"]).then_some(())).await;
        stage.advance(TimeDelta::minutes(2));
    }
    stage.until_registered().await;
    assert_eq!(stage.events("registration.failed").await.len(), 1);
    assert_eq!(states(&stage.registrations().await), ["active"], "the failure is over");
    stage.stop().await;
}

async fn without_a_public_url_nothing_is_registered_and_the_reason_is_shown(on: Backend) {
    let mut stage = Stage::new(on, Plan { public_url: false, ..Plan::default() }).await;
    let view = stage.registrations().await.remove(0);
    assert_eq!((view.state.as_str(), view.error.as_deref()), ("not_wished", Some("http.public_url is not set")));
    stage.start(Roles::All);
    stage.until_outcome("contacts", "completed").await;
    assert_eq!(stage.calls("crm.watch_create"), 0);
    stage.stop().await;
}

async fn only_the_hash_of_a_token_is_kept_with_its_registration(on: Backend) {
    let mut stage = stage(on).await;
    stage.start(Roles::All);
    stage.until_quiet().await;
    stage.change("org-a", ID, json!({"Source_Folder_Name": "Beta"})).await;
    let delivery = stage.until_events("delivery.received", 1).await.remove(0);
    let payload = stage.process.log.event(delivery.id).await.unwrap().unwrap().payload.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    let token = body["token"].as_str().unwrap();
    assert!(token.len() >= 40 && token.len() <= 50, "{}", token.len());
    let hash: Vec<u8> = sql::query_scalar("SELECT token_hash FROM registrations")
        .fetch_one(stage.process.log.database().readers())
        .await
        .unwrap();
    assert_eq!(hash, Sha256::digest(token.as_bytes()).as_slice());
    stage.stop().await;
}

async fn registration_of_a_transfer_that_is_gone_is_taken_back(on: Backend) {
    let mut stage = stage(on).await;
    stage.start(Roles::Registrar);
    stage.until_registered().await;
    stage.stop().await;
    stage.process.settings.transfers.clear();
    stage.start(Roles::Registrar);
    until("the retirement", async || (states(&stage.registrations().await) == ["retiring"]).then_some(())).await;
    stage.advance(TimeDelta::seconds(61));
    stage.until_events("registration.removed", 1).await;
    assert!(stage.channels().await.is_empty());
    stage.stop().await;
}
