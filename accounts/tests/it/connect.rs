//! Grants that people give, take back, and replace.

use std::time::Duration;

use accounts::{Access, Callback, ConnectError, ConnectRequest, Error, Origin, Product};
use chrono::TimeDelta;
use providers::zoho::oauth;
use serde_json::json;
use simulator::control::{ConsentAnswer, GrantChange};
use simulator::seed::constants::{ORG_A, ORG_A_REFRESH_TOKEN};
use simulator::{Fault, FaultRule};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::consents::{CALLBACK, Town, ada, follow, told, types};
use crate::office::{Office, Process, TRANSFER};
use crate::provider::Provider;
use crate::store::{Backend, on_both_databases};

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    a_person_connects_an_account_and_it_works_in_every_process,
    a_state_counts_once_for_ten_minutes_and_only_as_it_was_made,
    a_person_who_refuses_leaves_everything_as_it_was,
    a_server_of_strangers_learns_nothing,
    a_person_of_another_region_is_sent_to_the_setting,
    scopes_that_were_left_out_are_named_with_what_they_break,
    a_new_grant_replaces_the_one_before_and_has_it_forgotten,
    a_running_process_notices_a_grant_that_another_one_took,
    disconnecting_takes_back_every_grant,
    disconnecting_without_the_provider_changes_nothing,
    a_given_grant_counts_before_the_setting_until_it_is_refused,
    refreshing_by_hand_replaces_a_living_token,
    an_account_that_nothing_needs_is_not_asked_for,
    rights_of_a_grant_in_the_settings_come_with_its_token,
    rights_that_the_provider_does_not_tell_are_found_out_once,
}

fn transfer() -> String {
    // Both ends in one account, so that everything is needed of it.
    TRANSFER
        .replace("source = \"org-b\"", "source = \"org-a\"")
        .replace("team-folder", "team-a")
        .replace("\"destination\"", "\"dest-root\"")
}

const WITH_SETTING: &str = "refresh_token = \"file:org-a.token\"";

async fn works(process: &Process) {
    process.call("org-a").await.unwrap();
}

async fn a_person_connects_an_account_and_it_works_in_every_process(on: Backend) {
    let town = Town::new(on, "", &transfer()).await;
    let (sender, taker) = (town.office.start().await, town.office.start().await);
    assert_eq!(sender.call("org-a").await.unwrap_err().code(), "needs_consent");

    let callback = town.send_a_person(&sender, &[]).await;
    let arrival = taker.accounts.finish_connect(callback).await;
    assert_eq!(arrival.account.as_deref(), Some("org-a"));
    let connected = arrival.outcome.unwrap();
    assert_eq!((connected.missing.as_slice(), connected.replaced), (&[][..], false));
    works(&taker).await;
    town.office.pass(1);
    works(&sender).await;

    let events = told(&sender).await;
    let names: Vec<&str> = events.iter().map(|(event_type, ..)| event_type.as_str()).collect();
    assert_eq!(names, ["account.needs_consent", "account.connected", "account.recovered"]);
    let (_, data, subject) = &events[1];
    assert_eq!((subject, &data["account"], &data["missing"]), (&json!("cli:ada"), &json!("org-a"), &json!([])));
    assert!(!format!("{events:?}").contains("1000."), "no secret in the log: {events:?}");

    let report = sender.accounts.grants().await.unwrap().remove("org-a").unwrap();
    assert_eq!((report.origin, report.granted_by.as_deref()), (Some(Origin::Person), Some("cli:ada")));
    assert_eq!(report.scopes.missing, []);
    assert!(report.scopes.needed.contains(&"ZohoFiles.files.ALL".to_owned()), "{report:?}");
    assert!(report.token_expires_at.is_some() && report.refreshed_at.is_some());
    // After a restart, too.
    works(&town.office.start().await).await;
    assert_eq!(town.simulator.control().counts().misdeeds.len(), 0);
}

async fn a_state_counts_once_for_ten_minutes_and_only_as_it_was_made(on: Backend) {
    let town = Town::new(on, "", &transfer()).await;
    let process = town.office.start().await;
    let callback = town.send_a_person(&process, &[]).await;
    let forged = Callback { state: format!("{}x", callback.state), ..callback.clone() };
    let late = town.send_a_person(&process, &[]).await;
    for (name, state) in [("forged", forged), ("empty", Callback::default())] {
        let arrival = process.accounts.finish_connect(state).await;
        assert!(matches!(arrival.outcome, Err(ConnectError::UnknownState)), "{name}: {arrival:?}");
        assert_eq!(arrival.account, None);
    }
    process.accounts.finish_connect(callback.clone()).await.outcome.unwrap();
    let again = process.accounts.finish_connect(callback).await.outcome;
    assert!(matches!(again, Err(ConnectError::UnknownState)), "{again:?}");
    town.office.pass(10);
    let over = process.accounts.finish_connect(late).await.outcome;
    assert!(matches!(over, Err(ConnectError::UnknownState)), "{over:?}");
}

