//! Evidence: what a poll asked and what it saw.

use event_log::{EventType, StreamName};
use serde::{Deserialize, Serialize};

/// A page of a poll was read; its facts are in the same commit.
pub const COMPLETED: EventType = EventType::new("poll.completed");
/// A poll could not be done.
pub const FAILED: EventType = EventType::new("poll.failed");

/// The stream of one poll.
#[must_use]
pub fn stream(poll: &str) -> StreamName {
    StreamName::new("poll", poll)
}

/// Data of [`COMPLETED`]: one page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completed {
    /// The poll's name, as in `schedules`.
    pub poll: String,
    /// The transfer whose records it looks for.
    pub transfer: String,
    /// Number of the run, first is 1; its pages share it.
    pub run: i64,
    /// Why it ran: `schedule`, `start` (a new schedule), `gap` (no registration was live for a while), `manual`.
    pub trigger: String,
    /// Where the page started (a record id), absent for the first.
    pub cursor_before: Option<String>,
    /// Where the next page starts, absent after the last.
    pub cursor_after: Option<String>,
    /// Records on the page that are still pending by our own check.
    pub pending: Vec<String>,
    /// Facts that were new to the log.
    pub new_facts: u64,
    /// New facts that a live registration should have announced and did not.
    pub found_missed: u64,
    /// Whether this was the last page.
    pub last_page: bool,
}

/// Data of [`FAILED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The poll's name.
    pub poll: String,
    /// Number of the run.
    pub run: i64,
    /// Stable code of the cause.
    pub code: String,
    /// The cause in words.
    pub error: String,
}
