//! The accounts server: tokens, codes, revocation, and whether a token opens a door (zoho.md section 1).

mod authorize;
mod consent;
mod issue;
mod scope;
mod token;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::answer::Answer;
use crate::call::Call;
use crate::clock::Millis;
use crate::seed::ClientSeed;
use crate::world::World;

pub(crate) use authorize::{authorize, decide};
pub(crate) use consent::{Decision, Pending, conclude};
pub(crate) use scope::allows;
pub(crate) use token::{revoke, throttled, token};

/// Who gave the grants of a seed, unless a knob says that somebody else sits in front of the consent page.
const DEFAULT_USER: &str = "owner";

/// An OAuth client with the grants people gave it.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: Arc<str>,
    pub(crate) secret: String,
    pub(crate) default_scopes: Arc<[String]>,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) grants: Vec<Grant>,
    /// Times of the refresh tokens handed out in the last minute.
    pub(crate) refresh_tokens_at: VecDeque<Millis>,
}

/// A refresh token and what came of it.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) refresh_token: String,
    /// The person who gave it.
    pub(crate) user: String,
    /// The refresh token was handed out; false for a grant that only gave an access token.
    pub(crate) offline: bool,
    pub(crate) scopes: Arc<[String]>,
    pub(crate) revoked: bool,
    /// Times of the access tokens made in the present window.
    pub(crate) issued_at: VecDeque<Millis>,
    /// The last call was refused because the window was used up.
    pub(crate) locked: bool,
    /// Live access tokens, oldest first.
    pub(crate) access_tokens: VecDeque<Arc<str>>,
}

/// An access token that works until `expires_ms`.
#[derive(Debug, Clone)]
pub(crate) struct LiveToken {
    pub(crate) organization: usize,
    pub(crate) scopes: Arc<[String]>,
    pub(crate) issued_ms: Millis,
    pub(crate) expires_ms: Millis,
}

/// An authorisation code waiting for its exchange.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) organization: usize,
    pub(crate) client: usize,
    pub(crate) scopes: Arc<[String]>,
    /// The person who agreed.
    pub(crate) user: String,
    pub(crate) redirect_uri: String,
    pub(crate) with_refresh_token: bool,
    pub(crate) expires_ms: Millis,
}

/// Who a valid access token speaks for.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) organization: usize,
    pub(crate) scopes: Arc<[String]>,
}

/// Why an access token does not open the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadToken {
    /// No `Authorization` header, or not in a form this product takes.
    Missing,
    /// Never issued, or its grant was revoked.
    Unknown,
    /// Its time is up.
    Expired,
}

impl Client {
    pub(crate) fn build(seed: &ClientSeed) -> Self {
        let scopes: Arc<[String]> = seed.scopes.clone().into();
        let grants = seed.refresh_token.iter().map(|token| Grant::new(token.clone(), scopes.clone())).collect();
        Self {
            id: seed.id.as_str().into(),
            secret: seed.secret.clone(),
            default_scopes: scopes,
            redirect_uris: seed.redirect_uris.clone(),
            grants,
            refresh_tokens_at: VecDeque::new(),
        }
    }
}

impl Grant {
    /// A grant of the default user.
    pub(crate) fn new(refresh_token: String, scopes: Arc<[String]>) -> Self {
        Self {
            refresh_token,
            user: DEFAULT_USER.to_owned(),
            offline: true,
            scopes,
            revoked: false,
            issued_at: VecDeque::new(),
            locked: false,
            access_tokens: VecDeque::new(),
        }
    }
}

/// The organisation a token was issued in, dead or alive; for faults and the journal.
pub(crate) fn organization_of(world: &World, token: Option<&str>) -> Option<usize> {
    world.tokens.get(token?).map(|live| live.organization)
}

/// Checks an access token.
pub(crate) fn caller(world: &World, token: Option<&str>, now: Millis) -> Result<Caller, BadToken> {
    let live = world.tokens.get(token.ok_or(BadToken::Missing)?).ok_or(BadToken::Unknown)?;
    if live.expires_ms <= now {
        return Err(BadToken::Expired);
    }
    Ok(Caller { organization: live.organization, scopes: live.scopes.clone() })
}

/// Ends an access token now; it answers as expired from here on.
pub(crate) fn expire(world: &mut World, token: &str, now: Millis) {
    if let Some(live) = world.tokens.get_mut(token) {
        live.expires_ms = live.expires_ms.min(now);
    }
}

/// `GET /oauth/serverinfo`: where each location's accounts server is (section 1.1).
pub(crate) fn server_info(world: &World, base: &str) -> Answer {
    let locations: serde_json::Map<String, serde_json::Value> = world
        .organizations
        .iter()
        .map(|each| (location(&each.region).to_owned(), accounts_server(world, base, &each.region).into()))
        .collect();
    Answer::json(200, &serde_json::json!({"result": "success", "locations": locations}))
}

/// The short name of a region in callbacks: `us` for `com`.
pub(crate) fn location(region: &str) -> &str {
    if region == "com" { "us" } else { region }
}

/// Address of the accounts server of a region.
pub(crate) fn accounts_server(world: &World, base: &str, region: &str) -> String {
    match location(region) {
        elsewhere if world.knobs.oauth.regional_hosts && elsewhere != "us" => format!("{base}/accounts-{elsewhere}"),
        _ => format!("{base}/accounts"),
    }
}

/// True when the accounts server that was called knows the clients of this organisation (section 1.1).
fn serves(world: &World, call: &Call, organization: usize) -> bool {
    let host = call.segments.first().map_or("", String::as_str);
    let called = host.strip_prefix("accounts-").unwrap_or("us");
    !world.knobs.oauth.regional_hosts || called == location(&world.organizations[organization].region)
}

/// The access token of a call, if the header has a form this product takes.
pub(crate) fn token_of(call: &Call, bearer_too: bool) -> Option<String> {
    let header = call.header("authorization")?;
    let token = match header.strip_prefix("Zoho-oauthtoken ") {
        Some(token) => token,
        None if bearer_too => header.strip_prefix("Bearer ")?,
        None => return None,
    };
    Some(token.trim().to_owned())
}
