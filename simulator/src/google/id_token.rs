//! ID tokens: what Google signs and what a receiver checks (google.md sections 1.4 and 6.1).

use serde_json::{Value, json};

use super::account::unique_id;
use super::jwt::{self, Parts};
use super::{Google, Key};
use crate::clock::Millis;

const ISSUER: &str = "https://accounts.google.com";

/// Who an ID token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Absent in tokens of the metadata server without `format=full`.
    pub(crate) email: Option<String>,
    pub(crate) audience: String,
}

/// Why an ID token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// Not a token, another algorithm, an unknown key or a signature that does not fit.
    Signature,
    /// Issued by somebody else.
    Issuer,
    /// For somebody else.
    Audience,
    /// Its time is up, or has not begun.
    Time,
}

/// A token for `audience`, good from `now` on.
pub(super) fn issue(key: &Key, email: &str, audience: &str, with_email: bool, (now, seconds): (Millis, u32)) -> String {
    let issued = now.div_euclid(1000);
    let subject = unique_id(email);
    let mut claims: Value = json!({
        "iss": ISSUER, "aud": audience, "azp": subject, "sub": subject, "iat": issued,
        "exp": issued + i64::from(seconds),
    });
    if with_email {
        claims["azp"] = email.into();
        claims["email"] = email.into();
        claims["email_verified"] = true.into();
    }
    jwt::sign(key, &claims)
}

/// Checks a token as a receiver does that is known under `audiences`.
pub(crate) fn verify(google: &Google, token: &str, audiences: &[&str], now: Millis) -> Result<Identity, Rejected> {
    let parts = Parts::read(token).ok_or(Rejected::Signature)?;
    let keys = google.keys();
    let key = keys.iter().find(|key| parts.header["kid"] == *key.id).ok_or(Rejected::Signature)?;
    if !parts.is_signed_by(key) {
        return Err(Rejected::Signature);
    }
    let claims = &parts.claims;
    if claims["iss"] != ISSUER {
        return Err(Rejected::Issuer);
    }
    let audience = claims["aud"].as_str().filter(|named| audiences.contains(named)).ok_or(Rejected::Audience)?;
    let seconds = now.div_euclid(1000);
    if claims["exp"].as_i64().is_none_or(|exp| exp <= seconds) {
        return Err(Rejected::Time);
    }
    Ok(Identity { email: claims["email"].as_str().map(str::to_owned), audience: audience.to_owned() })
}
