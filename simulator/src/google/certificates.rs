//! `GET /oauth2/v3/certs`: the public keys. Clients keep them as long as `Cache-Control` says (Google's guide to
//! server-side ID token checks, developers.google.com/identity/gsi/web/guides/verify-google-id-token).

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::shared::Shared;

pub(super) fn certificates(shared: &Shared) -> Answer {
    let keys: Vec<Value> = shared.google.keys().iter().map(|key| key.jwk()).collect();
    Answer::json(200, &json!({"keys": keys})).header("cache-control", "public, max-age=3600, must-revalidate")
}
