//! Why the event log refused or failed, split by what the caller can do about it.

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
    /// The database is damaged or is none. A person must restore it.
    #[error(
        "{database} is not a usable database: {reason}; restore it from a backup or move it away to start with an empty log"
    )]
    Corrupt {
        /// The database, as messages name it.
        database: String,
        /// What the check found.
        reason: String,
    },
    /// The database was written by a newer program. Use that program.
    #[error(
        "{database} was written by a newer gateledger (migration {version} is unknown to this one); start the newer version"
    )]
    NewerDatabase {
        /// The database, as messages name it.
        database: String,
        /// The first migration this program does not know.
        version: i64,
    },
    /// The database lacks migrations that this program needs.
    #[error("{database} is behind by {missing} migration(s); run `gateledger migrate`")]
    Behind {
        /// The database, as messages name it.
        database: String,
        /// How many are missing.
        missing: usize,
    },
    /// The database is being filled with another store, or that was interrupted. Nothing works on it until it is whole.
    #[error(
        "{database} holds an unfinished copy of another store; run `gateledger migrate-store` with the same addresses again, \
         which goes on where it stopped, or use another database"
    )]
    UnfinishedCopy {
        /// The database, as messages name it.
        database: String,
    },
    /// Another process already does this work on this database.
    #[error(
        "another gateledger process (pid {holder}) is already working on {database}; stop it first, or use its commands"
    )]
    AlreadyRunning {
        /// The database, as messages name it.
        database: String,
        /// Process id as the holder wrote it.
        holder: String,
    },
    /// The store address cannot be used.
    #[error("store url: {0}")]
    BadUrl(String),
    /// The owner of the tables may not hand any to the program's role. A person must make it a member.
    #[error(
        "the role {owner} cannot give the read models to {role}: it must be a member of that role; run as an \
         administrator: GRANT \"{role}\" TO \"{owner}\""
    )]
    NotAMember {
        /// Who owns the tables.
        owner: String,
        /// The program's role.
        role: String,
    },
    /// The file, its folder or the server cannot be opened.
    #[error("cannot open {database}")]
    Open {
        /// The database or lock file, as messages name it.
        database: String,
        /// What the operating system said.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// The database was opened for reading only: a bug in this program.
    #[error("{database} was opened for reading only")]
    ReadOnly {
        /// The database, as messages name it.
        database: String,
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

impl Error {
    /// Whether the same call may succeed later without anybody doing anything but freeing resources.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Overloaded | Error::StorageFull { .. } => true,
            Error::Database(source) => match Cause::of(source) {
                Cause::Sqlite(code) => sqlite::may_pass(code),
                Cause::Postgres(state) => postgres::may_pass(state),
                Cause::Driver => matches!(
                    **source,
                    sqlx::Error::PoolTimedOut
                        | sqlx::Error::Io(_)
                        | sqlx::Error::Tls(_)
                        | sqlx::Error::Protocol(_)
                        | sqlx::Error::WorkerCrashed
                ),
            },
            _ => false,
        }
    }

    /// Whether another process keeps the database to itself at this moment.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Error::Database(source)
            if matches!(Cause::of(source), Cause::Sqlite(code) if code & 0xff == sqlite::BUSY))
    }

    /// Turns an opening failure into the answer a person can act on.
    pub(crate) fn opening(database: &str, source: sqlx::Error) -> Self {
        let database = database.to_owned();
        match Cause::of(&source) {
            Cause::Sqlite(code) if sqlite::is_damage(code) => Error::Corrupt { database, reason: message(&source) },
            Cause::Sqlite(code) if !sqlite::cannot_open(code) => Error::from(source),
            Cause::Driver if matches!(source, sqlx::Error::WorkerCrashed) => Error::from(source),
            _ => Error::Open { database, source: Arc::new(std::io::Error::other(message(&source))) },
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        let is_full = match Cause::of(&source) {
            Cause::Sqlite(code) => sqlite::cannot_write(code),
            Cause::Postgres(state) => state == postgres::DISK_FULL,
            Cause::Driver => false,
        };
        if is_full { Error::StorageFull { reason: message(&source) } } else { Error::Database(Arc::new(source)) }
    }
}

/// Who says what went wrong.
enum Cause<'e> {
    /// SQLite, by its result code.
    Sqlite(u32),
    /// PostgreSQL, by its SQLSTATE.
    Postgres(&'e str),
    /// The driver.
    Driver,
}

impl<'e> Cause<'e> {
    fn of(error: &'e sqlx::Error) -> Self {
        let sqlx::Error::Database(database) = error else { return Cause::Driver };
        if let Some(postgres) = database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
            return Cause::Postgres(postgres.code());
        }
        database.code().and_then(|code| code.parse().ok()).map_or(Cause::Driver, Cause::Sqlite)
    }
}

fn message(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => database.message().to_owned(),
        other => other.to_string(),
    }
}

/// SQLite's result codes, <https://www.sqlite.org/rescode.html> (read 2026-11). The low byte is the primary code.
mod sqlite {
    pub(super) const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    const READONLY: u32 = 8;
    const IOERR: u32 = 10;
    const CORRUPT: u32 = 11;
    const FULL: u32 = 13;
    const CANTOPEN: u32 = 14;
    const PROTOCOL: u32 = 15;
    const NOTADB: u32 = 26;
    const IOERR_READ: u32 = IOERR | (1 << 8);
    const IOERR_SHORT_READ: u32 = IOERR | (2 << 8);
    const IOERR_DATA: u32 = IOERR | (32 << 8);
    const IOERR_CORRUPTFS: u32 = IOERR | (33 << 8);

    pub(super) fn may_pass(code: u32) -> bool {
        matches!(code & 0xff, BUSY | LOCKED | IOERR | PROTOCOL)
    }

    pub(super) fn is_damage(code: u32) -> bool {
        matches!(code & 0xff, CORRUPT | NOTADB)
    }

    pub(super) fn cannot_open(code: u32) -> bool {
        is_failed_read(code) || matches!(code & 0xff, CANTOPEN | READONLY)
    }

    pub(super) fn cannot_write(code: u32) -> bool {
        !is_failed_read(code) && matches!(code & 0xff, FULL | IOERR | READONLY)
    }

    /// Input/output errors that say nothing about writing: a failed or short read, a damaged file system.
    fn is_failed_read(code: u32) -> bool {
        matches!(code, IOERR_READ | IOERR_SHORT_READ | IOERR_DATA | IOERR_CORRUPTFS)
    }
}

/// PostgreSQL's SQLSTATE codes, <https://www.postgresql.org/docs/current/errcodes-appendix.html> (read 2026-11).
mod postgres {
    pub(super) const DISK_FULL: &str = "53100";

    /// Connection trouble (08), a server that lacks resources (53), is stopping, starting or only a standby at the
    /// moment, a session it ended, and transactions that met each other.
    pub(super) fn may_pass(state: &str) -> bool {
        state.starts_with("08")
            || state.starts_with("53")
            || matches!(
                state,
                "57P01" | "57P02" | "57P03" | "57P05" | "25006" | "25P03" | "40001" | "40P01" | "55P03" | "57014"
            )
    }
}
