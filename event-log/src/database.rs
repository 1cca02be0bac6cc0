//! Opening the database under the log: a SQLite file or a PostgreSQL server.

mod postgres;
mod sqlite;
pub(crate) mod transaction;
mod write_back;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use chrono::TimeDelta;
use postgres::PostgresServer;
use sqlite::SqliteFile;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::sql::{Connection, Dialect, Pool};
use crate::{Error, GlobalPosition};

pub use postgres::Grant;
pub(crate) use postgres::{UNFINISHED_COPY, connect_to_fill, raise};
pub(crate) use transaction::WRITE_LOCK;
pub(crate) use write_back::WriteBack;

/// What the opener is going to do with the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Create what is missing and bring it up to this program.
    CreateAndMigrate,
    /// Use a database that is up to date; never create or migrate one.
    Existing,
    /// Read only; the database must exist.
    ReadOnly,
}

/// How to open the database.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `sqlite:<path>` or `postgres://…`.
    pub url: String,
    /// What the opener is going to do.
    pub access: Access,
    /// Read connections, default 4. More do not help: readers of one SQLite file share its cache of pages, and
    /// processes on PostgreSQL have theirs each.
    pub readers: u32,
}

impl Settings {
    /// The usual settings for a role that works on the database.
    #[must_use]
    pub fn new(url: impl Into<String>, access: Access) -> Self {
        Settings { url: url.into(), access, readers: 4 }
    }
}

/// An open database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    backend: Arc<Backend>,
    readers: Pool,
    access: Access,
}

#[derive(Debug)]
enum Backend {
    Sqlite(SqliteFile),
    Postgres(PostgresServer),
}

impl Database {
    /// Opens the database, checks it, and migrates it where that was asked for.
    ///
    /// # Errors
    /// [`Error::BadUrl`], [`Error::Open`], [`Error::Corrupt`], [`Error::NewerDatabase`], [`Error::Behind`].
    pub async fn open(settings: &Settings) -> Result<Self, Error> {
        let (backend, readers) = if postgres::is_address(&settings.url) {
            let server = PostgresServer::open(settings).await?;
            let readers = Pool::Postgres(server.readers.clone());
            (Backend::Postgres(server), readers)
        } else {
            let file = SqliteFile::open(settings).await?;
            let readers = Pool::Sqlite(file.readers.clone());
            (Backend::Sqlite(file), readers)
        };
        Ok(Database { backend: Arc::new(backend), readers, access: settings.access })
    }

    /// Which database it is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.readers.dialect()
    }

    /// The database as messages name it: the file, or the server's address without a password.
    #[must_use]
    pub fn name(&self) -> String {
        match &*self.backend {
            Backend::Sqlite(file) => file.path.display().to_string(),
            Backend::Postgres(server) => server.name.clone(),
        }
    }

    /// The file, where it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &*self.backend {
            Backend::Sqlite(file) => Some(&file.path),
            Backend::Postgres(_) => None,
        }
    }

    /// Connections for reading; they cannot write.
    #[must_use]
    pub fn readers(&self) -> &Pool {
        &self.readers
    }

    /// Whether several processes may work on it at a time; what only one may do is then held by leases.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.dialect() == Dialect::Postgres
    }

    /// Reads a whole SQLite file and checks its structure; minutes for very large files. PostgreSQL checks its own.
    ///
    /// # Errors
    /// [`Error::Corrupt`] with the first finding.
    pub async fn check_integrity(&self) -> Result<(), Error> {
        match &*self.backend {
            Backend::Sqlite(file) => file.check_integrity().await,
            Backend::Postgres(_) => Ok(()),
        }
    }

    /// Claims the work on this database for this process, where only one process may work on it; a second claim fails
    /// at once. A database that is shared is not claimed.
    ///
    /// The operating system releases the claim when the process ends, however it ends.
    ///
    /// # Errors
    /// [`Error::AlreadyRunning`] with the holder's process id, [`Error::Open`] when the lock file cannot be made.
    pub fn lock_roles(&self) -> Result<RoleLock, Error> {
        let file = match &*self.backend {
            Backend::Sqlite(file) => Some(file.lock_roles()?),
            Backend::Postgres(_) => None,
        };
        Ok(RoleLock { _file: file })
    }

    /// Gives the role that the program runs as what it needs, and no more; the opener must own the tables.
    ///
    /// # Errors
    /// [`Error::BadUrl`] on a database that has no roles, database failures.
    pub async fn grant(&self, grant: &Grant) -> Result<(), Error> {
        match &*self.backend {
            Backend::Sqlite(_) => Err(Error::BadUrl("a SQLite file has no roles to grant anything to".to_owned())),
            Backend::Postgres(server) => server.grant(grant).await,
        }
    }

    /// How far the clock by which several machines agree is ahead of this machine's.
    pub(crate) fn ahead(&self) -> TimeDelta {
        match &*self.backend {
            Backend::Sqlite(_) => TimeDelta::zero(),
            Backend::Postgres(server) => server.ahead(),
        }
    }

    /// Whether it was opened for more than reading.
    pub(crate) fn is_writable(&self) -> bool {
        self.access != Access::ReadOnly
    }

    /// A connection for the one writer of this process.
    pub(crate) async fn connect_writer(&self) -> Result<Connection, Error> {
        match &*self.backend {
            Backend::Sqlite(file) => Ok(file.connect_writer().await?.into()),
            Backend::Postgres(server) => Ok(server.connect_writer().await?.into()),
        }
    }

    /// Starts the task that moves committed pages, where the database leaves that to us.
    pub(crate) async fn start_write_back(&self) -> Result<Option<WriteBack>, Error> {
        match &*self.backend {
            Backend::Sqlite(file) => Ok(Some(WriteBack::start(file.connect_writer().await?))),
            Backend::Postgres(_) => Ok(None),
        }
    }

    /// Follows what other processes append, where there can be any, until `stop`.
    pub(crate) async fn follow_others(&self, head: watch::Sender<GlobalPosition>, stop: CancellationToken) {
        if let Backend::Postgres(server) = &*self.backend {
            server.follow_others(head, stop).await;
        }
    }
}

/// Held while this process works on the database.
#[derive(Debug)]
pub struct RoleLock {
    _file: Option<File>,
}
