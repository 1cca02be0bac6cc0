//! The effect ledger: one row per thing done outside, and the laws of its life.
//!
//! planned → started → succeeded | failed, or unknown (crash, lost answer) → started again to *settle* it by reading
//! the provider back. Intent is durable before the call; the outcome's events and the row change are one unit of work;
//! no transaction is open during a call. Projectors and replays never come here.

mod claim;
mod finish;
mod plan;
mod recover;
mod summary;
mod twins;

use std::fmt;

use chrono::{DateTime, Utc};
use event_log::sql::Row;
use event_log::sqlx;
use event_log::{Append, EventId, StreamName};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::Error;

pub use claim::{Claim, Queue, claim, next_due, sources};
pub(crate) use finish::tell;
pub use finish::{Finished, finish};
pub(crate) use plan::overtake;
pub use plan::{Done, Planned, Sequence, done, plan, start_over};
pub use recover::{park, recover_all, recover_expired, renew};
pub use summary::{Summary, summary};
pub(crate) use twins::{Twins, twins, was_started};

/// What an effect does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Finds a transfer's source folder. Only reads.
    Locate,
    /// Makes sure that a folder has its counterpart, and plans what is in it.
    CopyFolder,
    /// Copies one file.
    CopyFile,
    /// Sets a record's checkbox.
    UpdateRecord,
    /// Sends a batch of messages.
    PostBatch,
    /// Gives a contact another owner.
    AssignContact,
    /// Tells an endpoint an event.
    PostNotification,
}

impl Kind {
    /// The name in tables and events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Locate => "folder.locate",
            Kind::CopyFolder => "folder.copy",
            Kind::CopyFile => "file.copy",
            Kind::UpdateRecord => "crm_record.update",
            Kind::PostBatch => "batch.post",
            Kind::AssignContact => "contact.assign",
            Kind::PostNotification => "notify.post",
        }
    }

    /// Every kind that this program knows.
    pub const ALL: [Kind; 7] = [
        Kind::Locate,
        Kind::CopyFolder,
        Kind::CopyFile,
        Kind::UpdateRecord,
        Kind::PostBatch,
        Kind::AssignContact,
        Kind::PostNotification,
    ];

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether its unknown outcome is found out without writing. The others look before they write each time, or are
    /// recognised by their key, so doing them again settles them.
    #[must_use]
    pub fn is_settled_by_reading(self) -> bool {
        matches!(self, Kind::CopyFile | Kind::UpdateRecord | Kind::AssignContact)
    }

    /// Whether it belongs to a transfer.
    #[must_use]
    pub fn is_of_transfer(self) -> bool {
        !matches!(self, Kind::PostBatch | Kind::AssignContact | Kind::PostNotification)
    }

    /// Whether what becomes of single attempts is told by events. A notification's are in its row: they would outnumber the
    /// events that are told.
    #[must_use]
    pub fn tells_attempts(self) -> bool {
        self != Kind::PostNotification
    }

    /// Which slots it takes.
    #[must_use]
    pub fn lane(self) -> Lane {
        match self {
            Kind::CopyFile => Lane::Files,
            _ => Lane::Control,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Slots that effects of one account share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Quick calls: look, make a folder, update a record or a contact, send a batch or a notification.
    Control,
    /// Contents.
    Files,
}

impl Lane {
    /// The name in tables and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Lane::Control => "control",
            Lane::Files => "files",
        }
    }
}

/// An effect that this process has claimed.
#[derive(Debug, Clone)]
pub struct Effect {
    /// Recognises it for ever.
    pub key: String,
    /// What it does.
    pub kind: Kind,
    /// The stream its outcome belongs to.
    pub stream: StreamName,
    /// Which run of that stream.
    pub run: i64,
    /// The account it changes.
    pub account: String,
    /// The account it reads from, where that is another one.
    pub source_account: Option<String>,
    /// The organisation that owns it.
    pub organization: String,
    /// Attempts that have failed so far. A crash is not a failed attempt.
    pub attempt: i64,
    /// Its outcome is unknown: settle it before doing it.
    pub unknown: bool,
    /// When the attempt that is to be settled was started.
    pub unknown_since: Option<DateTime<Utc>>,
    /// How often it was claimed, this time included: tells this claim from earlier ones.
    pub claims: i64,
    /// What exactly to do, as JSON.
    pub request: String,
    /// What makes it the same change as another effect.
    pub once_key: Option<String>,
    /// The story.
    pub correlation_id: Uuid,
    /// The event that led here.
    pub causation_id: Option<EventId>,
}

