//! `[accounts.NAME]`: a provider account, how to reach it and how its webhooks are verified.

use std::time::Duration;

use url::Url;

use super::Http;
use super::secret::SecretRef;
use super::section::Section;
use super::transport;
use super::value::Misfit;

mod books;
mod cliq;
mod signed_content;
mod told;
mod webhook;

pub use books::Books;
pub use cliq::Cliq;
pub use signed_content::{Part, SignedContent};
pub(super) use told::settle;
pub use webhook::{
    Algorithm, Channel, Content, Encoding, Hmac, StandardWebhooks, Timestamp, TimestampFormat, Verify, Webhook,
};

/// `[accounts.NAME]`.
#[derive(Debug, Clone)]
pub struct Account {
    /// NAME: stands in the webhook's address, `/webhooks/NAME`.
    pub name: String,
    /// Key `provider`: `zoho` or `generic`. Required.
    pub provider: Provider,
    /// Key `organization`: who owns the account and all that follows from it. Default `default`.
    pub organization: String,
    /// Key `region`: the provider's data centre, for Zoho one of com, eu, in, au, jp, ca, sa, cn. Default `com`. With
    /// another region than the account's own, the provider does not know the client.
    pub region: String,
    /// The OAuth client and its grant; none for `generic`.
    pub credentials: Option<Credentials>,
    /// `[accounts.NAME.endpoints]`.
    pub endpoints: Endpoints,
    /// `[accounts.NAME.limits]`.
    pub limits: Limits,
    /// Key `consent_probe_seconds`: pause between looks whether a lost grant was renewed, 1 to 86,400. Default 60.
    pub consent_probe: Duration,
    /// `[accounts.NAME.cliq]`.
    pub cliq: Cliq,
    /// `[accounts.NAME.books]`; without it nothing of Books is followed.
    pub books: Option<Books>,
    /// `[accounts.NAME.webhook]`; without it nothing is accepted for the account.
    pub webhook: Option<Webhook>,
}

/// Whose API an account belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Zoho: CRM and WorkDrive.
    Zoho,
    /// Any sender of webhooks; nothing is ever asked of it.
    Generic,
}

impl Provider {
    /// The name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zoho => "zoho",
            Self::Generic => "generic",
        }
    }
}

/// The OAuth client of an account.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Key `client_id`. Required.
    pub client_id: SecretRef,
    /// Key `client_secret`. Required.
    pub client_secret: SecretRef,
    /// Key `refresh_token`. Without it the account waits for a grant.
    pub refresh_token: Option<SecretRef>,
}

/// `[accounts.NAME.endpoints]`: other addresses than the region's own, for proxies, tests and the simulator. `https`, or
/// `http` to this machine or with `allow_http`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Key `accounts`: the OAuth server.
    pub accounts: Option<Url>,
    /// Key `api`: CRM and Books.
    pub api: Option<Url>,
    /// Key `workdrive`: WorkDrive's metadata.
    pub workdrive: Option<Url>,
    /// Key `download`: WorkDrive's downloads.
    pub download: Option<Url>,
    /// Key `upload`: WorkDrive's uploads of large files.
    pub upload: Option<Url>,
    /// Key `cliq`: Cliq.
    pub cliq: Option<Url>,
    /// Key `allow_http`: whether the addresses may be `http` to another machine. Default false. Anybody on the way can read
    /// the tokens, and the client's secret.
    pub allow_http: bool,
}

/// `[accounts.NAME.limits]`: other limits than the provider client's own. Higher ones risk penalties of minutes, lower
/// ones only cost time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    /// Key `workdrive_metadata_per_second`: WorkDrive calls that move no bytes.
    pub workdrive_metadata_per_second: Option<f64>,
    /// Key `workdrive_listings_per_folder_per_minute`: listings of one and the same folder.
    pub workdrive_listings_per_folder_per_minute: Option<u32>,
    /// Key `token_refreshes_per_10_minutes`: access tokens asked for.
    pub token_refreshes_per_10_minutes: Option<u32>,
    /// Key `crm_per_second`: CRM calls.
    pub crm_per_second: Option<f64>,
    /// Key `crm_heavy_per_second`: CRM queries.
    pub crm_heavy_per_second: Option<f64>,
    /// Key `cliq_messages_per_minute`: reads of Cliq messages. One too many locks the person out for minutes.
    pub cliq_messages_per_minute: Option<u32>,
    /// Key `cliq_lists_per_minute`: lists of Cliq channels, threads and users.
    pub cliq_lists_per_minute: Option<u32>,
    /// Key `cliq_searches_per_minute`: searches of Cliq messages.
    pub cliq_searches_per_minute: Option<u32>,
    /// Key `cliq_lock_seconds`: how long a lock of Cliq is waited out, 1 to 86,400. Too short and every lock is met again.
    pub cliq_lock_seconds: Option<u32>,
    /// Key `books_per_minute`: Books calls of the whole organisation. A burst may block it for an hour.
    pub books_per_minute: Option<u32>,
}

/// Providers that are planned and not built.
const UNSUPPORTED: [&str; 3] = ["microsoft", "google", "autodesk"];

const REGIONS: [&str; 8] = ["com", "eu", "in", "au", "jp", "ca", "sa", "cn"];

