//! `POST /token`: an assertion signed by a service account becomes an ID token or an access token (google.md
//! sections 1.2 to 1.4).

use serde_json::{Value, json};

use super::account::token_uri;
use super::jwt::Parts;
use super::{ServiceAccount, error, id_token};
use crate::answer::Answer;
use crate::call::Query;
use crate::clock::system_ms;
use crate::shared::Shared;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Google's own libraries put this into `aud` whatever address they post to.
const PRODUCTION_URI: &str = "https://oauth2.googleapis.com/token";

pub(super) fn token(shared: &Shared, form: &Query) -> Answer {
    match try_token(shared, form) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn try_token(shared: &Shared, form: &Query) -> Result<Answer, Answer> {
    if form.get("grant_type") != Some(JWT_BEARER) {
        return Err(error(400, "unsupported_grant_type", "Invalid grant_type."));
    }
    let assertion = form.get("assertion").and_then(Parts::read);
    let assertion = assertion.ok_or_else(|| error(400, "invalid_grant", "Invalid JWT Signature."))?;
    let issuer = assertion.claims["iss"].as_str().unwrap_or_default();
    let account = shared.google.known_account(issuer);
    let account = account.ok_or_else(|| error(400, "invalid_grant", "Invalid grant: account not found"))?;
    if !assertion.is_signed_by(&account.key) {
        return Err(error(400, "invalid_grant", "Invalid JWT Signature."));
    }
    check_audience(shared, &assertion.claims)?;
    check_time(shared, &assertion.claims)?;
    grant(shared, &assertion.claims, &account)
}

fn check_audience(shared: &Shared, claims: &Value) -> Result<(), Answer> {
    let own = token_uri(&shared.base);
    match claims["aud"].as_str() {
        Some(named) if named == own || named == PRODUCTION_URI => Ok(()),
        _ => Err(error(400, "invalid_grant", "Invalid JWT: Failed audience check.")),
    }
}

/// The assertion must be about now and short-lived, give or take the skew.
fn check_time(shared: &Shared, claims: &Value) -> Result<(), Answer> {
    let knobs = shared.world().knobs.google.clone();
    let now = system_ms().div_euclid(1000) + knobs.clock_offset_seconds;
    let skew = i64::from(knobs.clock_skew_seconds);
    let (Some(issued), Some(expires)) = (claims["iat"].as_i64(), claims["exp"].as_i64()) else {
        return Err(error(400, "invalid_grant", "Invalid JWT: iat and exp are required."));
    };
    let is_short = expires > issued && expires - issued <= i64::from(knobs.assertion_seconds) + skew;
    let is_now = issued <= now + skew && expires > now - skew;
    if is_short && is_now {
        return Ok(());
    }
    let description = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. \
                       Check your iat and exp values in the JWT claim.";
    Err(error(400, "invalid_grant", description))
}

/// `target_audience` asks for an ID token, `scope` for an access token; with neither there is nothing to give.
fn grant(shared: &Shared, claims: &Value, account: &ServiceAccount) -> Result<Answer, Answer> {
    let given = |name: &str| claims[name].as_str().filter(|text| !text.is_empty());
    if let (Some(audience), None) = (given("target_audience"), given("scope")) {
        let key = shared.google.keys().pop().ok_or_else(|| super::failed(500))?;
        let life = (shared.clock.now_ms(), shared.world().knobs.google.id_token_seconds);
        let token = id_token::issue(&key, &account.email, audience, true, life);
        return Ok(Answer::json(200, &json!({"id_token": token})));
    }
    if given("scope").is_none() || given("target_audience").is_some() {
        return Err(error(400, "invalid_scope", "Invalid OAuth scope or ID token audience provided."));
    }
    let token = format!("ya29.{}", shared.world().random.token());
    Ok(Answer::json(200, &json!({"access_token": token, "expires_in": 3599, "token_type": "Bearer"})))
}
