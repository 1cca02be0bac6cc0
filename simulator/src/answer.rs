//! What a simulated product answers, before it becomes HTTP.

use std::pin::Pin;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use bytes::Bytes;
use futures::{Stream, StreamExt, future, stream};
use serde_json::Value;

/// Chunks of a body that is made while it is sent.
pub(crate) type ByteStream = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>>>>;

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    reason: Option<&'static str>,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

enum Body {
    Empty,
    Bytes(Bytes),
    Stream { length: u64, stream: ByteStream },
}

impl Answer {
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, reason: None, headers: Vec::new(), body: Body::Empty }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::json_as(status, "application/json;charset=utf-8", body)
    }

    /// JSON under another media type.
    pub(crate) fn json_as(status: u16, media_type: &str, body: &Value) -> Self {
        let mut answer = Self::empty(status).header("content-type", media_type);
        answer.body = Body::Bytes(body.to_string().into());
        answer
    }

    pub(crate) fn html(status: u16, text: &str) -> Self {
        let mut answer = Self::empty(status).header("content-type", "text/html;charset=utf-8");
        answer.body = Body::Bytes(format!("<html><body><h1>{text}</h1></body></html>").into());
        answer
    }

    /// Text without any frame.
    pub(crate) fn text(status: u16, media_type: &str, text: &str) -> Self {
        let mut answer = Self::empty(status).header("content-type", media_type);
        answer.body = Body::Bytes(text.to_owned().into());
        answer
    }

    pub(crate) fn redirect(target: &str) -> Self {
        Self::empty(302).header("location", target)
    }

    pub(crate) fn stream(status: u16, length: u64, stream: ByteStream) -> Self {
        let mut answer = Self::empty(status).header("content-type", "application/octet-stream");
        answer.body = Body::Stream { length, stream };
        answer
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub(crate) fn reason(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// A JSON body put through `shape`; other bodies stay as they are.
    #[must_use]
    pub(crate) fn reshaped(mut self, shape: impl FnOnce(Value) -> Value) -> Self {
        if let Body::Bytes(bytes) = &mut self.body
            && let Ok(body) = serde_json::from_slice(bytes)
        {
            *bytes = shape(body).to_string().into();
        }
        self
    }

    /// The first half of a JSON body.
    #[must_use]
    pub(crate) fn truncated(mut self) -> Self {
        if let Body::Bytes(bytes) = &mut self.body {
            bytes.truncate(bytes.len() / 2);
        }
        self
    }

    /// A body that breaks off after so many bytes although its length promised more.
    #[must_use]
    pub(crate) fn cut_after(mut self, bytes: u64) -> Self {
        let (length, whole) = self.take_stream();
        let flush = stream::once(async {
            // What was handed over needs a moment to reach the socket before the connection goes.
            actix_web::rt::time::sleep(Duration::from_millis(20)).await;
            Err(std::io::Error::other("cut on demand"))
        });
        self.body = Body::Stream { length, stream: Box::pin(take_bytes(whole, bytes).chain(flush)) };
        self
    }

    /// A body that ends after so many bytes and whose length says so.
    #[must_use]
    pub(crate) fn shortened(mut self, bytes: u64) -> Self {
        let (length, whole) = self.take_stream();
        let length = length.min(bytes);
        self.body = Body::Stream { length, stream: Box::pin(take_bytes(whole, length)) };
        self
    }

    /// A body that trickles.
    #[must_use]
    pub(crate) fn dripping(mut self, bytes_per_second: u64) -> Self {
        let (length, whole) = self.take_stream();
        let step = usize::try_from((bytes_per_second / 10).max(1)).unwrap_or(usize::MAX);
        let drips = whole.flat_map(move |chunk| stream::iter(split(chunk, step))).then(|chunk| async move {
            actix_web::rt::time::sleep(Duration::from_millis(100)).await;
            chunk
        });
        self.body = Body::Stream { length, stream: Box::pin(drips) };
        self
    }

    fn take_stream(&mut self) -> (u64, ByteStream) {
        match std::mem::replace(&mut self.body, Body::Empty) {
            Body::Empty => (0, Box::pin(stream::empty())),
            Body::Bytes(bytes) => (bytes.len() as u64, Box::pin(stream::iter([Ok(bytes)]))),
            Body::Stream { length, stream } => (length, stream),
        }
    }

    pub(crate) fn into_response(self) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status);
        if let Some(reason) = self.reason {
            response.reason(reason);
        }
        for header in self.headers {
            response.append_header(header);
        }
        match self.body {
            Body::Empty => response.finish(),
            Body::Bytes(bytes) => response.body(bytes),
            Body::Stream { length, stream } => response.body(SizedStream::new(length, stream)),
        }
    }
}

fn split(chunk: std::io::Result<Bytes>, step: usize) -> Vec<std::io::Result<Bytes>> {
    let mut rest = match chunk {
        Ok(bytes) => bytes,
        Err(error) => return vec![Err(error)],
    };
    let mut parts = Vec::new();
    while rest.len() > step {
        parts.push(Ok(rest.split_to(step)));
    }
    parts.push(Ok(rest));
    parts
}

fn take_bytes(whole: ByteStream, left: u64) -> impl Stream<Item = std::io::Result<Bytes>> {
    whole.scan(left, |left, chunk| {
        if *left == 0 {
            return future::ready(None);
        }
        future::ready(Some(chunk.map(|mut bytes| {
            bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= bytes.len() as u64;
            bytes
        })))
    })
}
