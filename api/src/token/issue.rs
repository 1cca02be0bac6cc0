//! Issues tokens that are signed with the local secret.

use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::{EncodingKey, Header, encode};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};
use service::config::Config;

use super::{Error, ring_provider, secret_of};
use crate::Role;

/// What a token is wanted to say.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Who will bear it.
    pub subject: String,
    /// What it entitles to.
    pub role: Role,
    /// Whose things are within reach; only a super admin may do without.
    pub organization: Option<String>,
    /// For how long.
    pub lifetime: Duration,
}

/// A token and the moment it ends.
///
/// It holds the issuer and the audience of the settings, so that it passes their checks.
///
/// # Errors
/// [`Error::NoSecret`], [`Error::Secret`], [`Error::ShortSecret`].
pub fn issue(config: &Config, wish: &Wish, now: DateTime<Utc>) -> Result<(String, DateTime<Utc>), Error> {
    ring_provider::install();
    let Some(secret) = secret_of(config)? else { return Err(Error::NoSecret) };
    let expires_at = now + wish.lifetime;
    let auth = &config.auth;
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), Value::from(wish.subject.as_str()));
    claims.insert("iat".to_owned(), Value::from(now.timestamp()));
    claims.insert("exp".to_owned(), Value::from(expires_at.timestamp()));
    let role_claim = auth.role_claims.first().map_or("role", String::as_str);
    claims.insert(role_claim.to_owned(), Value::from(wish.role.as_str()));
    let rest = [(auth.organization_claim.as_str(), &wish.organization), ("iss", &auth.issuer), ("aud", &auth.audience)];
    for (name, value) in rest {
        if let Some(value) = value {
            claims.insert(name.to_owned(), Value::from(value.as_str()));
        }
    }
    let key = EncodingKey::from_secret(secret.expose_secret().as_bytes());
    let token = encode(&Header::default(), &claims, &key).map_err(Error::Sign)?;
    Ok((token, expires_at))
}
