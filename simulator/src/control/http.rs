//! `/control` over HTTP: JSON in, JSON out, unknown fields refused by name.

mod books;
mod cliq;

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use futures::StreamExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Control, Error, StateQuery};
use crate::call::Call;
use crate::google::DEFAULT_ACCOUNT;
use crate::shared::Shared;

/// Largest control request in bytes; a tree of thousands of entries fits.
const BODY_BYTES: usize = 64 * 1024 * 1024;

/// Why a request was refused: status and text.
struct Refusal(u16, String);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match error {
            Error::Unknown { .. } => 404,
            Error::Invalid(_) => 400,
        };
        Self(status, error.to_string())
    }
}

pub(crate) async fn handle(shared: &Arc<Shared>, call: &Call, payload: web::Payload) -> HttpResponse {
    let control = Control::new(shared.clone());
    let answer = match collect(payload).await {
        Ok(body) => answer(control, call, &body).await,
        Err(refusal) => Err(refusal),
    };
    match answer {
        Ok(body) => HttpResponse::Ok().json(body),
        Err(Refusal(status, error)) => {
            let status = actix_web::http::StatusCode::from_u16(status).unwrap_or_default();
            HttpResponse::build(status).json(json!({"error": error}))
        }
    }
}

async fn collect(mut payload: web::Payload) -> Result<Vec<u8>, Refusal> {
    let mut body = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| Refusal(400, error.to_string()))?;
        if body.len() + chunk.len() > BODY_BYTES {
            return Err(Refusal(413, format!("the body is larger than {BODY_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Body of `POST /control/clock`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockChange {
    advance_seconds: u64,
}

async fn answer(control: Control, call: &Call, body: &[u8]) -> Result<Value, Refusal> {
    let segments: Vec<&str> = call.segments.iter().skip(1).map(String::as_str).collect();
    match (call.method.as_str(), segments.as_slice()) {
        ("GET", ["health"]) => Ok(json!({"status": "ok"})),
        ("GET", ["state"]) => state(control, call).await,
        ("GET", ["journal"]) => {
            let since =
                call.query.number("since", 0).ok_or_else(|| Refusal(400, "since is not a number".to_owned()))?;
            shown(&json!({"entries": control.journal(since as u64)}))
        }
        ("GET", ["counts"]) => shown(&control.counts()),
        ("GET", ["faults"]) => shown(&json!({"faults": control.faults()})),
        ("POST", ["faults"]) => Ok(json!({"id": control.add_fault(read(body)?)?})),
        ("DELETE", ["faults"]) => {
            control.clear_faults();
            Ok(json!({}))
        }
        ("DELETE", ["faults", id]) => {
            let id = id.parse().map_err(|_| Refusal(400, format!("fault id {id:?} is not a number")))?;
            control.remove_fault(id)?;
            Ok(json!({}))
        }
        ("POST", ["clock"]) => {
            let change: ClockChange = read(body)?;
            Ok(json!({"now": control.advance(Duration::from_secs(change.advance_seconds))}))
        }
        ("GET", ["knobs"]) => shown(&control.knobs()),
        ("POST", ["knobs"]) => shown(&control.set_knobs(read(body)?)?),
        ("GET", ["consents"]) => shown(&json!({"consents": control.consents()})),
        ("POST", ["consents", id]) => Ok(json!({"redirect": control.answer_consent(id, &read(body)?)?})),
        ("GET", ["ingest"]) => shown(&control.ingest()),
        ("DELETE", ["ingest"]) => {
            control.clear_ingest();
            Ok(json!({}))
        }
        ("GET", ["receiver", name]) => shown(&control.receiver(name)),
        ("DELETE", ["receiver"]) => {
            control.clear_receivers();
            Ok(json!({}))
        }
        ("GET", ["google", "service-account"]) => {
            let email = call.query.get("email").unwrap_or(DEFAULT_ACCOUNT).to_owned();
            blocking(move || control.service_account_named(&email)).await
        }
        ("DELETE", ["google", "service-account", email]) => {
            control.delete_service_account(email)?;
            Ok(json!({}))
        }
        ("POST", ["google", "rotate"]) => blocking(move || control.rotate_google_keys().map(|()| json!({}))).await,
        ("POST", ["webhooks"]) => shown(&control.set_webhooks(read(body)?)?.webhooks),
        (method, ["organizations", organization, rest @ ..]) => within(&control, method, organization, rest, body),
        (method, _) => Err(Refusal(404, format!("there is no {method} {}", call.path()))),
    }
}

/// Runs what may take seconds on a thread that may block.
async fn blocking(work: impl FnOnce() -> Result<Value, Error> + Send + 'static) -> Result<Value, Refusal> {
    Ok(web::block(work).await.map_err(|error| Refusal(500, error.to_string()))??)
}

async fn state(control: Control, call: &Call) -> Result<Value, Refusal> {
    let mut query = StateQuery::default();
    for (name, value) in call.query.pairs() {
        match name {
            "organization" => query.organization = Some(value.to_owned()),
            "md5" => query.md5 = value != "false",
            _ => return Err(Refusal(400, format!("unknown parameter `{name}`, expected `organization` or `md5`"))),
        }
    }
    let state = web::block(move || control.state(&query)).await.map_err(|error| Refusal(500, error.to_string()))?;
    shown(&state)
}

fn within(control: &Control, method: &str, organization: &str, rest: &[&str], body: &[u8]) -> Result<Value, Refusal> {
    match (method, rest) {
        ("POST", ["crm", module]) => Ok(json!({"id": control.create_record(organization, module, &read(body)?)?})),
        ("PATCH", ["crm", module, id]) => {
            control.change_record(organization, module, id, &read(body)?)?;
            Ok(json!({}))
        }
        ("DELETE", ["crm", module, id]) => {
            control.delete_record(organization, module, id)?;
            Ok(json!({}))
        }
        (_, ["cliq", rest @ ..]) => cliq::answer(control, method, organization, rest, body),
        (_, ["books", rest @ ..]) => books::answer(control, method, organization, rest, body),
        ("POST", ["channels", "expire"]) => {
            control.expire_channels(organization)?;
            Ok(json!({}))
        }
        ("POST", ["workdrive", "tree"]) => shown(&control.change_tree(organization, &read(body)?)?),
        ("POST", ["grants", "revoke"]) => {
            control.revoke_grants(organization, &read(body)?)?;
            Ok(json!({}))
        }
        ("POST", ["grants", "renew"]) => {
            control.renew_grants(organization, &read(body)?)?;
            Ok(json!({}))
        }
        ("POST", ["grants", "expire"]) => {
            control.expire_access_tokens(organization)?;
            Ok(json!({}))
        }
        _ => Err(Refusal(404, format!("there is no {method} {} of an organization", rest.join("/")))),
    }
}

/// Reads the body; an empty one counts as `{}`.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Refusal(400, error.to_string()))
}

fn shown(value: &impl serde::Serialize) -> Result<Value, Refusal> {
    serde_json::to_value(value).map_err(|error| Refusal(500, error.to_string()))
}
