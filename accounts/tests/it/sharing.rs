//! What processes on one database share, and what outlives them.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use service::clock::SystemClock;
use testkit::wait::blocking_until;
use tokio::task::JoinSet;

use crate::office::{Office, Process};
use crate::provider::Provider;
use crate::store::{Backend, on_both_databases};

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    two_processes_ask_for_one_access_token,
    a_crash_loop_does_not_ask_for_tokens,
    permits_taken_before_a_crash_still_count,
    a_token_of_another_grant_is_not_used,
    tokens_sealed_with_another_key_count_as_absent,
    a_state_tells_when_its_token_ends_also_after_a_restart,
    the_lease_of_a_crashed_refresher_runs_out,
    a_refresher_that_dies_in_the_middle_is_replaced_within_seconds,
    processes_together_keep_to_the_limit_of_their_account,
}

async fn office(on: Backend) -> (Provider, Office) {
    let provider = Provider::start(&["planted-grant-org-a", "planted-grant-org-b"]).await;
    let office = Office::new(on, &provider, "").await;
    (provider, office)
}

async fn call_often(processes: &[&Process], times: usize) {
    let mut calls = JoinSet::new();
    for process in processes {
        for _ in 0..times {
            let client = process.accounts.zoho("org-a").unwrap().clone();
            calls.spawn(async move { client.crm().current_user().await });
        }
    }
    for call in calls.join_all().await {
        call.unwrap();
    }
}

async fn two_processes_ask_for_one_access_token(on: Backend) {
    let (provider, office) = office(on).await;
    let (one, other) = (office.start().await, office.start().await);
    call_often(&[&one, &other], 5).await;
    assert_eq!(provider.token_requests().len(), 1);
    office.pass(58);
    call_often(&[&one, &other], 5).await;
    assert_eq!(provider.token_requests().len(), 2, "one more when the first came near its end");
}

async fn a_crash_loop_does_not_ask_for_tokens(on: Backend) {
    let (provider, office) = office(on).await;
    for _ in 0..12 {
        office.start().await.call("org-a").await.unwrap();
    }
    assert_eq!(provider.token_requests().len(), 1);
    assert_eq!(provider.calls().len(), 12);
}

async fn permits_taken_before_a_crash_still_count(on: Backend) {
    let (provider, office) = office(on).await;
    let throttled = loop {
        let process = office.start().await;
        // Another grant each time, so that the kept token does not help.
        let grant = format!("grant-{}", provider.token_requests().len());
        provider.grant(&grant);
        office.put_grant("org-a", &grant);
        if let Err(error) = process.call("org-a").await {
            break error;
        }
    };
    assert_eq!(provider.token_requests().len(), 8);
    assert_eq!(throttled.code(), "throttled");
    office.pass(10);
    office.start().await.call("org-a").await.unwrap();
}

async fn a_token_of_another_grant_is_not_used(on: Backend) {
    let (provider, office) = office(on).await;
    office.start().await.call("org-a").await.unwrap();
    provider.grant("wider-grant");
    office.put_grant("org-a", "wider-grant");
    office.start().await.call("org-a").await.unwrap();
    assert_eq!(provider.token_requests(), ["planted-grant-org-a", "wider-grant"]);
}

async fn tokens_sealed_with_another_key_count_as_absent(on: Backend) {
    let (provider, office) = office(on).await;
    office.start().await.call("org-a").await.unwrap();
    std::fs::remove_file(office.path("gateledger.key")).unwrap();
    let process = office.start().await;
    process.call("org-a").await.unwrap();
    assert_eq!(provider.token_requests().len(), 2);
    assert!(!process.accounts.needs_consent("org-a"));
}

async fn a_state_tells_when_its_token_ends_also_after_a_restart(on: Backend) {
    let (_provider, office) = office(on).await;
    let process = office.start().await;
    assert_eq!(process.accounts.state("org-a").unwrap().token_expires_at, None);
    process.call("org-a").await.unwrap();
    let end = process.accounts.state("org-a").unwrap().token_expires_at;
    assert!(end.is_some());
    assert_eq!(office.start().await.accounts.state("org-a").unwrap().token_expires_at, end);
}

