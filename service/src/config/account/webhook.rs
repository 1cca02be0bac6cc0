//! `[accounts.NAME.webhook]`: how deliveries are verified.

use std::time::Duration;

use super::super::http::BODY_LIMITS;
use super::super::secret::SecretRef;
use super::super::section::Section;
use super::super::value::Misfit;
use super::{Provider, SignedContent};

/// `[accounts.NAME.webhook]`.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Key `verify`: `zoho-crm`, `zoho-books`, `zoho-cliq`, `hmac` or `standard-webhooks`. Required.
    pub verify: Verify,
    /// Key `account`: whose Books or Cliq the deliveries tell of, for `zoho-books` and `zoho-cliq`; an account of the same
    /// organisation. Default: this account, where its Books is followed or it can read Cliq itself; required otherwise.
    pub account: Option<String>,
    /// Key `content`: `json` when the sender promises JSON, so that other bodies are flagged, else `any`. Default `json`.
    pub content: Content,
    /// Key `body_limit_bytes`: largest accepted body, 1 KiB to 64 MiB. Default: as `http.body_limit_bytes`.
    pub body_limit_bytes: usize,
}

/// What the body of a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// JSON is promised.
    Json,
    /// Anything.
    Any,
}

/// How a delivery proves where it comes from.
#[derive(Debug, Clone)]
pub enum Verify {
    /// The channel id and token of a registration, echoed in the body.
    ZohoCrm {
        /// A channel that was registered by hand, accepted beside our own registrations.
        channel: Option<Channel>,
    },
    /// A MAC over the parameters and the body.
    ZohoBooks {
        /// Key `secret`, or `secrets` while one replaces another: 12 to 50 letters and digits. At least one.
        secrets: Vec<SecretRef>,
    },
    /// A signature of a Cliq bot.
    ZohoCliq {
        /// Key `public_key`: the PEM of an RSA key of 2048 to 4096 bits. Required.
        public_key: SecretRef,
    },
    /// A MAC in a header.
    Hmac(Hmac),
    /// Standard Webhooks.
    StandardWebhooks(StandardWebhooks),
}

impl Verify {
    /// The name in the configuration.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::ZohoCrm { .. } => "zoho-crm",
            Self::ZohoBooks { .. } => "zoho-books",
            Self::ZohoCliq { .. } => "zoho-cliq",
            Self::Hmac(_) => "hmac",
            Self::StandardWebhooks(_) => "standard-webhooks",
        }
    }
}

/// A Zoho CRM channel that was registered by hand.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Key `channel_id`.
    pub channel_id: String,
    /// Key `token`.
    pub token: SecretRef,
}

/// The options of `verify = "hmac"`.
#[derive(Debug, Clone)]
pub struct Hmac {
    /// Key `secret`, or `secrets` while one replaces another: any of them verifies. At least one.
    pub secrets: Vec<SecretRef>,
    /// Key `algorithm`: `sha1`, `sha256` or `sha512`. Default `sha256`.
    pub algorithm: Algorithm,
    /// Key `header`: where the signature stands. Required.
    pub header: String,
    /// Key `prefix`: what stands before the signature, such as `sha256=`. Default empty.
    pub prefix: String,
    /// Key `encoding`: `hex` or `base64`. Default `hex`.
    pub encoding: Encoding,
    /// Key `signed_content`: what the signature covers, from `{timestamp}`, `{delivery_id}` and `{body}`. Default `{body}`.
    pub signed_content: SignedContent,
    /// Key `delivery_id_header`: where the sender names its deliveries. Without it nothing tells a repeated attempt from a
    /// new delivery, so every attempt is recorded as a delivery of its own.
    pub delivery_id_header: Option<String>,
    /// Key `timestamp_header` and its options. Without it, old deliveries are accepted; unless `signed_content` covers it,
    /// it only guards against honest delays.
    pub timestamp: Option<Timestamp>,
}

/// A header that tells when a delivery was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp {
    /// Key `timestamp_header`.
    pub header: String,
    /// Key `timestamp_format`: `unix` (seconds) or `rfc3339`. Default `unix`.
    pub format: TimestampFormat,
    /// Key `tolerance_seconds`: accepted difference to our clock, both ways, 1 to 86,400. Default 300. Long lets captured
    /// deliveries be sent again, short refuses senders whose clock is off.
    pub tolerance: Duration,
}

/// The options of `verify = "standard-webhooks"`.
#[derive(Debug, Clone)]
pub struct StandardWebhooks {
    /// Key `secret`, or `secrets` while one replaces another: `whsec_` and base64. At least one.
    pub secrets: Vec<SecretRef>,
    /// Key `tolerance_seconds`: as [`Timestamp::tolerance`].
    pub tolerance: Duration,
}

/// Hash under the MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How the signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal digits.
    Hex,
    /// Base64.
    Base64,
}