impl Account {
    /// `ingests` are the names of the receivers of messages.
    pub(super) fn read(name: &str, mut section: Section<'_>, http: &Http, ingests: &[&str]) -> Self {
        section.require("provider", "write zoho or generic");
        let words = [("zoho", Provider::Zoho), ("generic", Provider::Generic)];
        let named = section.choice_but("provider", &words, &UNSUPPORTED);
        let provider = named.unwrap_or(Provider::Zoho);
        let organization = section.or("organization", "default".to_owned());
        let zoho = match provider {
            Provider::Zoho => Zoho::read(&mut section, named.is_some(), ingests),
            Provider::Generic => {
                section.does_not_apply(&ZOHO_KEYS, "provider = \"generic\"");
                Zoho::default()
            }
        };
        let inner = section.section("webhook");
        if provider == Provider::Generic && inner.is_empty() {
            section.wrong(
                "webhook",
                "is missing; a generic account only receives, so say how its webhooks are verified",
                None,
            );
        }
        let webhook = Webhook::read(inner, provider, http.body_limit_bytes);
        section.finish();
        Self {
            name: name.to_owned(),
            provider,
            organization,
            region: zoho.region,
            credentials: zoho.credentials,
            endpoints: zoho.endpoints,
            limits: zoho.limits,
            consent_probe: zoho.consent_probe,
            cliq: zoho.cliq,
            books: zoho.books,
            webhook,
        }
    }

    /// Every secret of the account with the key that refers to it.
    pub fn secrets(&self) -> Vec<(String, &SecretRef)> {
        let mut found: Vec<(&str, &SecretRef)> = Vec::new();
        if let Some(credentials) = &self.credentials {
            found.push(("client_id", &credentials.client_id));
            found.push(("client_secret", &credentials.client_secret));
            found.extend(credentials.refresh_token.as_ref().map(|token| ("refresh_token", token)));
        }
        if let Some(webhook) = &self.webhook {
            found.extend(webhook.secrets());
        }
        found.into_iter().map(|(key, secret)| (format!("accounts.{}.{key}", self.name), secret)).collect()
    }
}

/// Keys of an account whose provider has an API.
const ZOHO_KEYS: [&str; 9] = [
    "region",
    "client_id",
    "client_secret",
    "refresh_token",
    "endpoints",
    "limits",
    "consent_probe_seconds",
    "cliq",
    "books",
];

/// What an account of this provider has beyond the others.
#[derive(Default)]
struct Zoho {
    region: String,
    credentials: Option<Credentials>,
    endpoints: Endpoints,
    limits: Limits,
    consent_probe: Duration,
    cliq: Cliq,
    books: Option<Books>,
}

impl Zoho {
    /// With an unknown provider nothing is demanded, but its keys are read, so that only the provider is reported.
    fn read(section: &mut Section<'_>, demanding: bool, ingests: &[&str]) -> Self {
        if demanding {
            section.require("client_id", "take it from the provider's API console, best as \"env:NAME\"");
            section.require("client_secret", "take it from the provider's API console, best as \"env:NAME\"");
        }
        let client = section.secret("client_id").zip(section.secret("client_secret"));
        let refresh_token = section.secret("refresh_token");
        Self {
            region: region(section),
            credentials: client.map(|(client_id, client_secret)| Credentials {
                client_id,
                client_secret,
                refresh_token,
            }),
            endpoints: Endpoints::read(section.section("endpoints")),
            limits: Limits::read(section.section("limits")),
            consent_probe: section.seconds("consent_probe_seconds", 60, 1..=86_400),
            cliq: Cliq::read(section.section("cliq"), ingests),
            books: Books::read(section.section("books")),
        }
    }
}

fn region(section: &mut Section<'_>) -> String {
    let region = section.read("region", "a region in quotes", |leaf| {
        let region = leaf.raw.text()?.trim().to_lowercase();
        if REGIONS.contains(&region.as_str()) {
            return Ok(region);
        }
        Err(Misfit::Rule(format!("is no region; write one of {}", REGIONS.join(", "))))
    });
    region.unwrap_or_else(|| "com".to_owned())
}

impl Endpoints {
    fn read(mut section: Section<'_>) -> Self {
        let allow_http = section.or("allow_http", false);
        let mut address = |key| match allow_http {
            true => section.optional(key),
            false => transport::address(&mut section, key, "anybody on the way could read the tokens"),
        };
        let endpoints = Self {
            accounts: address("accounts"),
            api: address("api"),
            workdrive: address("workdrive"),
            download: address("download"),
            upload: address("upload"),
            cliq: address("cliq"),
            allow_http,
        };
        section.finish();
        endpoints
    }
}

impl Limits {
    fn read(mut section: Section<'_>) -> Self {
        let limits = Self {
            workdrive_metadata_per_second: section.rate("workdrive_metadata_per_second"),
            workdrive_listings_per_folder_per_minute: calls(&mut section, "workdrive_listings_per_folder_per_minute"),
            token_refreshes_per_10_minutes: calls(&mut section, "token_refreshes_per_10_minutes"),
            crm_per_second: section.rate("crm_per_second"),
            crm_heavy_per_second: section.rate("crm_heavy_per_second"),
            cliq_messages_per_minute: calls(&mut section, "cliq_messages_per_minute"),
            cliq_lists_per_minute: calls(&mut section, "cliq_lists_per_minute"),
            cliq_searches_per_minute: calls(&mut section, "cliq_searches_per_minute"),
            cliq_lock_seconds: number(&mut section, "cliq_lock_seconds", 86_400),
            books_per_minute: calls(&mut section, "books_per_minute"),
        };
        section.finish();
        limits
    }
}

fn calls(section: &mut Section<'_>, key: &'static str) -> Option<u32> {
    number(section, key, 100_000)
}

fn number(section: &mut Section<'_>, key: &'static str, largest: u32) -> Option<u32> {
    section.within(key, 1..=u64::from(largest)).and_then(|number| u32::try_from(number).ok())
}
