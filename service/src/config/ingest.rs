//! `[ingest.NAME]`: services that messages are posted to in batches.

use std::time::Duration;

use url::Url;

use super::secret::SecretRef;
use super::section::Section;
use super::transport;

/// `[ingest.NAME]`.
#[derive(Debug, Clone)]
pub struct Ingest {
    /// NAME: accounts name it.
    pub name: String,
    /// Key `url`: where batches are posted to. Required. `https`, or `http` to this machine or with `auth = "none"`.
    pub url: Url,
    /// Key `auth`: how we show who we are; `google-id-token`, `bearer` or `none`. Default `google-id-token`.
    pub auth: IngestAuth,
    /// Key `batch_lines`: lines of a batch at most, 1 to 10,000. Default 200. Few cost a request each for little; many are
    /// sent again as a whole when an answer is lost.
    pub batch_lines: usize,
    /// Key `batch_bytes`: length of a batch at most, 1,024 to 16,777,216 bytes. Default 524,288. A message that is longer by
    /// itself is a batch of its own. What the receiver finds too large is split.
    pub batch_bytes: usize,
    /// Key `max_attempts`: failed attempts after which the receiver counts as away, 1 to 100. Default 10. A batch waits for it
    /// for a day before it is given up. Waiting for the receiver's limit, or for one that cannot be reached, is no attempt.
    pub max_attempts: u32,
    /// Key `retry_base_ms`: pause after the first failed attempt, doubled after each further one, 1 to 600,000. Default 1000.
    pub retry_base: Duration,
    /// Key `timeout_seconds`: from start to end of one request, 1 to 3,600. Default 60. Shorter than the receiver takes, and
    /// every batch is sent again although it was taken.
    pub timeout: Duration,
    /// Key `concurrency`: batches under way at a time, of different mappings, 1 to 64. Default 2.
    pub concurrency: u32,
}

/// How we show a receiver who we are.
#[derive(Debug, Clone)]
pub enum IngestAuth {
    /// By an identity token of Google.
    GoogleIdToken(GoogleIdToken),
    /// By a fixed key. Key `token`. Required.
    Bearer {
        /// The key.
        token: SecretRef,
    },
    /// Not at all.
    None,
}

/// Whose identity token is shown, and for whom it is.
#[derive(Debug, Clone)]
pub struct GoogleIdToken {
    /// Key `service_account`: the JSON of a service account's key. Absent: the machine's own account, of which its metadata
    /// server gives tokens.
    pub service_account: Option<SecretRef>,
    /// Key `audience`: whom the token is for. Default: the `url` without its path, as Cloud Run wants it.
    pub audience: String,
    /// Key `endpoints.token`: where the service account asks for tokens, instead of where its key says; `https`, or `http`
    /// to this machine.
    pub token_url: Option<Url>,
    /// Key `endpoints.metadata`: the metadata server, instead of Google's, which is plain http within the machine's host.
    pub metadata_url: Option<Url>,
}

/// The ways of showing who we are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    GoogleIdToken,
    Bearer,
    None,
}

const WORDS: [(&str, Word); 3] =
    [("google-id-token", Word::GoogleIdToken), ("bearer", Word::Bearer), ("none", Word::None)];

/// Keys that mean something only to Google.
const GOOGLE_KEYS: [&str; 3] = ["service_account", "audience", "endpoints"];

impl Ingest {
    /// `None` when a key is missing or wrong that nothing stands for; it is reported.
    pub(super) fn read(name: &str, mut section: Section<'_>) -> Option<Self> {
        section.require("url", "give the address that batches are posted to");
        let url: Option<Url> = section.optional("url");
        let auth = IngestAuth::read(&mut section, url.as_ref());
        let shows_a_key = matches!(auth, Some(IngestAuth::GoogleIdToken(_) | IngestAuth::Bearer { .. }));
        if shows_a_key && url.as_ref().is_some_and(transport::is_open) {
            let what = "is http, and anybody on the way could read the key and act for us; use https";
            section.wrong("url", what, None);
        }
        let batch_lines = section.count("batch_lines", 200, 1..=10_000);
        let batch_bytes = section.count("batch_bytes", 524_288, 1024..=16_777_216);
        let max_attempts = small(&mut section, "max_attempts", 10, 100);
        let retry_base = Duration::from_millis(section.within("retry_base_ms", 1..=600_000).unwrap_or(1000));
        let timeout = section.seconds("timeout_seconds", 60, 1..=3600);
        let concurrency = small(&mut section, "concurrency", 2, 64);
        section.finish();
        let (url, auth) = url.zip(auth)?;
        let name = name.to_owned();
        Some(Self { name, url, auth, batch_lines, batch_bytes, max_attempts, retry_base, timeout, concurrency })
    }

    /// Every secret of the receiver with the key that refers to it.
    pub fn secrets(&self) -> Vec<(String, &SecretRef)> {
        let found = match &self.auth {
            IngestAuth::GoogleIdToken(google) => google.service_account.as_ref().map(|key| ("service_account", key)),
            IngestAuth::Bearer { token } => Some(("token", token)),
            IngestAuth::None => None,
        };
        found.into_iter().map(|(key, secret)| (format!("ingest.{}.{key}", self.name), secret)).collect()
    }
}

impl IngestAuth {
    fn read(section: &mut Section<'_>, url: Option<&Url>) -> Option<Self> {
        let is_stated = section.has("auth");
        match section.choice("auth", &WORDS) {
            Some(Word::GoogleIdToken) => Some(google(section, url)),
            None if !is_stated => Some(google(section, url)),
            Some(Word::Bearer) => {
                section.does_not_apply(&GOOGLE_KEYS, "auth = \"bearer\"");
                section.require("token", "give the key that the receiver expects, best as \"env:NAME\"");
                section.secret("token").map(|token| Self::Bearer { token })
            }
            Some(Word::None) => {
                section.does_not_apply(&GOOGLE_KEYS, "auth = \"none\"");
                section.does_not_apply(&["token"], "auth = \"none\"");
                Some(Self::None)
            }
            // Only the word is reported, not the keys that belong to the one that was meant.
            None => {
                section.secret("token");
                google_token(section, url);
                None
            }
        }
    }
}

fn google(section: &mut Section<'_>, url: Option<&Url>) -> IngestAuth {
    section.does_not_apply(&["token"], "auth = \"google-id-token\"");
    IngestAuth::GoogleIdToken(google_token(section, url))
}

fn google_token(section: &mut Section<'_>, url: Option<&Url>) -> GoogleIdToken {
    let service_account = section.secret("service_account");
    let audience = section.optional("audience");
    let audience = audience.or_else(|| url.map(|url| url.origin().ascii_serialization())).unwrap_or_default();
    let mut endpoints = section.section("endpoints");
    let danger = "anybody on the way could read what proves who we are";
    let token_url = transport::address(&mut endpoints, "token", danger);
    let metadata_url = endpoints.optional("metadata");
    endpoints.finish();
    GoogleIdToken { service_account, audience, token_url, metadata_url }
}

/// A whole number from 1 to a limit that fits.
fn small(section: &mut Section<'_>, key: &'static str, default: u32, most: u32) -> u32 {
    section.within(key, 1..=most.into()).and_then(|number| u32::try_from(number).ok()).unwrap_or(default)
}
