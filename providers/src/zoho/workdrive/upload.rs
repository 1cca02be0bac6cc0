//! Putting bytes into a new file.
//!
//! Below 10 MiB a form, above a raw stream, on another host and with other names in its answer. Both tell the size and MD5 of
//! what was stored, inside a string of JSON. An upload is sent once: the body is gone after that, and a second one could
//! make a second file.

use std::io;

use bytes::Bytes;
use futures::Stream;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method, RequestBuilder};
use serde_json::Value;
use tracing::Instrument;
use uuid::Uuid;

use crate::error::{Error, Outcome};
use crate::http;
use crate::http::answer::{Answer, no_answer};
use crate::http::measure::Measured;
use crate::http::outgoing::{Outgoing, Progress};
use crate::zoho::call::{Call, Operation, authorization, built};
use crate::zoho::lenient;
use crate::zoho::token::AccessToken;
use crate::zoho::workdrive::folder::taken;
use crate::zoho::workdrive::{JSON_API, WorkDrive, write};

const SCOPES: &str = "WorkDrive.files.CREATE, ZohoFiles.files.CREATE";
const UPLOAD_SMALL: Operation = write("workdrive.upload_small", SCOPES, "parent folder");
const UPLOAD_STREAM: Operation = write("workdrive.upload_stream", SCOPES, "parent folder");

/// From this size on an upload is streamed; the form takes up to 250 MB.
const STREAM_FROM_BYTES: u64 = 10 * 1024 * 1024;

/// A file to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Folder to put it in.
    pub parent_id: String,
    /// Wanted name.
    pub name: String,
    /// Exact length in bytes; the body must give just that.
    pub size: u64,
    /// What to do when the name is taken: `true` adds a version to the existing file and hides what was there; `false`
    /// makes another file, whose name the provider changes.
    pub override_existing: bool,
    /// Our own id of this upload, sent along where the provider takes one.
    pub upload_id: Uuid,
}

impl Upload {
    /// An upload that keeps what is there, under a new id.
    pub fn new(parent_id: impl Into<String>, name: impl Into<String>, size: u64) -> Self {
        let (parent_id, name) = (parent_id.into(), name.into());
        Self { parent_id, name, size, override_existing: false, upload_id: Uuid::new_v4() }
    }

    /// The same under the given id.
    #[must_use]
    pub fn with_upload_id(self, upload_id: Uuid) -> Self {
        Self { upload_id, ..self }
    }
}

/// What the provider stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    /// The file's id.
    pub id: String,
    /// The file's name. Differs from the wanted one when that was taken, or held what the provider cannot keep.
    pub name: String,
    /// Stored length in bytes.
    pub size: Option<u64>,
    /// MD5 of what was stored.
    pub md5: Option<[u8; 16]>,
}