async fn a_person_who_refuses_leaves_everything_as_it_was(on: Backend) {
    let town = Town::new(on, "", &transfer()).await;
    let process = town.office.start().await;
    town.set(&json!({"oauth": {"consent": "deny"}}));
    let arrival = town.connect(&process, &[]).await;
    assert_eq!(arrival.account.as_deref(), Some("org-a"));
    assert!(matches!(&arrival.outcome, Err(ConnectError::Denied { code }) if code == "access_denied"), "{arrival:?}");
    assert_eq!(types(&process).await, [] as [&str; 0]);
    assert_eq!(process.accounts.grants().await.unwrap()["org-a"].origin, None);
}

async fn a_server_of_strangers_learns_nothing(on: Backend) {
    let town = Town::new(on, "", &transfer()).await;
    let process = town.office.start().await;
    let callback = town.send_a_person(&process, &[]).await;
    let before = town.simulator.control().counts();
    let stranger = Callback { accounts_server: Some("https://accounts.zoho.evil.example".to_owned()), ..callback };
    let refused = process.accounts.finish_connect(stranger).await.outcome.unwrap_err();
    assert!(matches!(refused, ConnectError::Exchange(oauth::Error::UntrustedServer { .. })), "{refused:?}");
    assert_eq!(refused.code(), "untrusted_accounts_server");
    assert_eq!(format!("{:?}", town.simulator.control().counts()), format!("{before:?}"), "nothing was asked");
}