/// How the timestamp is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampFormat {
    /// Seconds since 1970.
    Unix,
    /// As in RFC 3339.
    Rfc3339,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    ZohoCrm,
    ZohoBooks,
    ZohoCliq,
    Hmac,
    StandardWebhooks,
}

const SCHEMES: [(&str, Scheme); 5] = [
    ("zoho-crm", Scheme::ZohoCrm),
    ("zoho-books", Scheme::ZohoBooks),
    ("zoho-cliq", Scheme::ZohoCliq),
    ("hmac", Scheme::Hmac),
    ("standard-webhooks", Scheme::StandardWebhooks),
];

/// Schemes that are planned and not built.
const UNSUPPORTED: [&str; 3] = ["microsoft-graph", "google-drive", "autodesk"];

const CHANNEL_KEYS: [&str; 2] = ["channel_id", "token"];
const PUBLIC_KEYS: [&str; 1] = ["public_key"];
const SECRET_KEYS: [&str; 2] = ["secret", "secrets"];
const TOLERANCE_KEYS: [&str; 1] = ["tolerance_seconds"];
const HMAC_KEYS: [&str; 8] = [
    "algorithm",
    "header",
    "prefix",
    "encoding",
    "signed_content",
    "delivery_id_header",
    "timestamp_header",
    "timestamp_format",
];

impl Scheme {
    fn as_str(self) -> &'static str {
        SCHEMES.iter().find(|(_, scheme)| *scheme == self).map_or("", |(word, _)| word)
    }
}

impl Webhook {
    /// `None` when the section is not there, or does not say how to verify.
    pub(in super::super) fn read(
        mut section: Section<'_>,
        provider: Provider,
        body_limit_bytes: usize,
    ) -> Option<Self> {
        if section.is_empty() {
            return None;
        }
        section.require("verify", "write zoho-crm, zoho-books, zoho-cliq, hmac or standard-webhooks");
        let scheme = section.choice_but("verify", &SCHEMES, &UNSUPPORTED);
        let content = section.choice("content", &[("json", Content::Json), ("any", Content::Any)]);
        let limit = section.count("body_limit_bytes", body_limit_bytes, BODY_LIMITS);
        let Some(scheme) = scheme else {
            // What the other keys mean is unknown, so nothing is said about them.
            return None;
        };
        let verify = Verify::read(&mut section, scheme, provider);
        if !matches!(scheme, Scheme::ZohoBooks | Scheme::ZohoCliq) {
            section.does_not_apply(&["account"], &format!("verify = \"{}\"", scheme.as_str()));
        }
        let account = section.optional("account");
        section.finish();
        Some(Self { verify: verify?, account, content: content.unwrap_or(Content::Json), body_limit_bytes: limit })
    }

    /// Every secret with its key below the account.
    pub(super) fn secrets(&self) -> Vec<(&'static str, &SecretRef)> {
        let named = |secrets: &'_ [SecretRef]| -> &'static str {
            if secrets.len() == 1 { "webhook.secret" } else { "webhook.secrets" }
        };
        match &self.verify {
            Verify::ZohoCrm { channel } => channel.iter().map(|channel| ("webhook.token", &channel.token)).collect(),
            Verify::ZohoCliq { public_key } => vec![("webhook.public_key", public_key)],
            Verify::ZohoBooks { secrets }
            | Verify::Hmac(Hmac { secrets, .. })
            | Verify::StandardWebhooks(StandardWebhooks { secrets, .. }) => {
                secrets.iter().map(|secret| (named(secrets), secret)).collect()
            }
        }
    }
}

impl Verify {
    fn read(section: &mut Section<'_>, scheme: Scheme, provider: Provider) -> Option<Self> {
        let applying: &[&[&str]] = match scheme {
            Scheme::ZohoCrm => &[&CHANNEL_KEYS],
            Scheme::ZohoBooks => &[&SECRET_KEYS],
            Scheme::ZohoCliq => &[&PUBLIC_KEYS],
            Scheme::Hmac => &[&HMAC_KEYS, &SECRET_KEYS, &TOLERANCE_KEYS],
            Scheme::StandardWebhooks => &[&SECRET_KEYS, &TOLERANCE_KEYS],
        };
        let beside = format!("verify = \"{}\"", scheme.as_str());
        for keys in [&HMAC_KEYS[..], &SECRET_KEYS, &TOLERANCE_KEYS, &CHANNEL_KEYS, &PUBLIC_KEYS] {
            if !applying.contains(&keys) {
                section.does_not_apply(keys, &beside);
            }
        }
        match scheme {
            Scheme::ZohoCrm => {
                if provider != Provider::Zoho {
                    section.wrong("verify", "= \"zoho-crm\" needs an account with provider = \"zoho\"", None);
                }
                Some(Self::ZohoCrm { channel: channel(section) })
            }
            Scheme::ZohoBooks => secrets(section).map(|secrets| Self::ZohoBooks { secrets }),
            Scheme::ZohoCliq => {
                section.require(
                    "public_key",
                    "write the bot's key as Cliq's developer console shows it, best as \"file:path\"",
                );
                section.secret("public_key").map(|public_key| Self::ZohoCliq { public_key })
            }
            Scheme::Hmac => hmac(section).map(Self::Hmac),
            Scheme::StandardWebhooks => {
                let tolerance = tolerance(section);
                secrets(section).map(|secrets| Self::StandardWebhooks(StandardWebhooks { secrets, tolerance }))
            }
        }
    }
}

