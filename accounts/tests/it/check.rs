//! The test of an account.

use accounts::{Error, TestReport};

use crate::office::{Office, TRANSFER};
use crate::provider::Provider;
use crate::store::{Backend, on_both_databases};

on_both_databases! {
    #[tokio::test]
    each_account_is_asked_for_what_the_transfers_need_of_it,
    a_field_that_does_not_exist_is_named_with_what_helps,
    a_destination_must_be_a_folder_that_is_there,
    without_a_token_nothing_else_is_asked,
    an_unknown_account_is_an_error,
}

async fn test(on: Backend, account: &str, transfer: &str, grants: &[&str]) -> TestReport {
    let provider = Provider::start(grants).await;
    let office = Office::new(on, &provider, transfer).await;
    office.start().await.accounts.test(account).await.unwrap()
}

const BOTH: &[&str] = &["planted-grant-org-a", "planted-grant-org-b"];

fn names(report: &TestReport) -> Vec<&str> {
    report.checks.iter().filter(|check| check.name != "secret").map(|check| check.name).collect()
}

async fn each_account_is_asked_for_what_the_transfers_need_of_it(on: Backend) {
    let report = test(on, "org-a", TRANSFER, BOTH).await;
    assert!(report.is_ok() && report.checks.iter().all(|check| check.ok), "{report:#?}");
    assert_eq!(names(&report), ["token", "crm.user", "crm.fields", "workdrive.user", "workdrive.destination"]);
    let report = test(on, "org-b", TRANSFER, BOTH).await;
    assert!(report.is_ok() && report.checks.iter().all(|check| check.ok), "{report:#?}");
    assert_eq!(names(&report), ["token", "workdrive.user", "workdrive.team_folder", "workdrive.search"]);
    assert_eq!(names(&test(on, "org-b", "", BOTH).await), ["token"]);
}

async fn a_field_that_does_not_exist_is_named_with_what_helps(on: Backend) {
    let report = test(on, "org-a", &TRANSFER.replace("Source_Folder_Name", "Ghost"), BOTH).await;
    assert!(!report.is_ok());
    let check = report.checks.iter().find(|check| check.name == "crm.fields").unwrap();
    assert_eq!(check.code, Some("rejected"));
    assert!(check.subject.contains("transfers.contacts"), "{check:?}");
    assert!(check.remedy.as_deref().unwrap().contains("Ghost"), "{check:?}");
}

async fn a_destination_must_be_a_folder_that_is_there(on: Backend) {
    for (destination, code) in [("some-file", "not_a_folder"), ("nowhere", "not_found")] {
        let setting = format!("destination_folder_id = \"{destination}\"");
        let transfer = TRANSFER.replace("destination_folder_id = \"destination\"", &setting);
        let report = test(on, "org-a", &transfer, BOTH).await;
        let check = report.checks.last().unwrap();
        assert_eq!((check.name, check.code), ("workdrive.destination", Some(code)));
        assert!(!report.is_ok());
    }
}

async fn without_a_token_nothing_else_is_asked(on: Backend) {
    let report = test(on, "org-a", TRANSFER, &[]).await;
    assert_eq!(names(&report), ["token"]);
    let token = report.checks.last().unwrap();
    assert_eq!((token.ok, token.code), (false, Some("needs_consent")));
    assert!(!report.is_ok());
}

async fn an_unknown_account_is_an_error(on: Backend) {
    let provider = Provider::start(&[]).await;
    let office = Office::new(on, &provider, "").await;
    let error = office.start().await.accounts.test("org-c").await.unwrap_err();
    assert!(matches!(error, Error::Unknown(_)), "{error:?}");
}
