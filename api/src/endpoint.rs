//! One endpoint: its address, the role it needs, the shapes it takes and gives, and the function behind it.
//!
//! The shapes are Rust types with a JSON schema. The same schema checks requests and stands in the document, so that
//! neither can say something else than the other.

use std::any::TypeId;
use std::future::Future;
use std::sync::Arc;

use actix_web::http::{Method, StatusCode};
use futures::future::LocalBoxFuture;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::problem::{self, Problem, Refusal};
use crate::{Api, Caller, Role};

/// No parameters, or no body.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// A request that may be served: whoever sends it has the role, and its parts have their shape.
#[derive(Debug)]
pub struct Call<P = Nothing, Q = Nothing, B = Nothing> {
    /// What the endpoint works with.
    pub api: Api,
    /// Who calls.
    pub caller: Caller,
    /// The parameters in the address.
    pub path: P,
    /// The parameters after `?`.
    pub query: Q,
    /// The body.
    pub body: B,
}

/// What an endpoint answers.
#[derive(Debug)]
pub struct Reply<T> {
    status: StatusCode,
    body: T,
}

impl<T> Reply<T> {
    /// 200.
    pub fn ok(body: T) -> Self {
        Reply { status: StatusCode::OK, body }
    }

    /// 201: something new is there.
    pub fn created(body: T) -> Self {
        Reply { status: StatusCode::CREATED, body }
    }

    /// 202: it will be done.
    pub fn accepted(body: T) -> Self {
        Reply { status: StatusCode::ACCEPTED, body }
    }
}

impl<T> From<T> for Reply<T> {
    fn from(body: T) -> Self {
        Reply::ok(body)
    }
}

/// What a call does to the world, and how that is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    /// Nothing.
    Nothing,
    /// Something; the function behind it appends an event with the actor.
    Recorded,
    /// Something without an event of its own; the call itself becomes one.
    Audited,
}

/// A request as far as it has been read: parts by their schemas.
pub(crate) struct Incoming {
    pub(crate) api: Api,
    pub(crate) caller: Caller,
    pub(crate) path: Value,
    pub(crate) query: Value,
    pub(crate) body: Value,
}