fn channel(section: &mut Section<'_>) -> Option<Channel> {
    if section.has("channel_id") != section.has("token") {
        let missing = if section.has("token") { "channel_id" } else { "token" };
        section.wrong(missing, "is missing; a channel registered by hand has both channel_id and token", None);
    }
    let channel_id = section.optional("channel_id");
    let token = section.secret("token");
    channel_id.zip(token).map(|(channel_id, token)| Channel { channel_id, token })
}

fn hmac(section: &mut Section<'_>) -> Option<Hmac> {
    section.require("header", "name the header that holds the signature");
    let header = header(section, "header");
    let secrets = secrets(section);
    let algorithms = [("sha1", Algorithm::Sha1), ("sha256", Algorithm::Sha256), ("sha512", Algorithm::Sha512)];
    let algorithm = section.choice("algorithm", &algorithms).unwrap_or(Algorithm::Sha256);
    let encoding = section.choice("encoding", &[("hex", Encoding::Hex), ("base64", Encoding::Base64)]);
    let prefix = section.read("prefix", "a text in quotes", |leaf| Ok(leaf.raw.text()?.to_owned()));
    let signed_content = section.read("signed_content", "a template such as \"{timestamp}.{body}\"", |leaf| {
        SignedContent::parse(leaf.raw.text()?).map_err(|why| Misfit::Rule(why.to_owned()))
    });
    let signed_content = signed_content.unwrap_or_else(SignedContent::body);
    let delivery_id_header = header_of_part(section, "delivery_id_header", &signed_content, &super::Part::DeliveryId);
    let timestamp_header = header_of_part(section, "timestamp_header", &signed_content, &super::Part::Timestamp);
    let timestamp = timestamp(section, timestamp_header);
    Some(Hmac {
        secrets: secrets?,
        algorithm,
        header: header?,
        prefix: prefix.unwrap_or_default(),
        encoding: encoding.unwrap_or(Encoding::Hex),
        signed_content,
        delivery_id_header,
        timestamp,
    })
}

fn timestamp(section: &mut Section<'_>, header: Option<String>) -> Option<Timestamp> {
    let Some(header) = header else {
        section.does_not_apply(&["timestamp_format", "tolerance_seconds"], "no `timestamp_header`");
        return None;
    };
    let formats = [("unix", TimestampFormat::Unix), ("rfc3339", TimestampFormat::Rfc3339)];
    let format = section.choice("timestamp_format", &formats).unwrap_or(TimestampFormat::Unix);
    Some(Timestamp { header, format, tolerance: tolerance(section) })
}

fn tolerance(section: &mut Section<'_>) -> Duration {
    section.seconds("tolerance_seconds", 300, 1..=86_400)
}

/// `secret` or `secrets`, at least one.
fn secrets(section: &mut Section<'_>) -> Option<Vec<SecretRef>> {
    match (section.has("secret"), section.has("secrets")) {
        (true, true) => section.wrong("secret", "cannot stand beside `secrets`; remove one", None),
        (false, false) => section.wrong("secret", "is missing; write the sender's secret, best as \"env:NAME\"", None),
        _ => {}
    }
    let one = section.secret("secret").map(|secret| vec![secret]);
    let many = section.secrets("secrets");
    if many.as_ref().is_some_and(Vec::is_empty) {
        section.wrong("secrets", "is empty; write at least one", None);
    }
    one.or(many).filter(|secrets| !secrets.is_empty())
}

fn header_of_part(
    section: &mut Section<'_>,
    key: &'static str,
    signed_content: &SignedContent,
    part: &super::Part,
) -> Option<String> {
    if signed_content.parts().contains(part) {
        section.require(key, "signed_content needs it");
    }
    header(section, key)
}

/// Names of headers do not differ by case, so that they are kept in lower case.
fn header(section: &mut Section<'_>, key: &'static str) -> Option<String> {
    section.read(key, "the name of a header, in quotes", |leaf| {
        let name = leaf.raw.text()?.trim();
        let token = |one: char| one.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(one);
        if !name.is_empty() && name.chars().all(token) {
            return Ok(name.to_ascii_lowercase());
        }
        Err(Misfit::Rule("is no name of a header".to_owned()))
    })
}