impl WorkDrive<'_> {
    /// Uploads a file, streaming `body`. The last chunk is sent only after `body` has ended without an error.
    ///
    /// # Errors
    /// [`Error::TokenExpired`]: nothing was stored and the token has been replaced; start again with a new body.
    /// [`Error::Body`] when `body` failed or had another length. [`Error::NotFound`] when the parent is gone,
    /// [`Error::NameTaken`], [`Error::StorageFull`], [`Error::Licence`], [`Error::Rejected`], [`Error::Throttled`],
    /// [`Error::MissingScope`]: nothing was stored. [`Error::Unavailable`] and [`Error::Unreadable`] with an unknown
    /// [`Error::outcome`]: look into the parent for the name, size and hash before sending it again.
    ///
    /// # Cancellation
    /// Dropped in the middle, the outcome is unknown.
    pub async fn upload(
        &self,
        upload: &Upload,
        body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<Uploaded, Error> {
        Self::check_id("parent folder", &upload.parent_id)?;
        if upload.name.is_empty() {
            return Err(Error::refused_input("empty_name", "name", "a file needs a name"));
        }
        let operation = if upload.size < STREAM_FROM_BYTES { &UPLOAD_SMALL } else { &UPLOAD_STREAM };
        let lanes = vec![self.client.inner.settings.limits.workdrive_upload()];
        let call = Call { operation, subject: &upload.parent_id, lanes };
        let answer = self.send(&call, upload, body).instrument(self.client.span(operation)).await?;
        let stored = Stored::read(operation, &answer)?;
        let name = match stored.name {
            Some(name) => name,
            None => self.stored_name(operation, &stored.id).await?,
        };
        Ok(Uploaded { id: stored.id, name, size: stored.size, md5: stored.md5 })
    }

    async fn send(
        &self,
        call: &Call<'_>,
        upload: &Upload,
        body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<Answer, Error> {
        let client = self.client;
        let token = client.inner.tokens.current().await?;
        client.enter(&call.lanes).await?;
        let (outgoing, progress) = Outgoing::new(body, upload.size);
        let body = Body::wrap_stream(outgoing);
        let request = match call.operation.name == UPLOAD_SMALL.name {
            true => self.small(upload, body),
            false => self.stream(upload, body),
        };
        let request = built(call, request.header(AUTHORIZATION, authorization(&token)?).header(ACCEPT, JSON_API))?;
        let measured = Measured::start("zoho", call.operation.name);
        let result = self.exchange(call, upload, request, &progress).await;
        measured.end(&result);
        self.replace_refused(&token, &result).await?;
        result.map_err(|error| taken(error, &upload.name))
    }

    async fn exchange(
        &self,
        call: &Call<'_>,
        upload: &Upload,
        request: reqwest::Request,
        progress: &Progress,
    ) -> Result<Answer, Error> {
        let operation = call.operation.name;
        let timeouts = &self.client.inner.settings.timeouts;
        let exchange = async {
            let response =
                self.client.inner.http.execute(request).await.map_err(|error| no_answer(operation, error))?;
            Answer::read(operation, response, timeouts.upload_answer).await
        };
        let answer = progress.watch(exchange, timeouts.stall, timeouts.upload_answer).await;
        match answer.unwrap_or_else(|| Err(stalled(operation))) {
            Ok(answer) => self.client.accept(call, answer).await,
            Err(error) => Err(explain(error, operation, upload.size, progress)),
        }
    }

    /// The body is gone, so a refused token cannot be retried here; the next attempt finds a new one.
    async fn replace_refused(&self, token: &AccessToken, result: &Result<Answer, Error>) -> Result<(), Error> {
        if matches!(result, Err(Error::TokenExpired { .. })) {
            self.client.inner.tokens.replace(token).await?;
        }
        Ok(())
    }

    /// The form. Its `filename` is encoded twice, once as the parameter's own format and once as a query value.
    fn small(&self, upload: &Upload, body: Body) -> RequestBuilder {
        let query = [
            ("filename", http::percent_encode(&upload.name)),
            ("parent_id", upload.parent_id.clone()),
            ("override-name-exist", upload.override_existing.to_string()),
        ];
        let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        // The parameter counts. The part's own name must only not break the form, as a line feed in it would.
        let is_plain = !upload.name.chars().any(char::is_control);
        let part_name = if is_plain { upload.name.clone() } else { http::percent_encode(&upload.name) };
        let part = Part::stream_with_length(body, upload.size).file_name(part_name);
        let url = http::with_query(self.url(&["upload"]), &query);
        self.client.inner.http.request(Method::POST, url).multipart(Form::new().part("content", part))
    }

    /// The raw stream. Headers without the `x-` prefix would be ignored silently.
    fn stream(&self, upload: &Upload, body: Body) -> RequestBuilder {
        let base = &self.client.inner.settings.endpoints.upload;
        let url = http::extend(base, &["workdrive-api", "v1", "stream", "upload"]);
        self.client
            .inner
            .http
            .request(Method::POST, url)
            .header("x-filename", http::percent_encode(&upload.name))
            .header("x-parent_id", &upload.parent_id)
            .header("x-override-name-exist", upload.override_existing.to_string())
            .header("x-streammode", "1")
            .header("upload-id", upload.upload_id.to_string())
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, upload.size)
            .body(body)
    }

    /// The name of a stored file whose answer did not tell it. Not knowing it leaves the outcome unknown.
    async fn stored_name(&self, operation: &'static Operation, id: &str) -> Result<String, Error> {
        match self.item(id).await {
            Ok(item) => Ok(item.name),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the name of an uploaded file is not known");
                Err(Error::unreadable(operation.name, "no name of the stored file"))
            }
        }
    }
}

fn stalled(operation: &'static str) -> Error {
    let source = io::Error::new(io::ErrorKind::TimedOut, "the upload stalled");
    Error::Unavailable { operation, status: None, outcome: Outcome::Unknown, source: Some(source.into()) }
}

/// A failed exchange, told apart by what happened to the body.
fn explain(error: Error, operation: &'static str, size_bytes: u64, progress: &Progress) -> Error {
    // The provider cannot have stored content of which nothing left this process.
    let nothing_left = size_bytes > 0 && progress.sent_bytes() == 0;
    let outcome = if nothing_left { Outcome::NotDone } else { error.outcome() };
    if let Some(source) = progress.take_failure() {
        let outcome = if nothing_left { Outcome::NotDone } else { Outcome::Unknown };
        return Error::Body { operation, source, outcome };
    }
    match error {
        Error::Unavailable { operation, status, source, .. } => {
            Error::Unavailable { operation, status, outcome, source }
        }
        error => error,
    }
}

struct Stored {
    id: String,
    name: Option<String>,
    size: Option<u64>,
    md5: Option<[u8; 16]>,
}

impl Stored {
    /// Reads either answer; they agree on nothing but the place of the id.
    fn read(operation: &'static Operation, answer: &Answer) -> Result<Self, Error> {
        let body: Value = answer.json(operation.name)?;
        let entry = if body["data"].is_array() { &body["data"][0] } else { &body["data"] };
        let attributes = &entry["attributes"];
        let info = [&attributes["File INFO"], &attributes["file_info"]].into_iter().find_map(embedded);
        let info = info.unwrap_or_default();
        let first = |candidates: &[&Value]| {
            candidates.iter().find_map(|value| lenient::as_text(value)).filter(|text| !text.is_empty())
        };
        let id = first(&[&attributes["resource_id"], &info["RESOURCE_ID"], &entry["id"]]);
        let id = id.ok_or_else(|| Error::unreadable(operation.name, "no id of the stored file"))?;
        let name = first(&[&info["AUDIT_INFO"]["resource"]["name"], &attributes["file_name"], &attributes["FileName"]]);
        let size = lenient::as_integer(&info["size"]).and_then(|size| u64::try_from(size).ok());
        let md5 = info["MD5_CHECKSUM"].as_str().and_then(|text| {
            let mut md5 = [0; 16];
            hex::decode_to_slice(text.trim(), &mut md5).ok().map(|()| md5)
        });
        Ok(Self { id, name, size, md5 })
    }
}

/// JSON inside a string, or plain.
fn embedded(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => serde_json::from_str(text).ok(),
        Value::Object(_) => Some(value.clone()),
        _ => None,
    }
}