impl Effect {
    /// Whether it was started before, so that something of it may be there already.
    #[must_use]
    pub fn was_tried(&self) -> bool {
        self.claims > 1
    }

    /// Reads the request into its type.
    ///
    /// # Errors
    /// [`Error::Undecodable`] when the stored request has another shape: a bug or damage.
    pub fn request<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.request)
            .map_err(|source| Error::Undecodable { effect_key: self.key.clone(), source })
    }
}

/// Code of an effect that was given up before its outcome was known: whoever starts it over must settle it first.
pub const UNSETTLED: &str = "unsettled";

/// How an attempt ended.
#[derive(Debug)]
pub enum Verdict {
    /// Done, now or by an earlier attempt whose answer was lost.
    Succeeded {
        /// What to remember, as JSON.
        result: serde_json::Value,
        /// Length of what was copied.
        bytes: Option<u64>,
        /// What to tell.
        events: Vec<Append>,
        /// What follows from it.
        plan: Vec<Planned>,
    },
    /// Given up.
    Failed {
        /// Stable code.
        code: String,
        /// In words.
        error: String,
        /// What to tell.
        events: Vec<Append>,
        /// Whether a person can do something about this very effect.
        dead_letter: bool,
    },
    /// It certainly was not done; try again at a time. Uses up an attempt.
    Retry {
        /// Stable code.
        code: String,
        /// In words.
        error: String,
        /// Not before this time.
        not_before: DateTime<Utc>,
    },
    /// It was not done because something has to be waited for. Uses up nothing.
    Wait {
        /// Stable code.
        code: String,
        /// In words.
        error: String,
        /// Not before this time.
        until: DateTime<Utc>,
    },
    /// Nobody knows whether it was done. Uses up an attempt; settled at a time.
    Unknown {
        /// Stable code.
        code: String,
        /// In words.
        error: String,
        /// Not before this time.
        settle_at: DateTime<Utc>,
    },
    /// It was settled: the provider had not done it. Done again at once, if attempts are left.
    NotDone,
}

impl Verdict {
    /// Whether the effect is finished.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Verdict::Succeeded { .. } | Verdict::Failed { .. })
    }

    /// For metrics: a closed set.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Verdict::Succeeded { .. } => "succeeded",
            Verdict::Failed { .. } => "failed",
            Verdict::Retry { .. } => "retry",
            Verdict::Wait { .. } => "wait",
            Verdict::Unknown { .. } => "unknown",
            Verdict::NotDone => "not_done",
        }
    }
}

fn effect(row: &Row) -> Result<Effect, Error> {
    let key: String = row.try_get("effect_key")?;
    let kind: String = row.try_get("kind")?;
    let stream: String = row.try_get("stream_name")?;
    let causation_id: Option<Uuid> = row.try_get("causation_id")?;
    let unknown: bool = row.try_get("settles")?;
    let started_at: Option<DateTime<Utc>> = row.try_get("started_at")?;
    let Some(kind) = Kind::parse(&kind) else {
        return Err(Error::UnknownKind { effect_key: key, kind });
    };
    Ok(Effect {
        kind,
        stream: StreamName::parse(&stream).map_err(|source| Error::BadStream { effect_key: key.clone(), source })?,
        key,
        run: row.try_get("run")?,
        account: row.try_get("account")?,
        source_account: row.try_get("source_account")?,
        organization: row.try_get("organization")?,
        attempt: row.try_get("attempt")?,
        unknown,
        unknown_since: started_at.filter(|_| unknown),
        claims: row.try_get("claims")?,
        request: row.try_get("request")?,
        once_key: row.try_get("once_key")?,
        correlation_id: row.try_get("correlation_id")?,
        causation_id: causation_id.map(EventId),
    })
}

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        Error::Log(event_log::Error::from(source))
    }
}
