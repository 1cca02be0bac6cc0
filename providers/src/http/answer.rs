//! A whole answer in memory: status, reason phrase, headers and a bounded body.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::ext::ReasonPhrase;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;

use crate::error::{BoxError, Error, Outcome};
use crate::http::outcome_of;

/// Largest accepted metadata answer. A listing of 1,000 items is about 1 MiB.
const BODY_LIMIT_BYTES: usize = 32 * 1024 * 1024;

/// What the provider said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The reason phrase where it is not the usual one for the status.
    pub(crate) reason: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Reads the rest of a response.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it is cut or takes too long, [`Error::Unreadable`] when it is absurdly large.
    pub(crate) async fn read(
        operation: &'static str,
        mut response: reqwest::Response,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let status = response.status();
        let reason = response
            .extensions()
            .get::<ReasonPhrase>()
            .map(|reason| String::from_utf8_lossy(reason.as_bytes()).into_owned());
        let headers = response.headers().clone();
        let lost = |source: BoxError| Error::Unavailable {
            operation,
            status: Some(status.as_u16()),
            outcome: Outcome::Unknown,
            source: Some(source),
        };
        let read = async {
            let mut body = BytesMut::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| lost(error.without_url().into()))? {
                if body.len() + chunk.len() > BODY_LIMIT_BYTES {
                    return Err(Error::unreadable(operation, "more than 32 MiB"));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(body.freeze())
        };
        let body = tokio::time::timeout(timeout, read).await.map_err(|elapsed| lost(elapsed.into()))??;
        Ok(Self { status, reason, headers, body })
    }

    /// The body as a JSON document of the expected shape.
    ///
    /// # Errors
    /// [`Error::Unreadable`] naming the place, never the content.
    pub(crate) fn json<T: DeserializeOwned>(&self, operation: &'static str) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let detail = format!("{} at line {} column {}", category(&error), error.line(), error.column());
            Error::unreadable(operation, detail)
        })
    }

    /// The body as any JSON, where it is JSON.
    pub(crate) fn any_json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The failure of a request that brought no answer.
pub(crate) fn no_answer(operation: &'static str, error: reqwest::Error) -> Error {
    Error::Unavailable {
        operation,
        status: None,
        outcome: outcome_of(&error),
        source: Some(error.without_url().into()),
    }
}

fn category(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Io => "reading failed",
        serde_json::error::Category::Syntax => "not json",
        serde_json::error::Category::Data => "unexpected json",
        serde_json::error::Category::Eof => "json ends early",
    }
}

#[cfg(test)]
impl Answer {
    /// An answer as the classifiers see it.
    pub(crate) fn sample(status: u16, headers: &[(&'static str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(name, value)| {
            let value = value.parse().expect("header values in tests are valid");
            (reqwest::header::HeaderName::from_static(name), value)
        });
        Self {
            status: StatusCode::from_u16(status).expect("statuses in tests are valid"),
            reason: None,
            headers: headers.collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }
}
