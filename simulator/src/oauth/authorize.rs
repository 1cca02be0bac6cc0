//! `GET /oauth/v2/auth`: the consent page (zoho.md section 1.2).

use std::fmt::Write;

use super::consent::{self, Decision, Pending};
use crate::answer::Answer;
use crate::call::{Call, Query};
use crate::clock::Millis;
use crate::knobs::Consent;
use crate::world::World;

/// Answers like the person the knobs describe, or shows the page and waits.
pub(crate) fn authorize(world: &mut World, call: &Call, base: &str, now: Millis) -> Answer {
    let pending = match asked(world, &call.query) {
        Ok(pending) => pending,
        Err(refusal) => return refusal,
    };
    let knobs = &world.knobs.oauth;
    let user = knobs.consent_user.clone();
    match knobs.consent {
        Consent::Approve => {
            let kept = |scope: &&String| !knobs.consent_without.contains(scope);
            let scopes = pending.scopes.iter().filter(kept).cloned().collect();
            Answer::redirect(&consent::conclude(world, &pending, Decision::Approved { scopes, user }, base, now))
        }
        Consent::Deny => Answer::redirect(&consent::conclude(world, &pending, Decision::Denied, base, now)),
        Consent::Ask => {
            let id = world.random.opaque_id();
            let page = page(&id, &pending);
            world.consents.insert(id, pending);
            Answer::text(200, "text/html;charset=utf-8", &page)
        }
    }
}

/// `POST /oauth/v2/auth/{id}`: the form of the page, with `decision` and one `scope` for every box that is ticked.
pub(crate) fn decide(world: &mut World, id: &str, form: &Query, base: &str, now: Millis) -> Answer {
    let Some(pending) = world.consents.remove(id) else { return Answer::html(400, "Invalid Request") };
    let scopes = form.pairs().filter(|(name, _)| *name == "scope").map(|(_, scope)| scope.to_owned()).collect();
    let decision = match form.get("decision") {
        Some("approve") => Decision::Approved { scopes, user: world.knobs.oauth.consent_user.clone() },
        _ => Decision::Denied,
    };
    Answer::redirect(&consent::conclude(world, &pending, decision, base, now))
}

/// What the query asks for. What is wrong with it is told to the person and never to the redirect address.
fn asked(world: &World, query: &Query) -> Result<Pending, Answer> {
    let place = world.organizations.iter().enumerate().find_map(|(organization, each)| {
        let client = each.clients.iter().position(|client| Some(&*client.id) == query.get("client_id"))?;
        Some((organization, client))
    });
    let (Some((organization, client)), Some(redirect_uri)) = (place, query.get("redirect_uri")) else {
        return Err(Answer::html(400, "Invalid Client"));
    };
    let holder = &world.organizations[organization].clients[client];
    let registered = holder.redirect_uris.is_empty() || holder.redirect_uris.iter().any(|uri| uri == redirect_uri);
    if !registered || query.get("response_type") != Some("code") {
        return Err(Answer::html(400, "Invalid Redirect Uri"));
    }
    let scopes = match query.get("scope") {
        Some(scope) => scope.split([',', ' ']).filter(|part| !part.is_empty()).map(str::to_owned).collect(),
        None => holder.default_scopes.to_vec(),
    };
    Ok(Pending {
        organization,
        client,
        redirect_uri: redirect_uri.to_owned(),
        state: query.get("state").map(str::to_owned),
        scopes,
        offline: query.get("access_type") == Some("offline"),
        prompted: query.get("prompt") == Some("consent"),
    })
}

fn page(id: &str, pending: &Pending) -> String {
    let mut page = format!("<html><body><h1>Allow access?</h1><form method=\"post\" action=\"auth/{id}\">");
    for scope in &pending.scopes {
        let scope = scope.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        let _ =
            write!(page, "<label><input type=\"checkbox\" name=\"scope\" value=\"{scope}\" checked>{scope}</label>");
    }
    page.push_str("<button name=\"decision\" value=\"approve\">Accept</button>");
    page.push_str("<button name=\"decision\" value=\"deny\">Reject</button></form></body></html>");
    page
}
