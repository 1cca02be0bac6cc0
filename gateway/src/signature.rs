//! Whether a request really comes from the sender it claims, decided over the bytes exactly as received.
//!
//! Promises: keys are parsed once, at start; every comparison with a secret takes the same time whatever the request
//! holds, and looks at all candidates; nothing here waits or allocates per key. `zoho-crm` needs to know which channels
//! exist, so it is verified in two steps: [`zoho_crm::Notification::parse`], then [`zoho_crm::Notification::verify`].

pub mod hmac;
pub mod standard_webhooks;
pub mod zoho_books;
pub mod zoho_cliq;
pub mod zoho_crm;

mod base64;
mod identity;
mod key;
mod timestamp;

use actix_web::http::header::HeaderMap;
use chrono::{DateTime, Utc};

pub use self::timestamp::Tolerance;

/// A request as far as verification looks at it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The query string of the address as received, without its question mark; empty without one.
    pub query: &'a str,
    /// The body exactly as received.
    pub body: &'a [u8],
    /// When it reached us.
    pub now: DateTime<Utc>,
}

/// A request that was signed by somebody who has the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<'a> {
    /// The sender's own name for the delivery, the same however often it is sent.
    pub delivery_id: Option<&'a str>,
}

/// Why a request was not believed. The wire names are permanent: they are metric labels and stand in the store of
/// rejected requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The header that carries the signature is absent.
    #[error("the signature header is missing")]
    SignatureMissing,
    /// The signature header does not look as configured: wrong prefix, encoding or version.
    #[error("the signature header does not have the expected form")]
    SignatureMalformed,
    /// No secret gives that signature: wrong secret, or the body was changed on the way.
    #[error("the signature matches none of the secrets")]
    SignatureMismatch,
    /// The header that carries the time of sending is absent.
    #[error("the timestamp header is missing")]
    TimestampMissing,
    /// The time of sending cannot be read.
    #[error("the timestamp header cannot be read")]
    TimestampMalformed,
    /// Signed correctly, but too long ago: a replay, or one of the clocks is wrong.
    #[error("the signature is right but its timestamp is older than the tolerance")]
    TimestampTooOld,
    /// Signed correctly, but in the future: one of the clocks is wrong.
    #[error("the signature is right but its timestamp is further ahead than the tolerance")]
    TimestampInFuture,
    /// The header that names the delivery is absent, and the signature covers it.
    #[error("the delivery id header is missing")]
    DeliveryIdMissing,
    /// There are more parameters than such a sender has to tell: nothing was computed over them.
    #[error("the query and the form have more than 1,000 parameters")]
    ParametersMalformed,
    /// The body is not the JSON that carries the proof.
    #[error("the body is not the expected json")]
    BodyMalformed,
    /// No registration of this account has that channel.
    #[error("the channel is not one of this account's")]
    ChannelUnknown,
    /// The channel is known, the token is not its.
    #[error("the token is not the channel's")]
    TokenMismatch,
}

impl Refusal {
    /// All of them, in a fixed order.
    pub const ALL: [Refusal; 12] = [
        Refusal::SignatureMissing,
        Refusal::SignatureMalformed,
        Refusal::SignatureMismatch,
        Refusal::TimestampMissing,
        Refusal::TimestampMalformed,
        Refusal::TimestampTooOld,
        Refusal::TimestampInFuture,
        Refusal::DeliveryIdMissing,
        Refusal::ParametersMalformed,
        Refusal::BodyMalformed,
        Refusal::ChannelUnknown,
        Refusal::TokenMismatch,
    ];

    /// Its wire name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::SignatureMissing => "signature_missing",
            Refusal::SignatureMalformed => "signature_malformed",
            Refusal::SignatureMismatch => "signature_mismatch",
            Refusal::TimestampMissing => "timestamp_missing",
            Refusal::TimestampMalformed => "timestamp_malformed",
            Refusal::TimestampTooOld => "timestamp_too_old",
            Refusal::TimestampInFuture => "timestamp_in_future",
            Refusal::DeliveryIdMissing => "delivery_id_missing",
            Refusal::ParametersMalformed => "parameters_malformed",
            Refusal::BodyMalformed => "body_malformed",
            Refusal::ChannelUnknown => "channel_unknown",
            Refusal::TokenMismatch => "token_mismatch",
        }
    }
}

/// Why settings cannot become a verifier. Secrets are never part of the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSettings {
    /// There is nothing to compare with.
    #[error("no secret is configured")]
    NoSecret,
    /// An empty secret verifies nothing.
    #[error("secret {number} is empty")]
    EmptySecret {
        /// Its place in the list; the first is 1.
        number: usize,
    },
    /// A Standard Webhooks secret is base64, usually behind `whsec_`.
    #[error("secret {number} is not base64 (expected whsec_ followed by base64)")]
    SecretNotBase64 {
        /// Its place in the list; the first is 1.
        number: usize,
    },
    /// The name cannot be the name of a header.
    #[error("{0:?} is not a header name")]
    HeaderName(String),
    /// Books takes no such secret, so nothing could ever be signed with it.
    #[error(
        "secret {number} is not 12 to 50 letters and digits, as Zoho Books wants them; set one that is in the webhook's \
         settings there, and the same here"
    )]
    BooksSecret {
        /// Its place in the list; the first is 1.
        number: usize,
    },
    /// A public key that signatures of Cliq cannot be checked with.
    #[error("public_key {0}")]
    PublicKey(zoho_cliq::InvalidKey),
}

/// The text of a header that is present once or more; the first counts.
fn header<'a>(headers: &'a HeaderMap, name: &actix_web::http::header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}