async fn the_lease_of_a_crashed_refresher_runs_out(on: Backend) {
    let (provider, office) = office(on).await;
    let process = office.start().await;
    let taken = process
        .log
        .write(|unit| Box::pin(event_log::take_lease(unit, "token.refresh:org-a", "crashed", Duration::from_secs(10))));
    assert!(taken.await.unwrap());
    let client = process.accounts.zoho("org-a").unwrap().clone();
    let mut waiting = JoinSet::new();
    waiting.spawn(async move { client.crm().current_user().await });
    let early = tokio::time::timeout(Duration::from_millis(400), waiting.join_next()).await;
    assert!(early.is_err(), "the lease is respected");
    assert_eq!(provider.token_requests().len(), 0);
    office.clock.advance(TimeDelta::seconds(10));
    waiting.join_next().await.unwrap().unwrap().unwrap();
}

async fn a_refresher_that_dies_in_the_middle_is_replaced_within_seconds(on: Backend) {
    let (provider, office) = office(on).await;
    provider.leave_unanswered(1);
    let (office, provider) = (Arc::new(office), Arc::new(provider));
    let dying = std::thread::spawn({
        let (office, provider) = (office.clone(), provider.clone());
        // With its runtime ends everything it does, as with a process.
        move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let process = runtime.block_on(office.start());
            let client = process.accounts.zoho("org-a").unwrap().clone();
            runtime.spawn(async move { client.crm().current_user().await });
            let asked = || (!provider.token_requests().is_empty()).then_some(());
            blocking_until(Duration::from_secs(60), "it asks for a token", asked);
            runtime.shutdown_background();
        }
    });
    tokio::task::spawn_blocking(|| dying.join().unwrap()).await.unwrap();

    let others = [office.start().await, office.start().await];
    let mut waiting = JoinSet::new();
    for process in &others {
        let client = process.accounts.zoho("org-a").unwrap().clone();
        waiting.spawn(async move { client.crm().current_user().await });
    }
    let early = tokio::time::timeout(Duration::from_millis(400), waiting.join_next()).await;
    assert!(early.is_err(), "nobody knows yet that it is dead");
    office.clock.advance(TimeDelta::seconds(10));
    for call in waiting.join_all().await {
        call.unwrap();
    }
    assert_eq!(provider.token_requests().len(), 2, "one for the dead, one for all others");
}

async fn processes_together_keep_to_the_limit_of_their_account(on: Backend) {
    const PER_SECOND: usize = 25;
    const CALLS: usize = 30;
    let provider = Provider::start(&["planted-grant-org-a", "planted-grant-org-b"]).await;
    let office = Office::new(on, &provider, "").await;
    office.set_metadata_limit(PER_SECOND);
    let clock = SystemClock::shared();
    let processes = [
        office.start_by(clock.clone()).await.unwrap(),
        office.start_by(clock.clone()).await.unwrap(),
        office.start_by(clock).await.unwrap(),
    ];
    let mut calls = JoinSet::new();
    for at in 0..CALLS {
        let client = processes[at % processes.len()].accounts.zoho("org-a").unwrap().clone();
        calls.spawn(async move { client.workdrive().me().await });
    }
    for call in calls.join_all().await {
        call.unwrap();
    }
    let came_at = provider.calls();
    let took = came_at[CALLS - 1] - came_at[0];
    let shortest = Duration::from_secs_f64((CALLS - 1) as f64 / PER_SECOND as f64);
    // The first may be a little late, the last is never early.
    assert!(took + Duration::from_millis(100) >= shortest, "{CALLS} calls in {took:?}, the limit allows {shortest:?}");
    assert_eq!(provider.token_requests().len(), 1);
}
