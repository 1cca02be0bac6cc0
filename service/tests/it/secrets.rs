//! Secrets are found where they are kept, and nowhere else.

use std::error::Error;
use std::fs;

use service::config::{Config, ExposeSecret, SecretRef};

use crate::place::Place;

const PLANTED: &str = "hunter2-planted";

/// A secret in every place a secret can have.
fn planted() -> Place {
    Place::with_file(&format!(
        "[vault]\nkey = '{PLANTED}'
        [accounts.org-a]\nprovider = 'zoho'\nclient_id = 'env:ID'\nclient_secret = '{PLANTED}'\nrefresh_token = 'file:token'
        webhook = {{ verify = 'zoho-crm', channel_id = '1', token = '{PLANTED}' }}
        [accounts.partner]\nprovider = 'generic'
        webhook = {{ verify = 'hmac', secrets = ['{PLANTED}', 'env:ID'], header = 'h' }}"
    ))
    .file("token", &format!("{PLANTED}\n"))
    .variable("ID", PLANTED)
    .variable("GATELEDGER__ACCOUNTS__SENDER__PROVIDER", "generic")
    .variable("GATELEDGER__ACCOUNTS__SENDER__WEBHOOK__VERIFY", "standard-webhooks")
    .variable("GATELEDGER__ACCOUNTS__SENDER__WEBHOOK__SECRET", PLANTED)
}

fn all_texts(error: &dyn Error) -> String {
    let mut texts = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(cause) = source {
        texts.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    texts
}

fn refresh_token(config: &Config) -> SecretRef {
    config.accounts["org-a"].credentials.clone().unwrap().refresh_token.unwrap()
}

#[test]
fn secrets_never_show_in_debug() {
    let place = planted();
    let config = place.load().unwrap();
    config.check_secrets().unwrap();
    assert!(!format!("{config:?} {config:#?}").contains(PLANTED));
    let resolved = config.resolve(&refresh_token(&config)).unwrap();
    assert_eq!(resolved.expose_secret(), PLANTED);
    assert!(!format!("{resolved:?}").contains(PLANTED));
}

#[test]
fn secrets_never_show_in_errors() {
    let wrong = [
        format!("[accounts.a]\nprovider = 'zoho'\nclient_id = 1\nclient_secret = ['{PLANTED}']\nregion = 'mars'"),
        format!("[accounts.a]\nprovider = 'zoho'\nclient_secrt = '{PLANTED}'"),
        format!("[store]\nurl = 'mysql://user:{PLANTED}@host/db'"),
        format!("[kafka]\noptions = {{ 'sasl.password' = '{PLANTED}' }}"),
        format!("[store]\nurl = '{PLANTED}'"),
        format!("[http]\npublic_url = 'https://user:{PLANTED}@host/'"),
        format!("[http]\nlisten = '{PLANTED}'"),
        format!("[accounts.a]\nclient_secret = '{PLANTED}"),
        format!("[accounts.a]\nclient_secret = {PLANTED}"),
        format!("a = '{PLANTED}' b"),
    ];
    for text in wrong {
        let error = Place::with_file(&text).load().unwrap_err();
        assert!(!all_texts(&error).contains(PLANTED), "{text}\n{error}");
    }
    let error = Place::new().file(".env", &format!("A=1\nB=x {PLANTED}\n")).load().unwrap_err();
    assert!(error.to_string().contains(".env:2: "), "{error}");
    assert!(!all_texts(&error).contains(PLANTED), "{error}");
}

#[test]
fn addresses_and_options_with_passwords_do_not_show() {
    let config = Place::with_file(&format!(
        "[store]\nurl = 'env:DB'\n[kafka]\nbrokers = 'a:1, b:2'\n[kafka.options]\nsasl.password = '{PLANTED}'"
    ))
    .variable("DB", &format!("postgres://user:{PLANTED}@host/db"))
    .variable("GATELEDGER__KAFKA__OPTIONS__SECURITY_PROTOCOL", "SASL_SSL")
    .load()
    .unwrap();
    assert!(!format!("{config:?}").contains(PLANTED), "{config:?}");
    assert!(config.store.database.exposed().contains(PLANTED));
    let kafka = config.kafka.clone().unwrap();
    assert_eq!(kafka.brokers, ["a:1", "b:2"]);
    assert_eq!(kafka.options.keys().collect::<Vec<_>>(), ["sasl.password", "security.protocol"]);
    assert_eq!(config.resolve(&kafka.options["sasl.password"]).unwrap().expose_secret(), PLANTED);
}

#[test]
fn a_secret_file_is_read_each_time() {
    let place = planted();
    let config = place.load().unwrap();
    let token = refresh_token(&config);
    assert_eq!(config.resolve(&token).unwrap().expose_secret(), PLANTED);
    fs::write(place.path().join("token"), "rotated\r\n").unwrap();
    assert_eq!(config.resolve(&token).unwrap().expose_secret(), "rotated");
    fs::write(place.path().join("token"), "\n").unwrap();
    assert!(config.resolve(&token).unwrap_err().to_string().ends_with("token is empty"));
}

#[test]
fn every_missing_secret_is_named_with_its_key_and_where_it_was_looked_for() {
    let place = Place::with_file(
        "[accounts.org-a]\nprovider = 'zoho'\nclient_id = 'env:ORG_A_CLIENT_ID'\nclient_secret = 'file:nowhere'",
    );
    let message = place.load().unwrap().check_secrets().unwrap_err().to_string();
    let dotenv = place.path().join(".env");
    let id = format!(
        "`accounts.org-a.client_id` cannot be used: ORG_A_CLIENT_ID is not set in the environment or {}, which does not exist",
        dotenv.display()
    );
    assert!(message.contains(&id), "{message}");
    assert!(
        message.contains("`accounts.org-a.client_secret` cannot be used: cannot read the secret file"),
        "{message}"
    );
}

#[test]
fn the_key_of_the_vault_may_come_from_its_own_variable() {
    let config = Place::new().variable("GATELEDGER_KEY", PLANTED).load().unwrap();
    assert_eq!(config.resolve(&config.vault.key.clone().unwrap()).unwrap().expose_secret(), PLANTED);
}
