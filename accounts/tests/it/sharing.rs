//! What processes on one database share, and what outlives them.

use std::time::Duration;

use chrono::TimeDelta;
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
    assert_eq!(provider.calls(), 12);
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
