//! Bearer tokens (JWT, RFC 7519): checking them, and issuing those that are signed with the local secret.
//!
//! What a token may be signed with is fixed by the keys that are configured, never by the token: HS256 counts with the
//! local secret only, RS256 and EdDSA with a key of that type from `auth.jwks_url` only.

mod claims;
mod issue;
mod keys;
mod ring_provider;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use secrecy::ExposeSecret as _;
use service::clock::SharedClock;
use service::config::{Auth, Config, SecretError, SecretString};

use crate::problem::{self, Problem};

pub use claims::Claims;
pub use issue::{Wish, issue};
use keys::Keys;

/// Bytes that a secret for HS256 has at least (RFC 7518, section 3.2: as many as the hash).
pub const SHORTEST_SECRET: usize = 32;

/// Why tokens cannot be checked or issued. A person must correct the settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The secret cannot be had.
    #[error("auth.secret")]
    Secret(#[from] SecretError),
    /// The secret is too short to be one.
    #[error(
        "auth.secret holds {bytes} bytes and needs at least {SHORTEST_SECRET}; make one with `openssl rand -base64 32`"
    )]
    ShortSecret {
        /// How long it is.
        bytes: usize,
    },
    /// There is no secret to sign with.
    #[error("there is no secret to sign tokens with; set GATELEDGER_AUTH_SECRET or auth.secret to at least 32 bytes")]
    NoSecret,
    /// The client for `auth.jwks_url` cannot be made.
    #[error("auth.jwks_url cannot be asked")]
    Http(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The library refused to sign.
    #[error("the token cannot be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// Checks tokens.
#[derive(Debug)]
pub struct Authenticator {
    settings: Auth,
    secret: Option<DecodingKey>,
    keys: Option<Keys>,
    clock: SharedClock,
}

impl Authenticator {
    /// Reads the secret; asks `auth.jwks_url` nothing yet.
    ///
    /// # Errors
    /// [`Error::Secret`], [`Error::ShortSecret`], [`Error::Http`].
    pub fn open(config: &Config, clock: SharedClock) -> Result<Self, Error> {
        ring_provider::install();
        let settings = config.auth.clone();
        let secret = secret_of(config)?.map(|secret| DecodingKey::from_secret(secret.expose_secret().as_bytes()));
        let keys = match &settings.jwks_url {
            Some(url) => Some(Keys::new(url.clone(), clock.clone()).map_err(Error::Http)?),
            None => None,
        };
        if keys.is_some() && settings.audience.is_none() {
            tracing::warn!(
                "auth.jwks_url is set and auth.audience is not: tokens of the same issuer for no one in particular count here"
            );
        }
        Ok(Authenticator { settings, secret, keys, clock })
    }

    /// What a token says, once it is certain who says it.
    ///
    /// # Errors
    /// Problems with the status 401, or 503 where the keys are missing.
    pub async fn check(&self, token: &str) -> Result<Claims, Problem> {
        self.must_be_configured()?;
        let header = decode_header(token).map_err(|error| refused(&error))?;
        if header.crit.is_some() {
            // RFC 7515, section 4.1.11: extensions that must be understood, and none of them is.
            return Err(invalid("the token demands extensions"));
        }
        let (algorithm, key) = self.key_for(&header).await?;
        let mut validation = Validation::new(algorithm);
        // Times are compared below, by a clock that is an argument.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        if let Some(issuer) = &self.settings.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        if let Some(audience) = &self.settings.audience {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        let token = decode(token, &key, &validation).map_err(|error| refused(&error))?;
        Claims::read(token.claims, &self.settings, self.clock.now())
    }

    /// Goes on when there is a key that tokens can be checked with.
    ///
    /// # Errors
    /// A problem with the status 503 that names the settings.
    pub(crate) fn must_be_configured(&self) -> Result<(), Problem> {
        if self.secret.is_some() || self.keys.is_some() {
            return Ok(());
        }
        let detail = "set auth.secret (or GATELEDGER_AUTH_SECRET) or auth.jwks_url, and start again";
        Err(Problem::new(&problem::AUTH_NOT_CONFIGURED, detail))
    }

    /// The key that a token with this header must be signed with.
    async fn key_for(&self, header: &Header) -> Result<(Algorithm, DecodingKey), Problem> {
        match (header.alg, &self.secret, &self.keys) {
            (Algorithm::HS256, Some(secret), _) => Ok((Algorithm::HS256, secret.clone())),
            (algorithm @ (Algorithm::RS256 | Algorithm::EdDSA), _, Some(keys)) => {
                Ok((algorithm, keys.find(algorithm, header.kid.as_deref()).await?))
            }
            _ => Err(invalid("the token is not signed in a way that counts here")),
        }
    }
}

/// The secret of the settings.
pub(crate) fn secret_of(config: &Config) -> Result<Option<SecretString>, Error> {
    let Some(reference) = &config.auth.secret else { return Ok(None) };
    let secret = config.resolve(reference)?;
    let bytes = secret.expose_secret().len();
    if bytes < SHORTEST_SECRET { Err(Error::ShortSecret { bytes }) } else { Ok(Some(secret)) }
}

fn invalid(detail: &str) -> Problem {
    Problem::new(&problem::TOKEN_INVALID, detail)
}

/// Says what is wrong with a token without repeating any of it.
fn refused(error: &jsonwebtoken::errors::Error) -> Problem {
    invalid(match error.kind() {
        ErrorKind::InvalidSignature => "the token's signature is not right",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            "the token is not signed in a way that counts here"
        }
        ErrorKind::InvalidIssuer => "the token was issued by somebody else than auth.issuer",
        ErrorKind::InvalidAudience => "the token is for somebody else than auth.audience",
        ErrorKind::MissingRequiredClaim(claim) if claim == "iss" => "the token does not say who issued it",
        ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => "the token does not say for whom it is",
        _ => "the token cannot be read",
    })
}
