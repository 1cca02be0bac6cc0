//! Making access tokens under the accounts server's limits (zoho.md section 1.8).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Grant, LiveToken};
use crate::clock::Millis;
use crate::random::Random;
use crate::world::World;

/// A token with more life left than this is fresh: refreshing it wastes one of ten.
const FRESH_MS: Millis = 600_000;

/// A grant that should give an access token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) organization: usize,
    pub(super) client: usize,
    pub(super) grant: usize,
}

/// The window has given all the tokens it has.
#[derive(Debug)]
pub(super) struct Throttled;

/// Makes an access token of a grant, or refuses because the window is used up. A refused call counts too:
/// retries extend the lock (section 0, row 1).
pub(super) fn issue(world: &mut World, place: Place, now: Millis) -> Result<Arc<str>, Throttled> {
    let knobs = &world.knobs.oauth;
    let window_ms = i64::from(knobs.window_seconds) * 1000;
    let (allowed, live, life_ms) = (
        knobs.tokens_per_window as usize,
        knobs.live_access_tokens as usize,
        i64::from(knobs.access_token_seconds) * 1000,
    );
    note_fresh(world, place, now);
    let token: Arc<str> = world.random.token().into();
    let grant = grant_mut(world, place);
    while grant.issued_at.front().is_some_and(|at| *at <= now - window_ms) {
        grant.issued_at.pop_front();
    }
    if grant.issued_at.len() >= allowed {
        grant.issued_at.pop_front();
        grant.issued_at.push_back(now);
        let again = std::mem::replace(&mut grant.locked, true);
        if again {
            world.journal.misdeed("refreshed_while_throttled", || "the window was known to be used up".to_owned());
        }
        return Err(Throttled);
    }
    grant.locked = false;
    grant.issued_at.push_back(now);
    grant.access_tokens.push_back(token.clone());
    let evicted = if grant.access_tokens.len() > live { grant.access_tokens.pop_front() } else { None };
    let scopes = grant.scopes.clone();
    if let Some(evicted) = evicted {
        world.tokens.remove(&evicted);
    }
    let live = LiveToken { organization: place.organization, scopes, issued_ms: now, expires_ms: now + life_ms };
    world.tokens.insert(token.clone(), live);
    Ok(token)
}

fn grant_mut(world: &mut World, place: Place) -> &mut Grant {
    &mut world.organizations[place.organization].clients[place.client].grants[place.grant]
}

fn note_fresh(world: &mut World, place: Place, now: Millis) {
    let newest = grant_mut(world, place).access_tokens.back().cloned();
    let Some(live) = newest.and_then(|token| world.tokens.get(&token)) else { return };
    let left_ms = live.expires_ms - now;
    let whole_ms = live.expires_ms - live.issued_ms;
    if left_ms > FRESH_MS && whole_ms > 2 * FRESH_MS {
        let organization = world.organizations[place.organization].name.clone();
        world.journal.misdeed("refreshed_while_valid_token_fresh", || {
            format!("{organization}: the newest token still had {} s", left_ms / 1000)
        });
    }
}

/// The success body of the token endpoint (section 1.3).
pub(super) fn success_body(world: &World, base: &str, access_token: &str, refresh_token: Option<&str>) -> Value {
    let mut body: Map<String, Value> = Map::new();
    body.insert("access_token".to_owned(), access_token.into());
    if let Some(refresh_token) = refresh_token {
        body.insert("refresh_token".to_owned(), refresh_token.into());
    }
    if let Some(live) = world.tokens.get(access_token) {
        body.insert("scope".to_owned(), live.scopes.join(" ").into());
    }
    body.insert("api_domain".to_owned(), format!("{base}/api").into());
    body.insert("token_type".to_owned(), "Bearer".into());
    body.insert("expires_in".to_owned(), json!(world.knobs.oauth.access_token_seconds));
    Value::Object(body)
}

/// A fresh refresh token.
pub(super) fn refresh_token(random: &mut Random) -> String {
    random.token()
}
