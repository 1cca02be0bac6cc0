//! `[auth]`: which tokens the API takes.

use std::time::Duration;

use url::Url;

use super::Environment;
use super::secret::SecretRef;
use super::section::Section;
use super::transport;

/// Variable that holds the secret when `[auth] secret` says nothing.
const VARIABLE: &str = "GATELEDGER_AUTH_SECRET";

/// `[auth]`.
#[derive(Debug, Clone)]
pub struct Auth {
    /// Key `secret`: what tokens are signed with by HS256, at least 32 bytes. Default: the variable
    /// `GATELEDGER_AUTH_SECRET` if it is set. Whoever has it can make tokens of every role.
    pub secret: Option<SecretRef>,
    /// Key `jwks_url`: where the public keys are that RS256 and EdDSA tokens are checked with; `https`, or `http` to this
    /// machine. Default: none, and then such tokens are refused.
    pub jwks_url: Option<Url>,
    /// Key `issuer`: what the claim `iss` must be. Default: not looked at.
    pub issuer: Option<String>,
    /// Key `audience`: what the claim `aud` must be or hold. Default: none, and then tokens for somebody named are refused.
    pub audience: Option<String>,
    /// Key `leeway_seconds`: how far the clocks of issuers may be off, 0 to 600. Default 60. Expired tokens count for so
    /// much longer.
    pub leeway: Duration,
    /// Key `role_claims`: the claims that name roles, each a text or a list. Default `role` and `roles`.
    pub role_claims: Vec<String>,
    /// Key `organization_claim`: the claim that names the organisation. Default `organization`.
    pub organization_claim: String,
}

impl Auth {
    pub(super) fn read(mut section: Section<'_>, environment: &Environment) -> Self {
        let from_variable = || environment.get(VARIABLE).map(|_| SecretRef::Environment(VARIABLE.to_owned()));
        let auth = Self {
            secret: section.secret("secret").or_else(from_variable),
            jwks_url: transport::address(&mut section, "jwks_url", "anybody on the way could put in keys of their own"),
            issuer: section.optional("issuer"),
            audience: section.optional("audience"),
            leeway: section.seconds("leeway_seconds", 60, 0..=600),
            role_claims: section.texts("role_claims").unwrap_or_else(|| vec!["role".to_owned(), "roles".to_owned()]),
            organization_claim: section.or("organization_claim", "organization".to_owned()),
        };
        section.finish();
        auth
    }
}
