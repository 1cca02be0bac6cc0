//! The end of a consent: the browser goes back with a code, or with the news that there is none (zoho.md section
//! 1.2).

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Code, accounts_server, location};
use crate::clock::Millis;
use crate::world::World;

/// A consent page somebody is looking at.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) organization: usize,
    pub(crate) client: usize,
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
    pub(crate) scopes: Vec<String>,
    /// `access_type=offline`: a refresh token is wanted.
    pub(crate) offline: bool,
    /// `prompt=consent`: a refresh token also at a later consent.
    pub(crate) prompted: bool,
}

/// What the person says.
#[derive(Debug, Clone)]
pub(crate) enum Decision {
    Approved { scopes: Vec<String>, user: String },
    Denied,
}

/// Where the browser is sent. The first consent of a user gives a refresh token, later ones only with
/// `prompt=consent`, and only `access_type=offline` gives one at all.
pub(crate) fn conclude(world: &mut World, pending: &Pending, decision: Decision, base: &str, now: Millis) -> String {
    let mut target = pending.redirect_uri.clone();
    let add = |target: &mut String, name: &str, value: &str| {
        target.push(if target.contains('?') { '&' } else { '?' });
        target.push_str(&format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
    };
    let Decision::Approved { scopes, user } = decision else {
        add(&mut target, "error", "access_denied");
        pending.state.iter().for_each(|state| add(&mut target, "state", state));
        return target;
    };
    let code = world.random.token();
    target.push_str(if target.contains('?') { "&code=" } else { "?code=" });
    target.push_str(&code);
    pending.state.iter().for_each(|state| add(&mut target, "state", state));
    let organization = &world.organizations[pending.organization];
    add(&mut target, "location", location(&organization.region));
    add(&mut target, "accounts-server", &accounts_server(world, base, &organization.region));
    let mut grants = organization.clients[pending.client].grants.iter();
    let first = !grants.any(|grant| grant.offline && !grant.revoked && grant.user == user);
    let issued = Code {
        organization: pending.organization,
        client: pending.client,
        scopes: scopes.into(),
        user,
        redirect_uri: pending.redirect_uri.clone(),
        with_refresh_token: pending.offline && (first || pending.prompted),
        expires_ms: now + i64::from(world.knobs.oauth.code_seconds) * 1000,
    };
    world.codes.insert(code, issued);
    target
}
