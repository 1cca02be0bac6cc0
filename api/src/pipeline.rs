//! What happens to every request before and after its endpoint: name it, ask who it is, check the role, read the parts,
//! run, remember, answer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use actix_web::http::header;
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;
use uuid::Uuid;

use crate::endpoint::{Changes, Incoming, Outgoing};
use crate::endpoints::Entry;
use crate::problem::{self, Problem, REQUEST_ID};
use crate::{Api, Caller, Role, audit, input, oauth, openapi};

/// How long a call that only looks may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Characters of what a program calls itself that are kept.
const USER_AGENT_CHARACTERS: usize = 200;

/// Adds a resource for each address, and answers for everything else below `/api`.
pub(crate) fn configure(api: &Api, app: &mut web::ServiceConfig) {
    let mut by_path: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
    for (number, entry) in api.table().entries.iter().enumerate() {
        by_path.entry(entry.endpoint.path).or_default().push(number);
    }
    for (path, numbers) in by_path {
        let mut resource = web::resource(path);
        let mut allowed = Vec::new();
        for number in numbers {
            let method = api.table().entries[number].endpoint.method.clone();
            allowed.push(method.to_string());
            resource = resource.route(web::method(method).to(
                move |api: Data<Api>, request: HttpRequest, payload: Payload| async move {
                    serve(&api, number, request, payload).await
                },
            ));
        }
        let allowed = allowed.join(", ");
        app.service(resource.default_service(web::to(move |request: HttpRequest| {
            let answer = method_not_allowed(&request, &allowed);
            async move { answer }
        })));
    }
    app.service(
        web::resource("/openapi.json")
            .route(web::get().to(show_document))
            .default_service(web::to(|request: HttpRequest| async move { method_not_allowed(&request, "GET") })),
    );
    oauth::configure(app);
    app.service(web::scope("/api").default_service(web::to(nothing_there)));
}

async fn show_document(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    HttpResponse::Ok().insert_header((REQUEST_ID, request_id(&request).to_string())).json(openapi::of(api.table()))
}

async fn nothing_there(request: HttpRequest) -> HttpResponse {
    let detail = "there is nothing at this address; /openapi.json names those that exist";
    Problem::new(&problem::NOT_FOUND, detail).answer(request_id(&request))
}

pub(crate) fn method_not_allowed(request: &HttpRequest, allowed: &str) -> HttpResponse {
    let detail = format!("this address takes {allowed}");
    let mut answer = Problem::new(&problem::METHOD_NOT_ALLOWED, detail).answer(request_id(request));
    if let Ok(allowed) = header::HeaderValue::from_str(allowed) {
        answer.headers_mut().insert(header::ALLOW, allowed);
    }
    answer
}

/// The id that the sender gave, where it is a UUID; else a new one.
pub(crate) fn request_id(request: &HttpRequest) -> Uuid {
    let given = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
    given.and_then(|id| Uuid::try_parse(id).ok()).unwrap_or_else(Uuid::now_v7)
}

async fn serve(api: &Api, number: usize, request: HttpRequest, mut payload: Payload) -> HttpResponse {
    let entry = &api.table().entries[number];
    let request_id = request_id(&request);
    let started = Instant::now();
    let outcome = run(api, entry, &request, &mut payload, request_id).await;
    let status = match &outcome {
        Ok(outgoing) => outgoing.status,
        Err(problem) => problem.status(),
    };
    measure(entry, status, started.elapsed());
    match outcome {
        Ok(Outgoing { status, body }) => HttpResponse::build(status)
            .content_type("application/json")
            .insert_header((REQUEST_ID, request_id.to_string()))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(body),
        Err(problem) => {
            tell(entry, request_id, &problem);
            problem.answer(request_id)
        }
    }
}

