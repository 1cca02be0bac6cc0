//! A grant that is refused, and renewed.

use std::time::Duration;

use accounts::Access;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::office::{Office, Process};
use crate::provider::Provider;
use crate::store::{Backend, on_both_databases};

on_both_databases! {
    #[tokio::test]
    a_revoked_grant_is_one_event_and_its_renewal_another,
    a_restart_neither_forgets_nor_repeats_a_refusal,
    a_refused_grant_is_tried_ever_more_rarely,
    a_grant_that_works_again_by_itself_recovers,
    an_account_without_a_refresh_token_waits_for_one,
    processes_learn_from_each_other,
    attempts_with_a_refused_grant_leave_room_for_its_successor,
}

const NEEDS_CONSENT: &str = "account.needs_consent";
const RECOVERED: &str = "account.recovered";
const DEADLINE: Duration = Duration::from_secs(20);

async fn office(on: Backend) -> (Provider, Office) {
    let provider = Provider::start(&["planted-grant-org-a", "planted-grant-org-b"]).await;
    let office = Office::new(on, &provider, "").await;
    (provider, office)
}

fn events(types: &[&str]) -> Vec<(String, String)> {
    types.iter().map(|event_type| ((*event_type).to_owned(), "org-a".to_owned())).collect()
}

/// Runs the probe of a process until its `org-a` is as wanted.
async fn probe_until(process: &Process, needs_consent: bool) {
    let stop = CancellationToken::new();
    let mut changes = process.accounts.changes();
    let changed = async {
        while process.accounts.needs_consent("org-a") != needs_consent {
            changes.changed().await.unwrap();
        }
        stop.cancel();
    };
    let both = async { tokio::join!(changed, process.accounts.run_consent_probe(stop.clone())) };
    tokio::time::timeout(DEADLINE, both).await.expect("the state came in time");
}

async fn a_revoked_grant_is_one_event_and_its_renewal_another(on: Backend) {
    let (provider, office) = office(on).await;
    let process = office.start().await;
    process.call("org-a").await.unwrap();
    process.call("org-b").await.unwrap();
    provider.revoke("planted-grant-org-a");

    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let client = process.accounts.zoho("org-a").unwrap().clone();
        calls.spawn(async move { client.crm().current_user().await });
    }
    for refused in calls.join_all().await {
        assert_eq!(refused.unwrap_err().code(), "needs_consent");
    }
    assert_eq!(process.events().await, events(&[NEEDS_CONSENT]));
    assert_eq!(provider.token_requests().iter().filter(|grant| *grant == "planted-grant-org-a").count(), 2);
    let state = process.accounts.state("org-a").unwrap();
    assert!(
        matches!(&state.access, Access::NeedsConsent { reason, .. } if reason.contains("invalid_code")),
        "{state:?}"
    );
    assert_eq!(state.token_expires_at, None);
    process.call("org-b").await.expect("other accounts go on");

    provider.grant("renewed");
    office.put_grant("org-a", "renewed");
    probe_until(&process, false).await;
    process.call("org-a").await.unwrap();
    assert_eq!(process.events().await, events(&[NEEDS_CONSENT, RECOVERED]));
}

async fn a_restart_neither_forgets_nor_repeats_a_refusal(on: Backend) {
    let (provider, office) = office(on).await;
    provider.revoke("planted-grant-org-a");
    office.start().await.call("org-a").await.unwrap_err();
    for _ in 0..3 {
        let process = office.start().await;
        assert!(process.accounts.needs_consent("org-a"));
        assert_eq!(process.call("org-a").await.unwrap_err().code(), "needs_consent");
        assert_eq!(process.events().await, events(&[NEEDS_CONSENT]));
    }
    assert_eq!(provider.token_requests().len(), 1);
}

async fn a_refused_grant_is_tried_ever_more_rarely(on: Backend) {
    let (provider, office) = office(on).await;
    provider.revoke("planted-grant-org-a");
    let process = office.start().await;
    let mut tried_at = Vec::new();
    for second in 0..1200 {
        let before = provider.token_requests().len();
        process.call("org-a").await.unwrap_err();
        if provider.token_requests().len() > before {
            tried_at.push(second);
        }
        office.clock.advance(chrono::TimeDelta::seconds(1));
    }
    assert_eq!(tried_at, [0, 1, 4, 16, 64, 256, 556, 856, 1156]);
    assert_eq!(process.events().await, events(&[NEEDS_CONSENT]));
}

async fn a_grant_that_works_again_by_itself_recovers(on: Backend) {
    let (provider, office) = office(on).await;
    provider.revoke("planted-grant-org-a");
    let process = office.start().await;
    process.call("org-a").await.unwrap_err();
    provider.grant("planted-grant-org-a");
    office.pass(5);
    probe_until(&process, false).await;
    assert_eq!(process.events().await, events(&[NEEDS_CONSENT, RECOVERED]));
}

async fn an_account_without_a_refresh_token_waits_for_one(on: Backend) {
    let (_provider, office) = office(on).await;
    std::fs::remove_file(office.path("org-a.token")).unwrap();
    let process = office.start().await;
    assert_eq!(process.call("org-a").await.unwrap_err().code(), "needs_consent");
    let state = process.accounts.state("org-a").unwrap();
    assert!(
        matches!(&state.access, Access::NeedsConsent { reason, .. } if reason.contains("org-a.token")),
        "{state:?}"
    );
    office.put_grant("org-a", "planted-grant-org-a");
    probe_until(&process, false).await;
    assert_eq!(process.events().await, events(&[NEEDS_CONSENT, RECOVERED]));
}

async fn processes_learn_from_each_other(on: Backend) {
    let (provider, office) = office(on).await;
    let (one, other) = (office.start().await, office.start().await);
    provider.revoke("planted-grant-org-a");
    one.call("org-a").await.unwrap_err();
    assert!(!other.accounts.needs_consent("org-a"));
    probe_until(&other, true).await;
    provider.grant("renewed");
    office.put_grant("org-a", "renewed");
    probe_until(&other, false).await;
    probe_until(&one, false).await;
    assert_eq!(one.events().await, events(&[NEEDS_CONSENT, RECOVERED]));
}

async fn attempts_with_a_refused_grant_leave_room_for_its_successor(on: Backend) {
    let (provider, office) = office(on).await;
    let process = office.start().await;
    process.call("org-a").await.unwrap();
    provider.revoke("planted-grant-org-a");
    for _ in 0..600 {
        process.call("org-a").await.unwrap_err();
        office.clock.advance(chrono::TimeDelta::seconds(1));
    }
    provider.grant("renewed");
    office.put_grant("org-a", "renewed");
    process.call("org-a").await.unwrap();
}