/// A good answer.
pub(crate) struct Outgoing {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

type Run = Arc<dyn Fn(Incoming) -> LocalBoxFuture<'static, Result<Outgoing, Problem>> + Send + Sync>;
type Shape = fn(&mut SchemaGenerator) -> Schema;

/// One endpoint.
#[derive(Clone)]
pub struct Endpoint {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) role: Role,
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) changes: Changes,
    pub(crate) answers: &'static [u16],
    pub(crate) refusals: &'static [Refusal],
    pub(crate) path_shape: Shape,
    pub(crate) query_shape: Shape,
    pub(crate) body_shape: Option<Shape>,
    pub(crate) answer_shape: Shape,
    pub(crate) run: Run,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("method", &self.method).field("path", &self.path).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// `GET path` for `role` and those above: looks, and changes nothing.
    ///
    /// `name` is the document's `operationId`, in lower camel case; `summary` says in a few words what it gives.
    #[must_use]
    pub fn get<P, Q, T, F, R>(
        path: &'static str,
        role: Role,
        name: &'static str,
        summary: &'static str,
        handler: F,
    ) -> Self
    where
        P: DeserializeOwned + JsonSchema + 'static,
        Q: DeserializeOwned + JsonSchema + 'static,
        T: Serialize + JsonSchema + 'static,
        F: Fn(Call<P, Q, Nothing>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Reply<T>, Problem>> + 'static,
    {
        Self::new(Method::GET, path, role, name, summary, Changes::Nothing, handler)
    }

    /// `POST path`: as [`Endpoint::get`], with a body, for what changes something.
    #[must_use]
    pub fn post<P, Q, B, T, F, R>(
        path: &'static str,
        role: Role,
        name: &'static str,
        summary: &'static str,
        changes: Changes,
        handler: F,
    ) -> Self
    where
        P: DeserializeOwned + JsonSchema + 'static,
        Q: DeserializeOwned + JsonSchema + 'static,
        B: DeserializeOwned + JsonSchema + 'static,
        T: Serialize + JsonSchema + 'static,
        F: Fn(Call<P, Q, B>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Reply<T>, Problem>> + 'static,
    {
        Self::new(Method::POST, path, role, name, summary, changes, handler)
    }

    /// As [`Endpoint::post`], with any method: `PUT`, `PATCH`, `DELETE`.
    #[must_use]
    pub fn new<P, Q, B, T, F, R>(
        method: Method,
        path: &'static str,
        role: Role,
        name: &'static str,
        summary: &'static str,
        changes: Changes,
        handler: F,
    ) -> Self
    where
        P: DeserializeOwned + JsonSchema + 'static,
        Q: DeserializeOwned + JsonSchema + 'static,
        B: DeserializeOwned + JsonSchema + 'static,
        T: Serialize + JsonSchema + 'static,
        F: Fn(Call<P, Q, B>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Reply<T>, Problem>> + 'static,
    {
        let handler = Arc::new(handler);
        let run: Run = Arc::new(move |incoming| {
            let handler = handler.clone();
            Box::pin(async move {
                let Incoming { api, caller, path, query, body } = incoming;
                let (path, query, body) = (typed(path)?, typed(query)?, typed(body)?);
                let reply = handler(Call { api, caller, path, query, body }).await?;
                let body = serde_json::to_vec(&reply.body).map_err(Problem::internal)?;
                Ok(Outgoing { status: reply.status, body })
            })
        });
        Endpoint {
            method,
            path,
            role,
            name,
            summary,
            changes,
            answers: &[200],
            refusals: &[],
            path_shape: P::json_schema,
            query_shape: Q::json_schema,
            body_shape: (TypeId::of::<B>() != TypeId::of::<Nothing>())
                .then_some(|schemas| schemas.subschema_for::<B>()),
            answer_shape: |schemas| schemas.subschema_for::<T>(),
            run,
        }
    }

    /// The good statuses it answers with; 200 unless said otherwise.
    #[must_use]
    pub fn answers(self, statuses: &'static [u16]) -> Self {
        Endpoint { answers: statuses, ..self }
    }

    /// The refusals that are its own, beside those that every endpoint of its kind has.
    #[must_use]
    pub fn refuses(self, refusals: &'static [Refusal]) -> Self {
        Endpoint { refusals, ..self }
    }

    /// Whether its address holds parameters.
    pub(crate) fn has_parameters(&self) -> bool {
        self.path.contains('{')
    }

    /// Every refusal it may answer with, by status.
    pub(crate) fn all_refusals(&self) -> Vec<Refusal> {
        let mut all = vec![
            problem::INVALID_REQUEST,
            problem::TOKEN_MISSING,
            problem::TOKEN_INVALID,
            problem::TOKEN_EXPIRED,
            problem::ROLE_INSUFFICIENT,
            problem::ORGANIZATION_MISSING,
        ];
        if self.has_parameters() {
            all.push(problem::NOT_FOUND);
        }
        if self.body_shape.is_some() {
            all.extend([problem::BODY_TIMEOUT, problem::BODY_TOO_LARGE, problem::CONTENT_TYPE_UNSUPPORTED]);
        }
        all.extend([
            problem::INTERNAL,
            problem::AUTH_NOT_CONFIGURED,
            problem::KEYS_UNAVAILABLE,
            problem::DATABASE_UNAVAILABLE,
        ]);
        if self.changes == Changes::Audited {
            all.push(problem::AUDIT_UNAVAILABLE);
        }
        all.extend(self.refusals.iter().filter(|own| !all.contains(own)).copied().collect::<Vec<_>>());
        all.sort_by_key(|refusal| refusal.status);
        all
    }
}

/// A value of which the schema has been checked.
fn typed<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_json::from_value(value).map_err(|error| {
        let remedy = "send what /openapi.json shows".to_owned();
        let place = problem::Place::Body;
        Problem::invalid(vec![problem::InputError { place, field: String::new(), problem: error.to_string(), remedy }])
    })
}
