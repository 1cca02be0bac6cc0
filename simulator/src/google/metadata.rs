//! The metadata server, whose every answer carries `Metadata-Flavor: Google` and whose every caller has to send it
//! (google.md section 1.4; 403 and its wording agree over many public emulators and cloud.google.com's own page on
//! querying metadata). `format=full` adds the e-mail to the token (cloud.google.com, verifying VM identity).

use super::{DEFAULT_ACCOUNT, id_token};
use crate::answer::Answer;
use crate::call::Call;
use crate::shared::Shared;

const FLAVOR: &str = "Metadata-Flavor";

/// `GET …/default/identity?audience=…`: the bare token.
pub(super) fn identity(shared: &Shared, call: &Call) -> Answer {
    if let Err(refusal) = flavored(call) {
        return refusal;
    }
    let Some(audience) = call.query.get("audience").filter(|audience| !audience.is_empty()) else {
        return text(400, "non-empty audience parameter required");
    };
    let Some(key) = shared.google.keys().pop() else { return text(503, "no key yet") };
    let with_email = call.query.get("format") == Some("full");
    let life = (shared.clock.now_ms(), shared.world().knobs.google.id_token_seconds);
    text(200, &id_token::issue(&key, DEFAULT_ACCOUNT, audience, with_email, life))
}

/// `GET …/default/email`.
pub(super) fn email(call: &Call) -> Answer {
    match flavored(call) {
        Ok(()) => text(200, DEFAULT_ACCOUNT),
        Err(refusal) => refusal,
    }
}

fn flavored(call: &Call) -> Result<(), Answer> {
    match call.header(FLAVOR) {
        Some("Google") => Ok(()),
        _ => Err(text(403, "Missing Metadata-Flavor:Google header.")),
    }
}

fn text(status: u16, text: &str) -> Answer {
    Answer::text(status, "text/html", text).header("metadata-flavor", "Google")
}
