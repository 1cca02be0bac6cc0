//! What cannot be an endpoint.

use std::collections::BTreeMap;

use consumers::Settings;
use consumers::notify::senders::Senders;
use service::clock::SystemClock;
use service::config::{Config, LoadOptions};

use super::office::endpoint;

fn config(more: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateledger.toml");
    std::fs::write(&file, endpoint("erp", more).replace("BASE", "http://127.0.0.1:1")).unwrap();
    let working_dir = folder.path().to_owned();
    let options = LoadOptions { file: Some(file), environment: BTreeMap::new(), dotenv: None, working_dir };
    Config::load(options).unwrap()
}

#[test]
fn type_that_no_event_has_is_named() {
    let refused = |more: &str| Settings::of(&config(more)).unwrap_err().to_string();
    let said = refused("events = [\"erp_user.*\", \"erp_usr.changed\"]");
    assert!(said.contains("notify.erp.events") && said.contains("erp_usr.changed"), "{said}");
    assert!(refused("events = \"notify_endpoint.*\"").contains("can be told"));
    let all = Settings::of(&config("events = \"*\"")).unwrap().endpoints.types();
    assert_eq!(all.len(), catalogue::ALL.len() - 2);
}

#[test]
fn secret_or_address_that_cannot_be_used_is_named_and_not_shown() {
    let refused = |more: &str| {
        let error = Senders::open(&config(more), &SystemClock::shared()).unwrap_err();
        format!("{error}: {}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default())
    };
    let said = refused("secrets = [\"whsec_b2xkZXIgc2VjcmV0IG9mIDI0IGJ5dGVz\", \"whsec_c2hvcnQ=\"]");
    assert!(said.contains("notify.erp.secrets") && said.contains("number 2") && said.contains("5 bytes"), "{said}");
    assert!(!said.contains("c2hvcnQ"), "{said}");
    let said = refused("allow_private = false");
    assert!(said.contains("notify.erp.url") && said.contains("allow_private"), "{said}");
}