async fn run(
    api: &Api,
    entry: &Entry,
    request: &HttpRequest,
    payload: &mut Payload,
    request_id: Uuid,
) -> Result<Outgoing, Problem> {
    let caller = authenticate(api, request, request_id, entry.endpoint.role).await?;
    let shapes = &api.table().shapes;
    let path = input::path(request, entry, shapes)?;
    let query = input::query(request, entry, shapes)?;
    let body = input::body(request, payload, entry, shapes, api.config().http.client_request_timeout).await?;
    let incoming = Incoming { api: api.clone(), caller: caller.clone(), path: path.clone(), query, body };
    let running = (entry.endpoint.run)(incoming);
    match entry.endpoint.changes {
        // What is about to change something is never cut off in the middle.
        Changes::Recorded => running.await,
        Changes::Audited => audited(api, entry, &caller, path, running.await).await,
        Changes::Nothing => tokio::time::timeout(PATIENCE, running).await.unwrap_or_else(|_| {
            Err(Problem::new(&problem::DATABASE_UNAVAILABLE, "the database did not answer in time"))
        }),
    }
}

async fn audited(
    api: &Api,
    entry: &Entry,
    caller: &Caller,
    path: Value,
    outcome: Result<Outgoing, Problem>,
) -> Result<Outgoing, Problem> {
    let (status, code) = match &outcome {
        Ok(outgoing) => (outgoing.status, None),
        // Refused before anything was done; 422 is for what was tried and could not be.
        Err(problem) if problem.status().is_client_error() && problem.status() != 422 => return outcome,
        Err(problem) => (problem.status(), Some(problem.refusal().code)),
    };
    let recorded = audit::record(api.log(), caller, &entry.endpoint, &path, status, code).await;
    match (outcome, recorded) {
        (Ok(_), Err(error)) => {
            let detail = "it was done, and could not be written to the audit trail";
            Err(Problem::new(&problem::AUDIT_UNAVAILABLE, detail).because(error))
        }
        (outcome, _) => outcome,
    }
}

/// Who sends a request, once it is certain, and that its role suffices.
pub(crate) async fn authenticate(
    api: &Api,
    request: &HttpRequest,
    request_id: Uuid,
    needed: Role,
) -> Result<Caller, Problem> {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|given| given.to_str().ok()).unwrap_or_default();
    let token = match given.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    };
    if token.is_empty() {
        api.authenticator().must_be_configured()?;
        let detail = "send Authorization: Bearer and a token; `gateledger token issue` prints one";
        return Err(Problem::new(&problem::TOKEN_MISSING, detail));
    }
    let claims = api.authenticator().check(token).await?;
    let Some(role) = claims.role.filter(|role| *role >= needed) else {
        return Err(Problem::role_insufficient(needed));
    };
    if claims.organization.is_none() && role < Role::SuperAdmin {
        return Err(Problem::new(&problem::ORGANIZATION_MISSING, "the token names no organisation"));
    }
    let user_agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    Ok(Caller {
        subject: claims.subject,
        role,
        organization: claims.organization,
        address: request.peer_addr().map(|address| address.ip().to_string()),
        request_id,
        user_agent: user_agent.map(|agent| agent.chars().take(USER_AGENT_CHARACTERS).collect()),
    })
}

fn measure(entry: &Entry, status: StatusCode, took: Duration) {
    let labels = [
        ("route", entry.endpoint.path.to_owned()),
        ("method", method_label(&entry.endpoint.method)),
        ("status", status.as_str().to_owned()),
    ];
    metrics::counter!("api_requests_total", &labels).increment(1);
    metrics::histogram!("api_request_duration_seconds", "route" => entry.endpoint.path).record(took.as_secs_f64());
}

fn method_label(method: &Method) -> String {
    method.as_str().to_owned()
}

fn tell(entry: &Entry, request_id: Uuid, problem: &Problem) {
    let (method, route, code) = (entry.endpoint.method.as_str(), entry.endpoint.path, problem.refusal().code);
    debug_assert!(
        entry.endpoint.all_refusals().iter().any(|known| known == problem.refusal()),
        "{method} {route} answers {code}, which its entry does not name"
    );
    match problem.cause() {
        Some(error) if problem.status().is_server_error() => {
            tracing::error!(%request_id, http.request.method = method, http.route = route, error, "an api request failed: {code}");
        }
        _ => {
            tracing::debug!(%request_id, http.request.method = method, http.route = route, "an api request was refused: {code}")
        }
    }
}
