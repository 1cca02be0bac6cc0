//! The body of an upload as it arrives, and the stream upload that is nothing but a body.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::error::PayloadError;
use actix_web::web;
use bytes::Bytes;
use futures::{Stream, StreamExt};

use super::{Received, Target};
use crate::call::Call;
use crate::shared::Shared;
use crate::workdrive::{dialect, naming};

/// Request body that a fault may cut after so many bytes.
pub(super) struct Source {
    payload: web::Payload,
    left: Option<u64>,
    broken: Rc<Cell<bool>>,
}

impl Source {
    pub(super) fn new(payload: web::Payload, cut_after: Option<u64>) -> Self {
        Self { payload, left: cut_after, broken: Rc::default() }
    }

    /// Turns true when the body ended before its end.
    pub(super) fn broken(&self) -> Rc<Cell<bool>> {
        self.broken.clone()
    }

    /// Reads to the end, so that the client sees the answer and not a broken pipe; none when it broke off.
    pub(super) async fn drain(&mut self) -> Option<()> {
        while let Some(chunk) = self.next().await {
            chunk.ok()?;
        }
        Some(())
    }
}

impl Stream for Source {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.payload).poll_next(context);
        let Poll::Ready(Some(Ok(chunk))) = polled else {
            if matches!(polled, Poll::Ready(Some(Err(_)))) {
                self.broken.set(true);
            }
            return polled;
        };
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(chunk.len() as u64);
            if *left == 0 {
                self.broken.set(true);
                return Poll::Ready(Some(Err(PayloadError::Incomplete(None))));
            }
        }
        Poll::Ready(Some(Ok(chunk)))
    }
}

/// `POST /workdrive-api/v1/stream/upload`: place and name come in headers.
pub(super) async fn receive(shared: &Shared, call: &Call, source: &mut Source) -> Option<Received> {
    note_headers(shared, call);
    let Some(length) = call.header("content-length").and_then(|text| text.parse::<u64>().ok()) else {
        source.drain().await?;
        return Some(Err(dialect::error(411, "F000", "CONTENT_LENGTH_REQUIRED")));
    };
    let (Some(name), Some(parent)) = (call.header("x-filename"), call.header("x-parent_id")) else {
        source.drain().await?;
        return Some(Err(dialect::error(400, "F000", "LESS_THAN_MIN_OCCURANCE")));
    };
    let target = Target {
        parent: parent.to_owned(),
        name: naming::decoded(name),
        override_existing: call.header("x-override-name-exist") == Some("true"),
    };
    let keep = shared.world().knobs.workdrive.keep_uploads;
    let mut writer = shared.spool.writer(keep);
    while let Some(chunk) = source.next().await {
        if let Err(error) = writer.write(&chunk.ok()?) {
            source.drain().await?;
            return Some(Err(spool_failed(&error)));
        }
    }
    // A body shorter than promised means that the connection is gone.
    (writer.size_bytes() == length).then(|| Ok((target, writer.finish())))
}

/// The disk of the machine we run on is in trouble.
pub(super) fn spool_failed(error: &std::io::Error) -> crate::answer::Answer {
    tracing::error!(error = %error, "an uploaded file cannot be spooled");
    dialect::error(500, "F000", "SPOOL_FAILED")
}

fn note_headers(shared: &Shared, call: &Call) {
    let mut world = shared.world();
    if call.header("override-name-exist").is_some() {
        world.journal.misdeed("unprefixed_override_header", || "override-name-exist without x-".to_owned());
    }
    if call.header("x-streammode") != Some("1") {
        world.journal.misdeed("missing_stream_mode", || "x-streammode is not 1".to_owned());
    }
    if call.header("upload-id").is_none_or(|id| uuid::Uuid::parse_str(id).is_err()) {
        world.journal.misdeed("missing_upload_id", || "upload-id is not a UUID".to_owned());
    }
}
