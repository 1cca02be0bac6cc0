//! The vault's key is replaced while processes run.

use std::path::PathBuf;

use accounts::{Error, Rotation, RotationReport, VaultError, keys};
use event_log::sql;
use secrecy::ExposeSecret;
use service::config::Config;
use tokio::task::JoinSet;

use crate::consents::{Town, ada, told, types};
use crate::office::{Office, Process, TRANSFER};
use crate::provider::Provider;
use crate::store::{Backend, on_both_databases};

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    a_rotation_seals_everything_anew_under_a_key_that_running_processes_follow,
    a_rotation_loses_no_token_that_is_refreshed_meanwhile,
    a_rotation_that_died_is_finished_by_the_next,
    a_key_from_the_environment_is_replaced_by_a_person,
    two_rotations_at_once_are_one,
    a_grant_under_an_unknown_key_waits_for_it_and_is_not_lost,
}

/// Which key sealed each row, by table.
async fn sealed_by(process: &Process) -> Vec<String> {
    let mut all = Vec::new();
    for table in ["oauth_tokens", "grants"] {
        let query = sql::query_scalar_composed(format!("SELECT key_id FROM {table}"));
        all.extend(query.fetch_all::<String>(process.log.database().readers()).await.unwrap());
    }
    all
}

async fn rotate(config: &Config, process: &Process) -> Result<RotationReport, Error> {
    Rotation::begin(config, process.log.clone()).await?.finish(&ada()).await
}

/// An office with so many accounts, each with a token.
async fn many(on: Backend, count: usize) -> (Provider, Office, Process) {
    let names: Vec<String> = (0..count).map(|number| format!("many-{number:02}")).collect();
    let grants: Vec<String> = names.iter().map(|name| format!("grant-{name}")).collect();
    let provider = Provider::start(&grants.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut settings = String::new();
    for name in &names {
        settings += &format!(
            "[accounts.{name}]\nprovider = \"zoho\"\nclient_id = \"1000.a\"\nclient_secret = \"s\"\n\
             refresh_token = \"grant-{name}\"\n[accounts.{name}.endpoints]\naccounts = \"{base}/accounts\"\n\
             api = \"{base}/api\"\nworkdrive = \"{base}/workdrive\"\n",
            base = provider.base
        );
    }
    settings += "[vault]\nkey_file = \"gateledger.key\"\n";
    let office = Office::with_settings(on, &settings).await;
    let process = office.start().await;
    for name in &names {
        process.call(name).await.unwrap();
    }
    (provider, office, process)
}

async fn a_rotation_seals_everything_anew_under_a_key_that_running_processes_follow(on: Backend) {
    let town = Town::new(on, "", &format!("[vault]\nkey_file = \"gateledger.key\"\n{TRANSFER_ALONE}")).await;
    let process = town.office.start().await;
    town.connect(&process, &[]).await.outcome.unwrap();
    let before = sealed_by(&process).await;
    let report = rotate(&town.office.config(), &process).await.unwrap();
    assert_eq!((report.resealed, report.unused_key_ids.clone()), (2, vec![before[0].clone()]));
    assert_eq!((report.unreadable.as_slice(), sealed_by(&process).await), (&[][..], vec![report.key_id.clone(); 2]));
    assert!(report.unused_keys_in[0].contains("gateledger.key"), "{report:?}");

    // The process that ran before the rotation goes on, and seals with the new key.
    process.call("org-a").await.unwrap();
    process.accounts.refresh(&ada(), "org-a").await.unwrap();
    town.connect(&process, &[]).await.outcome.unwrap();
    assert_eq!(sealed_by(&process).await, vec![report.key_id.clone(); 2]);

    // The old key may go, as the report says.
    let path = town.office.path("gateledger.key");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2);
    std::fs::write(&path, text.lines().next().unwrap()).unwrap();
    town.office.start().await.call("org-a").await.unwrap();
    let rotated = told(&process).await.into_iter().find(|(event_type, ..)| event_type == "vault.rotated").unwrap();
    assert_eq!((&rotated.1["rows"], &rotated.2), (&2.into(), &"cli:ada".into()));
}

const TRANSFER_ALONE: &str = r#"
[transfers.contacts]
crm = "org-a"
source = "org-a"
destination = "org-a"
module = "Contacts"
checkbox_field = "Transfer_Complete"
folder_field = "Source_Folder_Name"
source_team_folder_id = "team-a"
destination_folder_id = "dest-root"
"#;

async fn a_rotation_loses_no_token_that_is_refreshed_meanwhile(on: Backend) {
    const ACCOUNTS: usize = 12;
    let (provider, office, process) = many(on, ACCOUNTS).await;
    let mut refreshing = JoinSet::new();
    for number in 0..ACCOUNTS {
        let accounts = process.accounts.clone();
        refreshing.spawn(async move {
            for _ in 0..3 {
                accounts.refresh(&ada(), &format!("many-{number:02}")).await.unwrap();
            }
        });
    }
    let operator = office.start().await;
    let mut rotation = Rotation::begin(&office.config(), operator.log.clone()).await.unwrap();
    let key_id = rotation.key_id();
    while rotation.reseal_some(2).await.unwrap() {
        tokio::task::yield_now().await;
    }
    refreshing.join_all().await;
    let report = rotation.finish(&ada()).await.unwrap();
    assert_eq!((report.key_id.clone(), report.unreadable.len()), (key_id, 0));
    assert_eq!(sealed_by(&process).await, vec![report.key_id; ACCOUNTS]);
    let asked = provider.token_requests().len();
    let fresh = office.start().await;
    for number in 0..ACCOUNTS {
        fresh.call(&format!("many-{number:02}")).await.unwrap();
    }
    assert_eq!(provider.token_requests().len(), asked, "every token of the database can be used");
}

