//! `POST /oauth/v2/token` and `/oauth/v2/token/revoke`, errors under status 200 included (zoho.md section 1.9).

use std::sync::Arc;

use serde_json::json;

use super::issue::{Place, Throttled, issue, refresh_token, success_body};
use super::{Grant, serves};
use crate::answer::Answer;
use crate::call::{Call, Query};
use crate::clock::Millis;
use crate::world::World;

/// How a token request ended, for the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    InvalidCode,
    InvalidClient,
    InvalidClientSecret,
    InvalidRedirectUri,
    Throttled,
    GeneralError,
}

impl Refusal {
    fn code(self) -> &'static str {
        match self {
            Self::InvalidCode => "invalid_code",
            Self::InvalidClient => "invalid_client",
            Self::InvalidClientSecret => "invalid_client_secret",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::Throttled => "throttled",
            Self::GeneralError => "general_error",
        }
    }
}

/// Gives an access token for a refresh token or an authorisation code.
pub(crate) fn token(world: &mut World, call: &Call, form: &Query, base: &str, now: Millis) -> Answer {
    let client = form.get("client_id").and_then(|id| find_client(world, id));
    let client = client.filter(|(organization, _)| serves(world, call, *organization));
    let organization: Arc<str> = match client {
        Some((organization, _)) => world.organizations[organization].name.clone(),
        None => "unknown".into(),
    };
    let outcome = match client {
        Some(place) => grant_token(world, form, place, base, now),
        None => Err(Refusal::InvalidClient),
    };
    let label = outcome.as_ref().map_or_else(|refusal| refusal.code(), |_| "issued");
    world.journal.token_request(organization, label);
    match outcome {
        Ok(body) => Answer::json(200, &body),
        Err(Refusal::Throttled) => throttled(world.knobs.oauth.throttle_status),
        Err(refusal) => Answer::json(200, &json!({"error": refusal.code()})),
    }
}

/// The throttle answer: three keys that nothing else has.
pub(crate) fn throttled(status: u16) -> Answer {
    Answer::json(
        status,
        &json!({
            "error": "Access Denied",
            "error_description": "You have made too many requests continuously. Please try again after some time.",
            "status": "failure",
        }),
    )
}

fn grant_token(
    world: &mut World,
    form: &Query,
    (organization, client): (usize, usize),
    base: &str,
    now: Millis,
) -> Result<serde_json::Value, Refusal> {
    if form.get("client_secret") != Some(world.organizations[organization].clients[client].secret.as_str()) {
        return Err(Refusal::InvalidClientSecret);
    }
    match form.get("grant_type") {
        Some("refresh_token") => {
            let grant = find_grant(world, organization, client, form.get("refresh_token"))?;
            let token =
                issue(world, Place { organization, client, grant }, now).map_err(|Throttled| Refusal::Throttled)?;
            Ok(success_body(world, base, &token, None))
        }
        Some("authorization_code") => exchange(world, form, (organization, client), base, now),
        _ => Err(Refusal::GeneralError),
    }
}

fn find_client(world: &World, id: &str) -> Option<(usize, usize)> {
    world.organizations.iter().enumerate().find_map(|(organization, each)| {
        let client = each.clients.iter().position(|client| &*client.id == id)?;
        Some((organization, client))
    })
}

fn find_grant(world: &World, organization: usize, client: usize, token: Option<&str>) -> Result<usize, Refusal> {
    let grants = &world.organizations[organization].clients[client].grants;
    let found =
        grants.iter().position(|grant| Some(grant.refresh_token.as_str()) == token && grant.offline && !grant.revoked);
    found.ok_or(Refusal::InvalidCode)
}

fn exchange(
    world: &mut World,
    form: &Query,
    (organization, client): (usize, usize),
    base: &str,
    now: Millis,
) -> Result<serde_json::Value, Refusal> {
    let code = form.get("code").and_then(|code| world.codes.remove(code)).ok_or(Refusal::InvalidCode)?;
    if (code.organization, code.client) != (organization, client) || code.expires_ms <= now {
        return Err(Refusal::InvalidCode);
    }
    if form.get("redirect_uri") != Some(code.redirect_uri.as_str()) {
        return Err(Refusal::InvalidRedirectUri);
    }
    let new_token = refresh_token(&mut world.random);
    if code.with_refresh_token {
        take_refresh_token(world, (organization, client), now)?;
    }
    let holder = &mut world.organizations[organization].clients[client];
    let user = code.user.clone();
    holder.grants.push(Grant { user, offline: code.with_refresh_token, ..Grant::new(new_token.clone(), code.scopes) });
    evict(world, (organization, client), &code.user);
    let grant = world.organizations[organization].clients[client].grants.len() - 1;
    let token = issue(world, Place { organization, client, grant }, now).map_err(|Throttled| Refusal::Throttled)?;
    let shown = code.with_refresh_token.then_some(new_token.as_str());
    Ok(success_body(world, base, &token, shown))
}

/// Counts a refresh token against the minute (section 1.8).
fn take_refresh_token(world: &mut World, (organization, client): (usize, usize), now: Millis) -> Result<(), Refusal> {
    let most = world.knobs.oauth.refresh_tokens_per_minute as usize;
    let holder = &mut world.organizations[organization].clients[client];
    while holder.refresh_tokens_at.front().is_some_and(|at| *at <= now - 60_000) {
        holder.refresh_tokens_at.pop_front();
    }
    if holder.refresh_tokens_at.len() >= most {
        return Err(Refusal::Throttled);
    }
    holder.refresh_tokens_at.push_back(now);
    Ok(())
}

/// Deletes the oldest refresh token of a user and client beyond the limit, with all that came of it: nobody is told
/// (section 6, number 4).
fn evict(world: &mut World, (organization, client): (usize, usize), user: &str) {
    let most = world.knobs.oauth.refresh_tokens_per_client as usize;
    let grants = &mut world.organizations[organization].clients[client].grants;
    let own = |grant: &Grant| grant.offline && !grant.revoked && grant.user == user;
    if grants.iter().filter(|grant| own(grant)).count() <= most {
        return;
    }
    let Some(oldest) = grants.iter().position(own) else { return };
    let evicted = grants.remove(oldest);
    forget_access_tokens(world, evicted.access_tokens);
}

fn forget_access_tokens(world: &mut World, tokens: impl IntoIterator<Item = Arc<str>>) {
    for token in tokens {
        world.tokens.remove(&token);
    }
}

/// `POST /oauth/v2/token/revoke?token=…` (section 1.6).
pub(crate) fn revoke(world: &mut World, form: &Query) -> Answer {
    let wanted = form.get("token");
    let grants =
        world.organizations.iter_mut().flat_map(|each| &mut each.clients).flat_map(|client| &mut client.grants);
    let mut dead = Vec::new();
    for grant in grants.filter(|grant| Some(grant.refresh_token.as_str()) == wanted && !grant.revoked) {
        grant.revoked = true;
        dead.extend(grant.access_tokens.drain(..));
    }
    if dead.is_empty() && wanted.is_none() {
        return Answer::json(200, &json!({"error": "invalid_code"}));
    }
    forget_access_tokens(world, dead);
    Answer::json(200, &json!({"status": "success"}))
}
