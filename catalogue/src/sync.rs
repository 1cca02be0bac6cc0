//! Jobs that bring one thing up to date with its provider: a channel's messages, users, customers.

use std::collections::BTreeMap;

use event_log::{EventType, StreamName};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A job is wanted.
pub const REQUESTED: EventType = EventType::new("sync.requested");
/// A page of the provider's answer is in the log, with its facts in the same commit.
pub const READ: EventType = EventType::new("sync.read");
/// The job is done.
pub const COMPLETED: EventType = EventType::new("sync.completed");
/// The job was given up; a retry is a job of its own.
pub const FAILED: EventType = EventType::new("sync.failed");

/// The stream of one job's subject (`channel:<mapping id>`, `books-users:<account>`, …), all jobs.
#[must_use]
pub fn stream(subject: &str) -> StreamName {
    StreamName::new("sync", subject)
}

/// Data of [`REQUESTED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    /// The job.
    pub job_id: Uuid,
    /// What is to be done: `channel`, `books_users`, `books_assignments`.
    pub kind: String,
    /// What it brings up to date.
    pub subject: String,
    /// Why: `manual`, `scheduled`, `retry`, `webhook`.
    pub trigger: String,
    /// Everything is read again, not only what changed.
    pub full: bool,
}

/// Data of [`READ`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// The job.
    pub job_id: Uuid,
    /// What was asked, in the provider's words: parameters without secrets.
    pub asked: BTreeMap<String, String>,
    /// Things on the page.
    pub found: u64,
    /// Facts that were new to the log.
    pub new_facts: u64,
}

/// Data of [`COMPLETED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completed {
    /// The job.
    pub job_id: Uuid,
    /// As in [`Requested`].
    pub kind: String,
    /// As in [`Requested`].
    pub subject: String,
    /// What was counted: `messages_fetched`, `messages_processed`; `total_fetched`, `created`, `updated`, `skipped`; ….
    pub counts: BTreeMap<String, u64>,
    /// Time from the first call to this event, without waiting for limits.
    pub processing_ms: u64,
}

/// Data of [`FAILED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The job.
    pub job_id: Uuid,
    /// As in [`Requested`].
    pub kind: String,
    /// As in [`Requested`].
    pub subject: String,
    /// Stable code of the cause.
    pub code: String,
    /// The cause in words.
    pub error: String,
}