async fn a_person_of_another_region_is_sent_to_the_setting(on: Backend) {
    let town = Town::new(on, "region = \"eu\"", &transfer()).await;
    let process = town.office.start().await;
    let refused = town.connect(&process, &[]).await.outcome.unwrap_err();
    let ConnectError::RegionMismatch { configured, found, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!((configured.as_str(), found.as_str()), ("eu", "com"));
    assert!(refused.to_string().contains("set accounts.org-a.region to com"), "{refused}");
}

async fn scopes_that_were_left_out_are_named_with_what_they_break(on: Backend) {
    let town = Town::new(on, "", &transfer()).await;
    let process = town.office.start().await;
    town.set(&json!({"oauth": {"consent_without": ["ZohoFiles.files.ALL", "ZohoSearch.securesearch.READ"]}}));
    let connected = town.connect(&process, &[]).await.outcome.unwrap();
    let named: Vec<(&str, bool)> =
        connected.missing.iter().map(|missing| (missing.scope.as_str(), missing.optional)).collect();
    let expected =
        [("ZohoFiles.files.READ", false), ("ZohoSearch.securesearch.READ", true), ("ZohoFiles.files.ALL", false)];
    assert_eq!(named, expected);
    assert_eq!(connected.missing[0].breaks, "files cannot be downloaded");
    let report = process.accounts.grants().await.unwrap().remove("org-a").unwrap();
    assert_eq!(report.scopes.missing, connected.missing);
}

async fn a_new_grant_replaces_the_one_before_and_has_it_forgotten(on: Backend) {
    let town = Town::new(on, "", &transfer()).await;
    let process = town.office.start().await;
    town.set(&json!({"oauth": {"consent_without": ["ZohoCRM.users.READ"]}}));
    town.connect(&process, &[]).await.outcome.unwrap();
    assert_eq!(process.call("org-a").await.unwrap_err().code(), "missing_scope");
    town.set(&json!({"oauth": {"consent_without": []}}));
    let connected = town.connect(&process, &[]).await.outcome.unwrap();
    assert!(connected.replaced);
    works(&process).await;
    let revoked = town.simulator.control().journal(0).into_iter().filter(|entry| entry.route == "oauth.revoke");
    assert_eq!(revoked.count(), 1, "the grant before it");
    assert_eq!(types(&process).await, ["account.connected", "account.connected"]);
}

async fn a_running_process_notices_a_grant_that_another_one_took(on: Backend) {
    let town = Town::new(on, "", &transfer()).await;
    let (running, other) = (town.office.start().await, town.office.start().await);
    running.call("org-a").await.unwrap_err();
    let stop = CancellationToken::new();
    let accounts = running.accounts.clone();
    let mut changes = accounts.changes();
    let meanwhile = async {
        town.connect(&other, &[]).await.outcome.unwrap();
        while accounts.needs_consent("org-a") {
            changes.changed().await.unwrap();
        }
        stop.cancel();
    };
    let both = async { tokio::join!(meanwhile, accounts.run_consent_probe(stop.clone())) };
    tokio::time::timeout(Duration::from_secs(20), both).await.expect("it was noticed in time");
    works(&running).await;
}

async fn disconnecting_takes_back_every_grant(on: Backend) {
    let town = Town::new(on, WITH_SETTING, &transfer()).await;
    town.office.put_grant("org-a", ORG_A_REFRESH_TOKEN);
    let (process, other) = (town.office.start().await, town.office.start().await);
    works(&other).await;
    town.connect(&process, &[]).await.outcome.unwrap();
    works(&process).await;
    let disconnected = process.accounts.disconnect(&ada(), "org-a").await.unwrap();
    assert_eq!(disconnected.revoked, 2, "the given one, and the one in the settings");
    for process in [&process, &other] {
        assert_eq!(process.call("org-a").await.unwrap_err().code(), "needs_consent");
    }
    let state = process.accounts.state("org-a").unwrap();
    assert!(matches!(&state.access, Access::NeedsConsent { reason, .. } if reason.contains("disconnected")));
    assert_eq!(types(&process).await, ["account.connected", "account.disconnected", "account.needs_consent"]);
    assert_eq!(told(&process).await[1].2, "cli:ada");

    town.connect(&process, &[]).await.outcome.unwrap();
    works(&process).await;
}

async fn disconnecting_without_the_provider_changes_nothing(on: Backend) {
    let town = Town::new(on, "", &transfer()).await;
    let process = town.office.start().await;
    town.connect(&process, &[]).await.outcome.unwrap();
    town.simulator.control().add_fault(FaultRule::once("oauth.revoke", Fault::CutBefore {})).unwrap();
    let error = process.accounts.disconnect(&ada(), "org-a").await.unwrap_err();
    assert!(matches!(error, Error::NotRevoked { .. }), "{error:?}");
    works(&process).await;
    assert_eq!(types(&process).await, ["account.connected"]);
}

async fn a_given_grant_counts_before_the_setting_until_it_is_refused(on: Backend) {
    let town = Town::new(on, WITH_SETTING, &transfer()).await;
    town.office.put_grant("org-a", ORG_A_REFRESH_TOKEN);
    let process = town.office.start().await;
    let origin = async || process.accounts.grants().await.unwrap()["org-a"].origin;
    assert_eq!(origin().await, Some(Origin::Setting));
    town.connect(&process, &[]).await.outcome.unwrap();
    assert_eq!(origin().await, Some(Origin::Person));

    let control = town.simulator.control();
    control.revoke_grants(ORG_A, &GrantChange::default()).unwrap();
    assert_eq!(process.call("org-a").await.unwrap_err().code(), "needs_consent");
    // A person puts another one where the setting points.
    let renewal = json!({"refresh_token": "1000.renewed"});
    control.renew_grants(ORG_A, &serde_json::from_value(renewal).unwrap()).unwrap();
    town.office.put_grant("org-a", "1000.renewed");
    works(&process).await;
    assert_eq!(origin().await, Some(Origin::Setting));
    // It goes on being used, without going back and forth.
    town.office.clock.advance(TimeDelta::hours(2));
    control.advance(Duration::from_secs(7200));
    works(&process).await;
    assert_eq!(origin().await, Some(Origin::Setting));
}

async fn refreshing_by_hand_replaces_a_living_token(on: Backend) {
    let town = Town::new(on, "", &transfer()).await;
    let process = town.office.start().await;
    town.connect(&process, &[]).await.outcome.unwrap();
    let first = process.accounts.state("org-a").unwrap().token_expires_at.unwrap();
    town.office.pass(10);
    let second = process.accounts.refresh(&ada(), "org-a").await.unwrap();
    assert!(second - first >= TimeDelta::minutes(9), "{first} {second}");
    assert_eq!(types(&process).await, ["account.connected", "account.refreshed"]);
    works(&process).await;
    town.simulator.control().revoke_grants(ORG_A, &GrantChange::default()).unwrap();
    let refused = process.accounts.refresh(&ada(), "org-a").await.unwrap_err();
    assert!(matches!(refused, Error::NotRefreshed { .. }), "{refused:?}");
}

async fn an_account_that_nothing_needs_is_not_asked_for(on: Backend) {
    let town = Town::new(on, "", "").await;
    let process = town.office.start().await;
    let redirect_uri = Url::parse(CALLBACK).unwrap();
    let request = ConnectRequest { account: "org-a", redirect_uri: &redirect_uri, return_to: None, also: &[] };
    let refused = process.accounts.begin_connect(&ada(), request).await.unwrap_err();
    assert!(matches!(refused, ConnectError::NothingNeeded { .. }), "{refused:?}");
    town.set(&json!({"oauth": {"consent": "ask"}}));
    let wanted = ConnectRequest { also: &[Product::Books, Product::Cliq], ..request };
    let sent = process.accounts.begin_connect(&ada(), wanted).await.unwrap();
    assert!(sent.scopes.contains(&"ZohoBooks.contacts.READ".to_owned()), "{:?}", sent.scopes);
    let page = reqwest::get(sent.url.clone()).await.unwrap().text().await.unwrap();
    assert!(page.contains("ZohoCliq.Messages.READ"), "{page}");
    let waiting = town.simulator.control().consents().remove(0);
    let back = town.simulator.control().answer_consent(&waiting.id, &ConsentAnswer::default()).unwrap();
    assert!(back.starts_with(CALLBACK), "{back}");
    town.set(&json!({"oauth": {"consent": "approve"}}));
    process.accounts.finish_connect(follow(&sent.url).await).await.outcome.unwrap();
}

async fn rights_of_a_grant_in_the_settings_come_with_its_token(on: Backend) {
    let town = Town::new(on, WITH_SETTING, &transfer()).await;
    let control = town.simulator.control();
    let renewal = json!({"refresh_token": "1000.narrow", "scopes": ["ZohoCRM.modules.ALL", "ZohoCRM.coql.READ",
        "ZohoCRM.users.READ", "WorkDrive.files.ALL", "ZohoFiles.files.ALL"]});
    control.renew_grants(ORG_A, &serde_json::from_value(renewal).unwrap()).unwrap();
    town.office.put_grant("org-a", "1000.narrow");
    let mut calls = Vec::new();
    for _ in 0..2 {
        let process = town.office.start().await;
        let stop = CancellationToken::new();
        let looked = async {
            testkit::wait::until_true("the rights were looked at", async || {
                process.accounts.grants().await.unwrap()["org-a"].scopes.checked_at.is_some()
            })
            .await;
            stop.cancel();
        };
        tokio::join!(looked, process.accounts.run_consent_probe(stop.clone()));
        let scopes = process.accounts.grants().await.unwrap().remove("org-a").unwrap().scopes;
        assert_eq!(scopes.granted.map(|granted| granted.len()), Some(5));
        let named: Vec<&str> = scopes.missing.iter().map(|missing| missing.scope.as_str()).collect();
        let expected = ["ZohoSearch.securesearch.READ", "WorkDrive.team.READ", "WorkDrive.teamfolders.READ"];
        assert_eq!(named, expected);
        calls.push(control.journal(0).len());
    }
    assert_eq!(calls, [1, 1], "the answer with the token told them, and the second process knows");
}

async fn rights_that_the_provider_does_not_tell_are_found_out_once(on: Backend) {
    let provider = Provider::start(&["planted-grant-org-a", "planted-grant-org-b"]).await;
    let office = Office::new(on, &provider, TRANSFER).await;
    let mut calls = Vec::new();
    for _ in 0..2 {
        let process = office.start().await;
        let stop = CancellationToken::new();
        let looked = async {
            testkit::wait::until_true("the rights were looked at", async || {
                process.accounts.grants().await.unwrap()["org-a"].scopes.checked_at.is_some()
            })
            .await;
            stop.cancel();
        };
        tokio::join!(looked, process.accounts.run_consent_probe(stop.clone()));
        let scopes = process.accounts.grants().await.unwrap().remove("org-a").unwrap().scopes;
        assert_eq!((scopes.granted, scopes.missing.len()), (None, 0), "reading works, and more cannot be known");
        assert!(scopes.needed.contains(&"ZohoCRM.coql.READ".to_owned()));
        calls.push(provider.token_requests().iter().filter(|grant| grant.contains("org-a")).count());
    }
    assert_eq!(calls, [1, 1]);
}

/// On PostgreSQL alone: a file answers its commits itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_whose_commit_was_not_heard_of_stays() {
    let town = Town::new(Backend::Postgres, "", &transfer()).await;
    let way = town.office.lossy_way().await;
    let process = town.office.start_through(&way).await;
    let callback = town.send_a_person(&process, &[]).await;
    way.lose_commit_of("INTO grants");
    process.accounts.finish_connect(callback).await.outcome.unwrap();
    works(&process).await;
    let journal = town.simulator.control().journal(0);
    assert!(journal.iter().all(|entry| entry.route != "oauth.revoke"), "the grant that is kept is not taken back");
    assert_eq!(types(&process).await, ["account.connected"]);
}