async fn a_rotation_that_died_is_finished_by_the_next(on: Backend) {
    let (provider, office, process) = many(on, 6).await;
    let old = sealed_by(&process).await[0].clone();
    let mut dying = Rotation::begin(&office.config(), process.log.clone()).await.unwrap();
    assert!(dying.made_key());
    dying.reseal_some(2).await.unwrap();
    let key_id = dying.key_id();
    drop(dying);
    let half = sealed_by(&process).await;
    assert_eq!(half.iter().filter(|id| **id == old).count(), 4);

    // Both keys count meanwhile, also after a restart.
    let asked = provider.token_requests().len();
    let between = office.start().await;
    for number in 0..6 {
        between.call(&format!("many-{number:02}")).await.unwrap();
    }
    assert_eq!(provider.token_requests().len(), asked);

    // Nobody knows yet that it is dead.
    let early = Rotation::begin(&office.config(), process.log.clone()).await;
    assert!(matches!(early, Err(Error::RotationUnderWay)), "{early:?}");
    office.pass(2);
    let next = Rotation::begin(&office.config(), process.log.clone()).await.unwrap();
    assert!(!next.made_key(), "it goes on with the key that is there");
    let report = next.finish(&ada()).await.unwrap();
    assert_eq!((&report.key_id, report.resealed, report.unused_key_ids), (&key_id, 4, vec![old]));
    assert_eq!(sealed_by(&process).await, vec![key_id; 6]);
}

async fn a_key_from_the_environment_is_replaced_by_a_person(on: Backend) {
    let (old, new) = (keys::generate().unwrap(), keys::generate().unwrap());
    let town = Town::new(on, "", TRANSFER_ALONE).await;
    let with = |current: &str, previous: &str| {
        let mut office = vec![("GATELEDGER_KEY".to_owned(), current.to_owned())];
        if !previous.is_empty() {
            office.push(("GATELEDGER_KEY_PREVIOUS".to_owned(), previous.to_owned()));
        }
        town.office.set_environment(office);
    };
    with(old.expose_secret(), "");
    let process = town.office.start().await;
    town.connect(&process, &[]).await.outcome.unwrap();
    let refused = rotate(&town.office.config(), &process).await.unwrap_err();
    assert!(matches!(&refused, Error::Vault(VaultError::KeyElsewhere { place }) if place.contains("GATELEDGER_KEY")));

    with(new.expose_secret(), old.expose_secret());
    let restarted = town.office.start().await;
    restarted.call("org-a").await.unwrap();
    let report = rotate(&town.office.config(), &restarted).await.unwrap();
    assert_eq!((report.resealed, report.unused_key_ids.len()), (2, 1));
    assert_eq!(report.unused_keys_in, ["the variable GATELEDGER_KEY_PREVIOUS"]);
    with(new.expose_secret(), "");
    let last = town.office.start().await;
    last.call("org-a").await.unwrap();
    last.accounts.refresh(&ada(), "org-a").await.unwrap();
    assert!(!types(&last).await.contains(&"account.needs_consent".to_owned()));
}

async fn two_rotations_at_once_are_one(on: Backend) {
    let (_provider, office, process) = many(on, 2).await;
    let first = Rotation::begin(&office.config(), process.log.clone()).await.unwrap();
    let second = Rotation::begin(&office.config(), process.log.clone()).await;
    assert!(matches!(second, Err(Error::RotationUnderWay)), "{second:?}");
    first.finish(&ada()).await.unwrap();
    rotate(&office.config(), &process).await.unwrap();
}

async fn a_grant_under_an_unknown_key_waits_for_it_and_is_not_lost(on: Backend) {
    let town = Town::new(on, "", &format!("[vault]\nkey_file = \"gateledger.key\"\n{TRANSFER_ALONE}")).await;
    let process = town.office.start().await;
    town.connect(&process, &[]).await.outcome.unwrap();
    let path: PathBuf = town.office.path("gateledger.key");
    let aside = town.office.path("aside.key");
    std::fs::rename(&path, &aside).unwrap();
    let stranger = town.office.start().await;
    assert_eq!(stranger.call("org-a").await.unwrap_err().code(), "needs_consent");
    let reason = format!("{:?}", stranger.accounts.state("org-a").unwrap());
    assert!(reason.contains("sealed with another vault key"), "{reason}");
    std::fs::rename(&aside, &path).unwrap();
    town.office.start().await.call("org-a").await.unwrap();
}

#[tokio::test]
async fn a_previous_key_of_the_wrong_form_is_refused_by_its_place() {
    let provider = Provider::start(&[]).await;
    let more = "[vault]\nkey_file = \"gateledger.key\"\nprevious_keys = [\"file:short.key\"]\n";
    let office = Office::new(Backend::Sqlite, &provider, &format!("{TRANSFER}{more}")).await;
    std::fs::write(office.path("short.key"), "c2hvcnQ=").unwrap();
    let error = office.try_start().await.err().unwrap();
    assert!(error.to_string().contains("short.key has 5 bytes"), "{error}");
}
