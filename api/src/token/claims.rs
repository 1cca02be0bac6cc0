//! What a token says about its bearer.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use service::config::Auth;

use super::invalid;
use crate::Role;
use crate::problem::{self, Problem};

/// What a checked token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Who.
    pub subject: String,
    /// The highest role; `None` where it names none that exists.
    pub role: Option<Role>,
    /// Whose; `None` where it says nothing about that.
    pub organization: Option<String>,
}

impl Claims {
    /// Reads the claims of a token whose signature is right.
    ///
    /// # Errors
    /// Problems with the status 401: its time is not now, it lacks what it must have, or it says it in no form that counts.
    pub(super) fn read(claims: Map<String, Value>, settings: &Auth, now: DateTime<Utc>) -> Result<Self, Problem> {
        let leeway = TimeDelta::from_std(settings.leeway).unwrap_or_default();
        let Some(expires_at) = moment(&claims, "exp")? else {
            return Err(invalid("the token does not say when it expires"));
        };
        if expires_at + leeway <= now {
            return Err(Problem::new(&problem::TOKEN_EXPIRED, "the token's time is over"));
        }
        if moment(&claims, "nbf")?.is_some_and(|begins_at| begins_at - leeway > now) {
            return Err(Problem::new(&problem::TOKEN_EXPIRED, "the token's time has not come"));
        }
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let Some(subject) = text("sub") else { return Err(invalid("the token names no subject")) };
        let names = settings.role_claims.iter().filter_map(|name| claims.get(name)).flat_map(|claim| match claim {
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            other => other.as_str().into_iter().collect::<Vec<_>>(),
        });
        Ok(Claims {
            subject: subject.to_owned(),
            role: names.filter_map(|name| name.parse().ok()).max(),
            organization: organization(&claims, &settings.organization_claim)?,
        })
    }
}

/// Whose the bearer is. Who names none reaches every organisation, so what is no name must not pass for none.
fn organization(claims: &Map<String, Value>, name: &str) -> Result<Option<String>, Problem> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(organization)) if !organization.trim().is_empty() => Ok(Some(organization.clone())),
        Some(_) => Err(invalid("the token's organisation is no text, or an empty one")),
    }
}

/// A number of seconds since 1970, perhaps with a fraction (RFC 7519, section 2).
fn moment(claims: &Map<String, Value>, name: &str) -> Result<Option<DateTime<Utc>>, Problem> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_i64().or_else(|| {
        let seconds = value.as_f64()?;
        // Whole seconds are exact enough, and the range makes the conversion exact.
        #[expect(clippy::cast_possible_truncation, reason = "within the range that is checked")]
        (seconds.abs() < 1e15).then_some(seconds.floor() as i64)
    });
    match seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0)) {
        // Far enough from the ends of time for leeways to be added.
        Some(moment) if moment.timestamp().abs() < 1_000_000_000_000 => Ok(Some(moment)),
        _ => Err(invalid("the token's times cannot be read")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn read(claims: Value) -> Result<Claims, &'static str> {
        let settings = Auth {
            secret: None,
            jwks_url: None,
            issuer: None,
            audience: None,
            leeway: Duration::from_secs(60),
            role_claims: vec!["role".to_owned(), "roles".to_owned()],
            organization_claim: "organization".to_owned(),
        };
        let now = DateTime::from_timestamp(1_000_000, 0).unwrap();
        let claims = claims.as_object().unwrap().clone();
        Claims::read(claims, &settings, now).map_err(|problem| problem.refusal().code)
    }

    #[test]
    fn the_highest_role_that_exists_counts() {
        let claims = read(json!({"sub": "a", "exp": 2e6, "role": "viewer", "roles": ["boss", "admin", "operator"]}));
        assert_eq!(claims.unwrap().role, Some(Role::Admin));
        assert_eq!(read(json!({"sub": "a", "exp": 2_000_000, "role": "boss"})).unwrap().role, None);
    }

    #[test]
    fn a_token_counts_within_its_time_and_the_leeway() {
        let at = |expires: i64, begins: i64| read(json!({"sub": "a", "exp": expires, "nbf": begins})).map(|_| ());
        assert_eq!(at(999_941, 0), Ok(()));
        assert_eq!(at(999_940, 0), Err("token_expired"));
        assert_eq!(at(2_000_000, 1_000_060), Ok(()));
        assert_eq!(at(2_000_000, 1_000_061), Err("token_expired"));
    }

    #[test]
    fn an_organisation_that_is_no_name_does_not_pass_for_none() {
        let of = |mut claims: Value, organization: Value| {
            claims["organization"] = organization;
            read(claims).map(|claims| claims.organization)
        };
        let claims = json!({"sub": "a", "exp": 2_000_000, "role": "super_admin"});
        assert_eq!(read(claims.clone()).unwrap().organization, None);
        assert_eq!(of(claims.clone(), json!("acme")), Ok(Some("acme".to_owned())));
        for wrong in
            [json!(null), json!(""), json!(" "), json!(5), json!(true), json!(["other"]), json!({"id": "other"})]
        {
            assert_eq!(of(claims.clone(), wrong.clone()), Err("token_invalid"), "{wrong}");
        }
    }

    #[test]
    fn expiry_and_subject_are_demanded_and_nonsense_is_no_time() {
        for claims in [
            json!({"sub": "a"}),
            json!({"exp": 2_000_000}),
            json!({"sub": "", "exp": 2_000_000}),
            json!({"sub": 7, "exp": 2_000_000}),
            json!({"sub": "a", "exp": "2000000"}),
            json!({"sub": "a", "exp": 1e300}),
            json!({"sub": "a", "exp": i64::MAX}),
            json!({"sub": "a", "exp": 2_000_000, "nbf": "now"}),
        ] {
            assert_eq!(read(claims.clone()), Err("token_invalid"), "{claims}");
        }
    }
}
