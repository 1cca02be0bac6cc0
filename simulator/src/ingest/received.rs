//! What the receiver keeps: batches in their order, known by key, and how often it refused.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::accepted;
use super::batch::{Batch, BatchMessageKind};
use super::problem::Problem;
use crate::answer::Answer;
use crate::clock::{Millis, instant};

/// A batch that was taken.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) key: String,
    pub(super) digest: [u8; 32],
    pub(super) received_ms: Millis,
    /// Times it came again.
    pub(super) duplicates: u64,
    pub(super) batch: Batch,
}

/// What a key means when it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    New,
    Same,
    Different,
    Handling,
}

/// Everything received.
#[derive(Debug, Default)]
pub(crate) struct Received {
    kept: Vec<Kept>,
    by_key: HashMap<String, usize>,
    handling: HashSet<String>,
    pub(super) counts: IngestCounts,
}

/// Requests by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestCounts {
    /// Taken for the first time.
    pub accepted: u64,
    /// Taken before with the same body.
    pub duplicates: u64,
    /// Refused because the key was still being handled (409).
    pub busy: u64,
    /// Refused as too large (413).
    pub too_large: u64,
    /// Refused because the key had another body (422).
    pub key_reused: u64,
    /// Refused because of the token (401, 403).
    pub unauthorized: u64,
    /// Refused because the request broke the contract (400).
    pub invalid: u64,
}

impl IngestCounts {
    pub(super) fn refused(&mut self, problem: Problem) {
        match problem {
            Problem::Busy { .. } => self.busy += 1,
            Problem::TooLarge => self.too_large += 1,
            Problem::KeyReused => self.key_reused += 1,
            Problem::TokenRejected(_) | Problem::Unauthenticated | Problem::NotInvoker => self.unauthorized += 1,
            _ => self.invalid += 1,
        }
    }
}

/// Everything the receiver has, for verification.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct IngestState {
    /// Batches in the order in which they were kept.
    pub batches: Vec<IngestBatch>,
    /// Requests by what became of them.
    pub counts: IngestCounts,
    /// Messages that came in more than one batch, as `channel message revision kind`; a correct sender has none.
    pub repeated_messages: Vec<String>,
}

impl IngestState {
    /// The lines of one channel in the order in which they came.
    #[must_use]
    pub fn lines(&self, channel_id: &str) -> Vec<&str> {
        let batches = self.batches.iter().filter(|each| each.batch.channel.id == channel_id);
        batches.flat_map(|each| &each.batch.messages).map(|message| message.line.as_str()).collect()
    }
}

/// A batch with how it came.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IngestBatch {
    /// Its `Idempotency-Key`.
    pub key: String,
    /// SHA-256 of the body, hexadecimal.
    pub body_sha256: String,
    /// Arrival on the virtual clock, RFC 3339 UTC.
    pub received_at: String,
    /// Times it came again.
    pub duplicates: u64,
    /// The batch.
    pub batch: Batch,
}

impl Received {
    pub(super) fn known(&self, key: &str, digest: &[u8; 32]) -> Known {
        if self.handling.contains(key) {
            return Known::Handling;
        }
        match self.by_key.get(key).map(|place| &self.kept[*place].digest) {
            None => Known::New,
            Some(kept) if kept == digest => Known::Same,
            Some(_) => Known::Different,
        }
    }

    /// The answer to a batch that is here already.
    pub(super) fn repeated(&mut self, key: &str, status: u16) -> Answer {
        self.counts.duplicates += 1;
        let kept = self.by_key.get(key).copied().and_then(|place| self.kept.get_mut(place));
        match kept {
            Some(kept) => {
                kept.duplicates += 1;
                accepted(status, &kept.batch, true)
            }
            None => Problem::Failed(500).answer(),
        }
    }

    pub(super) fn hold(&mut self, key: &str) {
        self.handling.insert(key.to_owned());
    }

    pub(super) fn release(&mut self, key: &str) {
        self.handling.remove(key);
    }

    pub(super) fn keep(&mut self, kept: Kept) {
        self.counts.accepted += 1;
        self.by_key.insert(kept.key.clone(), self.kept.len());
        self.kept.push(kept);
    }

    /// Forgets everything but what is being handled.
    pub(crate) fn clear(&mut self) {
        self.kept.clear();
        self.by_key.clear();
        self.counts = IngestCounts::default();
    }

    pub(crate) fn state(&self) -> IngestState {
        IngestState {
            batches: self.kept.iter().map(shown).collect(),
            counts: self.counts,
            repeated_messages: self.repeated_messages(),
        }
    }

    fn repeated_messages(&self) -> Vec<String> {
        let mut seen: HashSet<(&str, &str, u64, BatchMessageKind)> = HashSet::new();
        let mut repeated = Vec::new();
        for batch in self.kept.iter().map(|kept| &kept.batch) {
            for message in &batch.messages {
                if !seen.insert((&batch.channel.id, &message.id, message.revision, message.kind)) {
                    let (id, revision, kind) = (&message.id, message.revision, message.kind);
                    repeated.push(format!("{} {id} {revision} {kind:?}", batch.channel.id));
                }
            }
        }
        repeated
    }
}

fn shown(kept: &Kept) -> IngestBatch {
    IngestBatch {
        key: kept.key.clone(),
        body_sha256: hex::encode(kept.digest),
        received_at: instant(kept.received_ms).to_rfc3339(),
        duplicates: kept.duplicates,
        batch: kept.batch.clone(),
    }
}
