//! What is read, and which layer counts.

use std::time::Duration;

use service::config::account::{Algorithm, Encoding, Part, Verify};
use service::config::{CheckWhen, Provider, Schedule};

use crate::place::Place;

/// The settings of the documentation.
const DOCUMENTED: &str = r#"
[accounts.org-a]
provider = "zoho"
organization = "acme"
region = "com"
client_id = "env:ORG_A_CLIENT_ID"
client_secret = "env:ORG_A_CLIENT_SECRET"
refresh_token = "env:ORG_A_REFRESH_TOKEN"
[accounts.org-a.endpoints]
accounts = "http://127.0.0.1:9100/accounts"
api = "http://127.0.0.1:9100/api"
workdrive = "http://127.0.0.1:9100/workdrive"
download = "http://127.0.0.1:9100/download"
upload = "http://127.0.0.1:9100/upload"
cliq = "http://127.0.0.1:9100/cliq"
[accounts.org-a.webhook]
verify = "zoho-crm"

[accounts.org-b]
provider = "zoho"
client_id = "1"
client_secret = "s"

[accounts.partner]
provider = "generic"
organization = "acme"
[accounts.partner.webhook]
verify = "hmac"
secret = "env:PARTNER_SECRET"
algorithm = "sha256"
header = "X-Hub-Signature-256"
prefix = "sha256="
encoding = "hex"
delivery_id_header = "X-GitHub-Delivery"

[transfers.contacts]
crm = "org-a"
source = "org-b"
destination = "org-a"
module = "Contacts"
checkbox_field = "Transfer_Complete"
folder_field = "Source_Folder_Name"
source_team_folder_id = "tf1"
destination_folder_id = "df1"
schedule = "0 2 * * *"
check_when = "all"
"#;

#[test]
fn nothing_at_all_gives_the_defaults() {
    let place = Place::new();
    let config = place.load().unwrap();
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.http.body_limit_bytes, 1024 * 1024);
    assert_eq!(config.store.database.file(), Some(place.path().join("gateledger.db").as_path()));
    assert_eq!(config.vault.key_file, Some(place.path().join("gateledger.key")));
    assert_eq!(config.service.shutdown_grace, Duration::from_secs(20));
    assert_eq!(config.webhooks.rejected_keep, 10_000);
    assert!(config.log.directory.is_none() && config.vault.key.is_none() && config.file.is_none());
    assert!(config.accounts.is_empty() && config.transfers.is_empty());
}

#[test]
fn the_documented_shape_is_read() {
    let config = Place::with_file(DOCUMENTED).load().unwrap();
    let zoho = config.account("org-a").unwrap();
    assert_eq!((zoho.provider, zoho.organization.as_str(), zoho.region.as_str()), (Provider::Zoho, "acme", "com"));
    assert_eq!(zoho.endpoints.api.as_ref().unwrap().path(), "/api");
    assert!(matches!(zoho.webhook.as_ref().unwrap().verify, Verify::ZohoCrm { channel: None }));
    let Verify::Hmac(hmac) = &config.account("partner").unwrap().webhook.as_ref().unwrap().verify else {
        panic!("partner is verified by hmac")
    };
    assert_eq!((hmac.algorithm, hmac.encoding), (Algorithm::Sha256, Encoding::Hex));
    assert_eq!((hmac.header.as_str(), hmac.prefix.as_str()), ("x-hub-signature-256", "sha256="));
    assert_eq!(hmac.signed_content.parts(), [Part::Body]);
    let transfer = &config.transfers["contacts"];
    assert_eq!(transfer.check_when, CheckWhen::All);
    assert!(matches!(transfer.schedule, Schedule::Cron { .. }));
    assert_eq!((transfer.concurrency, transfer.max_attempts), (8, 3));
}

#[test]
fn the_environment_wins_over_dotenv_and_dotenv_over_the_file() {
    let place = Place::with_file("[http]\nqueue_limit = 1\nmax_connections = 1\nkeep_alive_seconds = 1")
        .file(".env", "GATELEDGER__HTTP__QUEUE_LIMIT=2\nGATELEDGER__HTTP__MAX_CONNECTIONS=2\n")
        .variable("GATELEDGER__HTTP__QUEUE_LIMIT", "3")
        .variable("gateledger__store__url", "sqlite:/var/lib/x.db");
    let config = place.load().unwrap();
    assert_eq!((config.http.queue_limit, config.http.max_connections), (3, 2));
    assert_eq!(config.http.keep_alive, Duration::from_secs(1));
    assert_eq!(config.store.database.exposed(), "sqlite:/var/lib/x.db");
}

#[test]
fn a_variable_is_read_as_the_type_of_its_key() {
    let place = Place::with_file("[accounts.org-a]\nprovider = 'zoho'\nclient_secret = 's'")
        .variable("GATELEDGER__ACCOUNTS__ORG_A__CLIENT_ID", "1000")
        .variable("GATELEDGER__ACCOUNTS__ORG_A__LIMITS__CRM_PER_SECOND", "2.5")
        .variable("GATELEDGER__ACCOUNTS__PARTNER__PROVIDER", "generic")
        .variable("GATELEDGER__ACCOUNTS__PARTNER__WEBHOOK__VERIFY", "standard-webhooks")
        .variable("GATELEDGER__ACCOUNTS__PARTNER__WEBHOOK__SECRETS", "env:NEW, env:OLD");
    let config = place.load().unwrap();
    let org_a = &config.accounts["org-a"];
    let id = config.resolve(&org_a.credentials.as_ref().unwrap().client_id).unwrap();
    assert_eq!(service::config::ExposeSecret::expose_secret(&id), "1000");
    assert_eq!(org_a.limits.crm_per_second, Some(2.5));
    let Verify::StandardWebhooks(webhook) = &config.accounts["partner"].webhook.as_ref().unwrap().verify else {
        panic!("partner follows standard webhooks")
    };
    assert_eq!(webhook.secrets.len(), 2);
}

#[test]
fn an_empty_variable_counts_as_absent() {
    let place = Place::with_file("[log]\nlevel = 'warn'")
        .file(".env", "GATELEDGER__LOG__FORMAT=json\n")
        .variable("GATELEDGER__LOG__LEVEL", "")
        .variable("GATELEDGER__LOG__FORMAT", "");
    let config = place.load().unwrap();
    assert_eq!(config.log.level, "warn");
    assert_eq!(config.log.format, service::config::Format::Json);
}

#[test]
fn the_default_file_may_be_absent_and_a_demanded_one_may_not() {
    let place = Place::new().demanding("other.toml");
    assert_eq!(
        place.refusal(),
        format!("there is no configuration file {}", place.path().join("other.toml").display())
    );
    let place = Place::with_file("[log]\nlevel = 'warn'").file("other.toml", "").demanding("other.toml");
    assert_eq!(place.load().unwrap().log.level, "info");
}
