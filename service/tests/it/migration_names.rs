//! The environment names of the WorkDrive migration.

use service::config::{ExposeSecret, Schedule};

use crate::place::Place;

const NAMES: [(&str, &str); 12] = [
    ("ZOHO_REGION", "EU"),
    ("ORG_A_CLIENT_ID", "1000.A"),
    ("ORG_A_CLIENT_SECRET", "secret-a"),
    ("ORG_A_REFRESH_TOKEN", "refresh-a"),
    ("ORG_B_CLIENT_ID", "1000.B"),
    ("ORG_B_CLIENT_SECRET", "secret-b"),
    ("ORG_B_REFRESH_TOKEN", "refresh-b"),
    ("ORG_B_TEAM_FOLDER_ID", "team1"),
    ("CRM_MODULE_API_NAME", "Contacts"),
    ("CRM_CHECKBOX_FIELD_API_NAME", "Transfer_Complete"),
    ("CRM_FOLDER_NAME_FIELD_API_NAME", "Source_Folder"),
    ("WORKDRIVE_DEST_FOLDER_ID", "dest1"),
];

fn complete() -> Place {
    NAMES.iter().fold(Place::new(), |place, (name, value)| place.variable(name, value))
}

#[test]
fn the_names_alone_make_a_transfer() {
    let place = complete();
    let config = place.load().unwrap();
    let transfer = &config.transfers["default"];
    assert_eq!([&transfer.crm, &transfer.source, &transfer.destination], ["org-a", "org-b", "org-a"]);
    assert_eq!((transfer.module.as_str(), transfer.source_team_folder_id.as_str()), ("Contacts", "team1"));
    assert!(matches!(transfer.schedule, Schedule::Every(_)));
    assert_eq!((config.accounts["org-a"].region.as_str(), config.accounts["org-b"].region.as_str()), ("eu", "eu"));
    let credentials = config.accounts["org-b"].credentials.as_ref().unwrap();
    assert_eq!(config.resolve(credentials.refresh_token.as_ref().unwrap()).unwrap().expose_secret(), "refresh-b");
    config.check_secrets().unwrap();
    assert_eq!(config.log.directory, None);
    assert_eq!(place.for_transfer().unwrap().log.directory, Some(place.path().join("logs")));
}

#[test]
fn the_names_may_stand_in_dotenv() {
    let text: String = NAMES.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let config = Place::new().file(".env", &text).for_transfer().unwrap();
    config.check_secrets().unwrap();
}

#[test]
fn settings_for_the_same_accounts_apply_on_top() {
    let place = complete()
        .file(
            "gateledger.toml",
            "[accounts.org-a.endpoints]\napi = 'http://127.0.0.1:9/api'\n[accounts.org-b]\nregion = 'com'",
        )
        .variable("GATELEDGER__TRANSFERS__DEFAULT__CONCURRENCY", "2");
    let config = place.for_transfer().unwrap();
    assert!(config.accounts["org-a"].endpoints.api.is_some());
    assert_eq!(config.accounts["org-b"].region, "com");
    assert_eq!(config.transfers["default"].concurrency, 2);
}

#[test]
fn every_missing_name_is_told_once_with_where_it_was_looked_for() {
    let place = Place::new().variable("ORG_A_CLIENT_ID", "1000.A").variable("ORG_B_CLIENT_ID", "");
    let error = place.for_transfer().unwrap_err();
    let missing: Vec<_> = error.problems().iter().map(|problem| problem.key.as_str()).collect();
    let mut expected: Vec<_> = NAMES.iter().map(|(name, _)| *name).filter(|name| *name != "ORG_A_CLIENT_ID").collect();
    expected.sort_unstable();
    assert_eq!(missing, expected);
    let place_of = |name: &str| format!("{}, which does not exist", place.path().join(name).display());
    let line = format!(
        "ORG_B_CLIENT_ID is missing: set it in the environment or {}, or set `accounts.org-b.client_id` in {}",
        place_of(".env"),
        place_of("gateledger.toml")
    );
    assert!(error.to_string().contains(&line), "{error}");
}

#[test]
fn some_of_the_names_are_enough_to_ask_for_the_others() {
    let error = Place::new().variable("CRM_MODULE_API_NAME", "Contacts").load().unwrap_err();
    assert_eq!(error.problems().len(), 11);
}

#[test]
fn credentials_that_a_file_refers_to_make_no_transfer() {
    let file = "[accounts.org-a]\nprovider = 'zoho'\nclient_id = 'env:ORG_A_CLIENT_ID'\nclient_secret = 'env:ORG_A_CLIENT_SECRET'";
    let place = Place::with_file(file).variable("ORG_A_CLIENT_ID", "1").variable("ORG_A_CLIENT_SECRET", "s");
    let config = place.load().unwrap();
    assert!(config.transfers.is_empty());
    assert_eq!(config.accounts.len(), 1);
}

#[test]
fn a_configured_transfer_leaves_the_names_alone() {
    let account = "provider = 'zoho'\nclient_id = '1'\nclient_secret = 's'\n";
    let place = complete().file(
        "gateledger.toml",
        &format!(
            "[accounts.x]\n{account}[transfers.mine]\ncrm = 'x'\nsource = 'x'\ndestination = 'x'\nmodule = 'M'
            checkbox_field = 'C'\nfolder_field = 'F'\nsource_team_folder_id = '1'\ndestination_folder_id = '2'"
        ),
    );
    let config = place.for_transfer().unwrap();
    assert_eq!(config.transfers.keys().collect::<Vec<_>>(), ["mine"]);
    assert_eq!(config.accounts.keys().collect::<Vec<_>>(), ["x"]);
}
