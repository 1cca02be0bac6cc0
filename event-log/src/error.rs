//! Why the event log refused or failed, split by what the caller can do about it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::{ExpectedVersion, GlobalPosition, StreamName, StreamVersion};

/// Why the event log refused or failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another writer appended first. Read the stream again and decide again.
    #[error("stream {stream}: expected {expected:?}, found version {actual}", actual = actual.0)]
    WrongExpectedVersion {
        /// The stream that moved.
        stream: StreamName,
        /// What the writer believed.
        expected: ExpectedVersion,
        /// What the log holds.
        actual: StreamVersion,
    },
    /// Stored by us, unreadable by us: a bug or damage. Never retried.
    #[error("event at position {position} does not decode: {reason}", position = position.0)]
    Undecodable {
        /// Where it stands in the log.
        position: GlobalPosition,
        /// What the decoder said.
        reason: String,
    },
    /// More appends are waiting than the queue may hold. Try again shortly.
    #[error("the log has more appends waiting than it may queue")]
    Overloaded,
    /// The disk is full or refuses writes; nothing was recorded. Works again when there is room.
    #[error("the log cannot write: {reason}; free some disk space, nothing was recorded and nothing needs a restart")]
    StorageFull {
        /// What the database said.
        reason: String,
    },
    /// The file is damaged or is no database. A person must restore it.
    #[error(
        "{path} is not a usable database: {reason}; restore it from a backup or move it away to start with an empty log"
    )]
    Corrupt {
        /// The database file.
        path: PathBuf,
        /// What the check found.
        reason: String,
    },
    /// The database was written by a newer program. Use that program.
    #[error(
        "{path} was written by a newer gateledger (migration {version} is unknown to this one); start the newer version"
    )]
    NewerDatabase {
        /// The database file.
        path: PathBuf,
        /// The first migration this program does not know.
        version: i64,
    },
    /// The database lacks migrations that this program needs.
    #[error("{path} is behind by {missing} migration(s); run `gateledger migrate`")]
    Behind {
        /// The database file.
        path: PathBuf,
        /// How many are missing.
        missing: usize,
    },
    /// Another process already does this work on this database.
    #[error(
        "another gateledger process (pid {holder}) is already working on {path}; stop it first, or use its commands"
    )]
    AlreadyRunning {
        /// The database file.
        path: PathBuf,
        /// Process id as the holder wrote it.
        holder: String,
    },
    /// The store address cannot be used.
    #[error("store url: {0}")]
    BadUrl(String),
    /// The file or its folder cannot be opened.
    #[error("cannot open {path}")]
    Open {
        /// The database or lock file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// The database was opened for reading only: a bug in this program.
    #[error("{path} was opened for reading only")]
    ReadOnly {
        /// The database file.
        path: PathBuf,
    },
    /// The unit of work panicked; its changes were rolled back.
    #[error("a unit of work panicked and was rolled back")]
    Panicked,
    /// The log is closed: the process is stopping.
    #[error("the log is closed")]
    Closed,
    /// The database call failed for another reason.
    #[error("database call failed")]
    Database(#[source] Arc<sqlx::Error>),
}

/// SQLite's result codes, <https://www.sqlite.org/rescode.html> (read 2026-11). The low byte is the primary code.
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_READONLY: u32 = 8;
const SQLITE_IOERR: u32 = 10;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_CANTOPEN: u32 = 14;
const SQLITE_PROTOCOL: u32 = 15;
const SQLITE_NOTADB: u32 = 26;
const SQLITE_IOERR_READ: u32 = SQLITE_IOERR | (1 << 8);
const SQLITE_IOERR_SHORT_READ: u32 = SQLITE_IOERR | (2 << 8);
const SQLITE_IOERR_DATA: u32 = SQLITE_IOERR | (32 << 8);
const SQLITE_IOERR_CORRUPTFS: u32 = SQLITE_IOERR | (33 << 8);

impl Error {
    /// Whether the same call may succeed later without anybody doing anything but freeing resources.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Overloaded | Error::StorageFull { .. } => true,
            Error::Database(source) => match code(source) {
                Some(code) => matches!(code & 0xff, SQLITE_BUSY | SQLITE_LOCKED | SQLITE_IOERR | SQLITE_PROTOCOL),
                None => matches!(**source, sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed),
            },
            _ => false,
        }
    }

    /// Whether another process keeps the database to itself at this moment.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Error::Database(source) if code(source).is_some_and(|code| code & 0xff == SQLITE_BUSY))
    }

    /// Turns an opening failure into the answer a person can act on.
    pub(crate) fn opening(path: &std::path::Path, source: sqlx::Error) -> Self {
        let path = path.to_owned();
        match code(&source) {
            Some(found) if matches!(found & 0xff, SQLITE_CORRUPT | SQLITE_NOTADB) => {
                Error::Corrupt { path, reason: database_message(&source) }
            }
            Some(found) if is_failed_read(found) || matches!(found & 0xff, SQLITE_CANTOPEN | SQLITE_READONLY) => {
                Error::Open { path, source: Arc::new(std::io::Error::other(database_message(&source))) }
            }
            _ => Error::from(source),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        match code(&source) {
            Some(found)
                if !is_failed_read(found) && matches!(found & 0xff, SQLITE_FULL | SQLITE_IOERR | SQLITE_READONLY) =>
            {
                Error::StorageFull { reason: database_message(&source) }
            }
            _ => Error::Database(Arc::new(source)),
        }
    }
}

/// Input/output errors that say nothing about writing: a failed or short read, a damaged file system.
fn is_failed_read(code: u32) -> bool {
    matches!(code, SQLITE_IOERR_READ | SQLITE_IOERR_SHORT_READ | SQLITE_IOERR_DATA | SQLITE_IOERR_CORRUPTFS)
}

fn code(error: &sqlx::Error) -> Option<u32> {
    let sqlx::Error::Database(database) = error else { return None };
    database.code()?.parse().ok()
}

fn database_message(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => database.message().to_owned(),
        other => other.to_string(),
    }
}
