//! Reading a request's body: exact bytes, up to a limit, within a time.

use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Payload;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;

/// Why a body was not read to its end, with what was read of it.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) reason: Reason,
    pub(super) start: Bytes,
    /// The length it announced, or what was read when it announced none.
    pub(super) size_bytes: u64,
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// It is longer than the limit, by its own word or in fact.
    TooLarge,
    /// It did not arrive in time.
    TimedOut,
    /// The connection or its encoding broke.
    Broken,
}

/// Reads the body whole. A body of one piece is not copied.
pub(super) async fn read(
    mut payload: Payload,
    headers: &HeaderMap,
    limit_bytes: usize,
    deadline: Duration,
) -> Result<Bytes, Unread> {
    let announced = announced_length(headers);
    if announced.is_some_and(|length| length > limit_bytes as u64) {
        return Err(unread(Reason::TooLarge, Bytes::new(), announced));
    }
    let mut read = Read::default();
    let reason = match tokio::time::timeout(deadline, read.read_all(&mut payload, limit_bytes)).await {
        Ok(Ok(())) => return Ok(read.into_bytes()),
        Ok(Err(reason)) => reason,
        Err(_) => Reason::TimedOut,
    };
    Err(unread(reason, read.into_bytes(), announced))
}

/// What has arrived so far: one piece as it came, or several copied together.
#[derive(Default)]
struct Read {
    first: Bytes,
    all: BytesMut,
}

impl Read {
    async fn read_all(&mut self, payload: &mut Payload, limit_bytes: usize) -> Result<(), Reason> {
        while let Some(mut piece) = next(payload).await? {
            let room = limit_bytes - self.first.len().max(self.all.len());
            let fits = piece.len() <= room;
            piece.truncate(room);
            self.add(piece);
            if !fits {
                return Err(Reason::TooLarge);
            }
        }
        Ok(())
    }

    fn add(&mut self, piece: Bytes) {
        if self.all.is_empty() && self.first.is_empty() {
            self.first = piece;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&piece);
    }

    fn into_bytes(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

async fn next(payload: &mut Payload) -> Result<Option<Bytes>, Reason> {
    match payload.next().await.transpose() {
        Ok(piece) => Ok(piece),
        Err(PayloadError::Overflow) => Err(Reason::TooLarge),
        Err(_) => Err(Reason::Broken),
    }
}

pub(super) fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn unread(reason: Reason, start: Bytes, announced: Option<u64>) -> Unread {
    let size_bytes = announced.unwrap_or(start.len() as u64);
    Unread { reason, start, size_bytes }
}
