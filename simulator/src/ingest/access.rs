//! Who may post: the platform refuses before the service sees a request (google.md section 6.1).

use super::problem::Problem;
use crate::call::Call;
use crate::google::{self, Rejected};
use crate::knobs::{IngestAuth, IngestKnobs};
use crate::shared::Shared;

pub(super) fn check(shared: &Shared, call: &Call) -> Result<(), Problem> {
    let knobs = shared.world().knobs.ingest.clone();
    if knobs.auth == IngestAuth::None {
        return Ok(());
    }
    let header = call.header("x-serverless-authorization").or_else(|| call.header("authorization"));
    let token = header.and_then(|header| header.strip_prefix("Bearer ")).map(str::trim);
    let token = token.ok_or(Problem::Unauthenticated)?;
    match knobs.auth {
        IngestAuth::Bearer if token == knobs.bearer_token => Ok(()),
        IngestAuth::Bearer => Err(Problem::TokenRejected("the bearer token is another one")),
        _ => id_token(shared, &knobs, token),
    }
}

fn id_token(shared: &Shared, knobs: &IngestKnobs, token: &str) -> Result<(), Problem> {
    let own = shared.base.as_str();
    let audiences: Vec<&str> = knobs.audiences.iter().map(String::as_str).chain([own]).collect();
    let identity =
        google::verify(&shared.google, token, &audiences, shared.clock.now_ms()).map_err(
            |rejected| match rejected {
                Rejected::Signature => Problem::TokenRejected("the ID token is not one that Google signed"),
                Rejected::Issuer => Problem::TokenRejected("the ID token was issued by somebody else"),
                Rejected::Audience => Problem::TokenRejected("the ID token is for another audience"),
                Rejected::Time => Problem::TokenRejected("the ID token has expired"),
            },
        )?;
    let Some(invokers) = &knobs.invokers else { return Ok(()) };
    match identity.email.is_some_and(|email| invokers.contains(&email)) {
        true => Ok(()),
        false => Err(Problem::NotInvoker),
    }
}
