//! Bytes on their way in: a streamed body that notices when it trickles, stalls or ends early.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use tokio::time::{Instant, Sleep};

use crate::error::{Error, Outcome};

/// Content that arrives slower than this per stall limit counts as stalled: 16 KiB in 30 seconds by default.
const MINIMUM_BYTES_PER_LIMIT: u64 = 16 * 1024;

/// The bytes of a download, in chunks as they arrive, without copies.
///
/// Ends with [`Error::Incomplete`] when fewer or more bytes came than were announced, and with [`Error::Unavailable`] when
/// the connection breaks or stalls. Only the time spent waiting for the provider counts as stalling, so a slow reader
/// does no harm.
pub struct Content {
    operation: &'static str,
    body: Pin<Box<dyn Stream<Item = Result<Bytes, reqwest::Error>> + Send + Sync>>,
    expected_bytes: Option<u64>,
    received_bytes: u64,
    stall_limit: Duration,
    /// Waiting time left in this stretch, and what arrived in it.
    allowance: Duration,
    stretch_bytes: u64,
    waiting_since: Option<Instant>,
    alarm: Pin<Box<Sleep>>,
    ended: bool,
}

impl Content {
    pub(crate) fn new(
        operation: &'static str,
        response: reqwest::Response,
        expected_bytes: Option<u64>,
        stall_limit: Duration,
    ) -> Self {
        Self {
            operation,
            body: Box::pin(response.bytes_stream()),
            expected_bytes,
            received_bytes: 0,
            stall_limit,
            allowance: stall_limit,
            stretch_bytes: 0,
            waiting_since: None,
            alarm: Box::pin(tokio::time::sleep(stall_limit)),
            ended: false,
        }
    }

    /// Fails at its end unless it has so many bytes.
    pub(crate) fn expect(&mut self, bytes: u64) {
        self.expected_bytes = Some(bytes);
    }

    /// Bytes handed out so far.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    fn arrived(&mut self, length: u64) {
        self.received_bytes += length;
        self.stretch_bytes += length;
        if let Some(since) = self.waiting_since.take() {
            self.allowance = self.allowance.saturating_sub(since.elapsed());
        }
        if self.stretch_bytes >= MINIMUM_BYTES_PER_LIMIT {
            self.stretch_bytes = 0;
            self.allowance = self.stall_limit;
        }
    }

    fn poll_stalled(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.waiting_since.is_none() {
            let now = Instant::now();
            self.waiting_since = Some(now);
            self.alarm.as_mut().reset(now + self.allowance);
        }
        self.alarm.as_mut().poll(context)
    }

    fn end(&mut self) -> Option<Result<Bytes, Error>> {
        self.ended = true;
        let expected_bytes = self.expected_bytes.filter(|expected| *expected != self.received_bytes)?;
        Some(Err(Error::Incomplete { operation: self.operation, expected_bytes, received_bytes: self.received_bytes }))
    }

    fn broken(&mut self, source: crate::error::BoxError) -> Error {
        self.ended = true;
        let operation = self.operation;
        Error::Unavailable { operation, status: None, outcome: Outcome::Unknown, source: Some(source) }
    }
}

impl Stream for Content {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        match this.body.as_mut().poll_next(context) {
            Poll::Ready(Some(Ok(chunk))) => {
                this.arrived(chunk.len() as u64);
                Poll::Ready(Some(Ok(chunk)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(this.broken(error.without_url().into())))),
            Poll::Ready(None) => Poll::Ready(this.end()),
            Poll::Pending => {
                ready!(this.poll_stalled(context));
                let stalled = std::io::Error::new(std::io::ErrorKind::TimedOut, "the content stalled");
                Poll::Ready(Some(Err(this.broken(stalled.into()))))
            }
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Content")
            .field("operation", &self.operation)
            .field("expected_bytes", &self.expected_bytes)
            .field("received_bytes", &self.received_bytes)
            .finish_non_exhaustive()
    }
}
