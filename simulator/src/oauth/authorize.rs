//! `GET /oauth/v2/auth`: the consent page, where the person always agrees (zoho.md section 1.2).

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Code, location};
use crate::answer::Answer;
use crate::call::Call;
use crate::clock::Millis;
use crate::world::World;

/// Sends the browser back with a code. The first consent gives a refresh token, later ones only with
/// `prompt=consent`, and only `access_type=offline` gives one at all.
pub(crate) fn authorize(world: &mut World, call: &Call, base: &str, now: Millis) -> Answer {
    let query = &call.query;
    let place = world.organizations.iter().enumerate().find_map(|(organization, each)| {
        let client = each.clients.iter().position(|client| Some(&*client.id) == query.get("client_id"))?;
        Some((organization, client))
    });
    let (Some((organization, client)), Some(redirect_uri)) = (place, query.get("redirect_uri")) else {
        return Answer::html(400, "Invalid Client");
    };
    let holder = &world.organizations[organization].clients[client];
    let registered = holder.redirect_uris.is_empty() || holder.redirect_uris.iter().any(|uri| uri == redirect_uri);
    if !registered || query.get("response_type") != Some("code") {
        return Answer::html(400, "Invalid Redirect Uri");
    }
    let scopes = match query.get("scope") {
        Some(scope) => scope.split([',', ' ']).filter(|part| !part.is_empty()).map(str::to_owned).collect(),
        None => holder.default_scopes.clone(),
    };
    let first = !holder.grants.iter().any(|grant| !grant.revoked);
    let with_refresh_token =
        query.get("access_type") == Some("offline") && (first || query.get("prompt") == Some("consent"));
    let code = world.random.token();
    let mut target = format!("{redirect_uri}{}code={code}", if redirect_uri.contains('?') { '&' } else { '?' });
    if let Some(state) = query.get("state") {
        target.push_str(&format!("&state={}", utf8_percent_encode(state, NON_ALPHANUMERIC)));
    }
    let accounts = format!("{base}/accounts");
    let region = location(&world.organizations[organization].region);
    target
        .push_str(&format!("&location={region}&accounts-server={}", utf8_percent_encode(&accounts, NON_ALPHANUMERIC)));
    let expires_ms = now + i64::from(world.knobs.oauth.code_seconds) * 1000;
    let redirect_uri = redirect_uri.to_owned();
    world.codes.insert(code, Code { organization, client, scopes, redirect_uri, with_refresh_token, expires_ms });
    Answer::redirect(&target)
}
