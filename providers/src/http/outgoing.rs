//! Bytes on their way out: a streamed request body that counts itself, and the watch over its progress.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use futures::stream::BoxStream;
use tokio::time::Instant;

/// Who has to act next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The connection has not asked for content yet, or has a chunk to send, since then.
    Connection(Instant),
    /// The source of the content owes the next chunk.
    Source,
    /// Everything was handed over at that moment; the answer is due.
    Answer(Instant),
}

/// What is known about a body while and after it is sent.
#[derive(Debug)]
pub(crate) struct Progress(Mutex<State>);

#[derive(Debug)]
struct State {
    phase: Phase,
    sent_bytes: u64,
    failure: Option<io::Error>,
}

impl Progress {
    fn new() -> Arc<Self> {
        let phase = Phase::Connection(Instant::now());
        Arc::new(Self(Mutex::new(State { phase, sent_bytes: 0, failure: None })))
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Bytes handed to the connection so far.
    pub(crate) fn sent_bytes(&self) -> u64 {
        self.with(|state| state.sent_bytes)
    }

    /// Why the content could not be read, if that is what ended the request.
    pub(crate) fn take_failure(&self) -> Option<io::Error> {
        self.with(|state| state.failure.take())
    }

    /// Runs `request` and gives up with `None` when the connection takes nothing for `stall_limit`, or the answer is not
    /// there `answer_limit` after the last byte. Waiting for the source of the content is not limited here.
    pub(crate) async fn watch<T>(
        &self,
        request: impl Future<Output = T>,
        stall_limit: Duration,
        answer_limit: Duration,
    ) -> Option<T> {
        tokio::pin!(request);
        loop {
            let deadline = match self.with(|state| state.phase) {
                Phase::Connection(since) => since + stall_limit,
                Phase::Source => Instant::now() + stall_limit,
                Phase::Answer(since) => since + answer_limit,
            };
            if deadline <= Instant::now() {
                return None;
            }
            if let Ok(done) = tokio::time::timeout_at(deadline, &mut request).await {
                return Some(done);
            }
        }
    }
}

/// A request body of an announced length.
///
/// The last chunk leaves only after the source has ended without an error, so content that turns out to be damaged or
/// longer than announced never becomes a complete request.
pub(crate) struct Outgoing {
    source: BoxStream<'static, io::Result<Bytes>>,
    size_bytes: u64,
    read_bytes: u64,
    last: Option<Bytes>,
    progress: Arc<Progress>,
}

impl Outgoing {
    /// Wraps `source`, which must give exactly `size_bytes`.
    pub(crate) fn new(
        source: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        size_bytes: u64,
    ) -> (Self, Arc<Progress>) {
        let progress = Progress::new();
        let source = Box::pin(source);
        (Self { source, size_bytes, read_bytes: 0, last: None, progress: Arc::clone(&progress) }, progress)
    }

    /// Remembers the failure for the caller and gives the connection one of its own.
    fn fail(&self, error: io::Error) -> io::Error {
        let shown = io::Error::new(error.kind(), "the content could not be read");
        self.progress.with(|state| {
            state.failure.get_or_insert(error);
        });
        shown
    }

    /// Takes a chunk from the source; `Ok(None)` means that it is kept until the source has ended.
    fn take_in(&mut self, chunk: Bytes) -> io::Result<Option<Bytes>> {
        self.read_bytes += chunk.len() as u64;
        if self.read_bytes > self.size_bytes {
            return Err(self.fail(io::Error::new(io::ErrorKind::InvalidData, "more content than announced")));
        }
        if self.read_bytes == self.size_bytes {
            self.last = Some(chunk);
            return Ok(None);
        }
        self.hand_over(chunk.len(), Phase::Connection(Instant::now()));
        Ok(Some(chunk))
    }

    fn source_ended(&mut self) -> Option<io::Result<Bytes>> {
        if self.read_bytes < self.size_bytes {
            let short = io::Error::new(io::ErrorKind::UnexpectedEof, "less content than announced");
            return Some(Err(self.fail(short)));
        }
        let last = self.last.take();
        self.hand_over(last.as_ref().map_or(0, Bytes::len), Phase::Answer(Instant::now()));
        last.map(Ok)
    }

    fn hand_over(&self, length: usize, phase: Phase) {
        self.progress.with(|state| {
            state.sent_bytes += length as u64;
            state.phase = phase;
        });
    }
}

impl Stream for Outgoing {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let chunk = match this.source.as_mut().poll_next(context) {
                Poll::Ready(Some(Ok(chunk))) => chunk,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(this.fail(error)))),
                Poll::Ready(None) => return Poll::Ready(this.source_ended()),
                Poll::Pending => {
                    this.progress.with(|state| state.phase = Phase::Source);
                    return Poll::Pending;
                }
            };
            if chunk.is_empty() {
                continue;
            }
            if let Some(result) = this.take_in(chunk).transpose() {
                return Poll::Ready(Some(result));
            }
        }
    }
}
