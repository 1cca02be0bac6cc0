//! What the settings can get wrong, and what they leave out.

use accounts::{Error, VaultError};
use service::config::Provider as Kind;

use crate::office::Office;
use crate::provider::Provider;
use crate::store::Backend;

const GENERIC: &str = r#"
[accounts.partner]
provider = "generic"
[accounts.partner.webhook]
verify = "hmac"
secret = "s"
header = "X-Signature"
"#;

#[tokio::test]
async fn accounts_that_only_receive_need_no_vault() {
    let office = Office::with_settings(Backend::Sqlite, GENERIC).await;
    let process = office.start().await;
    let accounts = &process.accounts;
    assert_eq!(accounts.names().collect::<Vec<_>>(), ["partner"]);
    assert_eq!(
        (accounts.organization("partner"), accounts.provider("partner")),
        (Some("default"), Some(Kind::Generic))
    );
    assert!(accounts.zoho("partner").is_none());
    assert!(accounts.organization("nobody").is_none() && accounts.state("nobody").is_none());
    assert!(!office.path("gateledger.key").exists());
}

#[tokio::test]
async fn a_missing_client_secret_is_named() {
    let settings = r#"
[accounts.org-a]
provider = "zoho"
client_id = "1000.a"
client_secret = "env:ORG_A_CLIENT_SECRET"
"#;
    let error = Office::with_settings(Backend::Sqlite, settings).await.try_start().await.err().unwrap();
    assert_eq!(error.to_string(), "`accounts.org-a.client_secret` cannot be used");
    let Error::Secret { source, .. } = error else { panic!("{error:?}") };
    assert!(source.to_string().starts_with("ORG_A_CLIENT_SECRET is not set"), "{source}");
}

#[tokio::test]
async fn a_vault_key_of_the_wrong_length_is_refused_by_its_place() {
    let provider = Provider::start(&[]).await;
    let office = Office::new(Backend::Sqlite, &provider, "[vault]\nkey = \"file:short.key\"\n").await;
    std::fs::write(office.path("short.key"), "c2hvcnQ=").unwrap();
    let error = office.try_start().await.err().unwrap();
    assert!(
        matches!(&error, Error::Vault(VaultError::BadKey { place, .. }) if place.ends_with("short.key")),
        "{error:?}"
    );
    assert!(error.to_string().contains("has 5 bytes"), "{error}");
}

#[tokio::test]
async fn a_vault_key_that_cannot_be_had_is_no_reason_to_make_another() {
    let provider = Provider::start(&[]).await;
    let office = Office::new(Backend::Sqlite, &provider, "[vault]\nkey = \"env:NOT_SET\"\n").await;
    let error = office.try_start().await.err().unwrap();
    assert!(matches!(&error, Error::Vault(VaultError::NoKey { .. })), "{error:?}");
    assert!(!office.path("gateledger.key").exists());
}
