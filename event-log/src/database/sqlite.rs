//! The SQLite file: settings, integrity, migrations, who may work on it.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};

use super::{Access, Settings};
use crate::{Error, migrations};

/// An open database file.
#[derive(Debug)]
pub(super) struct SqliteFile {
    pub(super) path: PathBuf,
    options: SqliteConnectOptions,
    pub(super) readers: SqlitePool,
}

/// Files up to this size are checked whole at start (about 100 ms); larger ones are checked by [`Database::check_integrity`].
const QUICK_CHECK_BYTES: u64 = 32 * 1024 * 1024;

/// How long another process may keep the database to itself.
const BUSY: Duration = Duration::from_secs(10);
/// Pause where SQLite does not wait by itself.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

impl SqliteFile {
    /// Opens the file, checks it, and migrates it where that was asked for.
    ///
    /// # Errors
    /// [`Error::BadUrl`], [`Error::Open`], [`Error::Corrupt`], [`Error::NewerDatabase`], [`Error::Behind`].
    pub(super) async fn open(settings: &Settings) -> Result<Self, Error> {
        let begun = Instant::now();
        loop {
            match Self::open_at_once(settings).await {
                // Turning a new file over to its write-ahead log, and taking that log away, do not wait for each other.
                Err(error) if error.is_busy() && begun.elapsed() < BUSY => tokio::time::sleep(BUSY_PAUSE).await,
                opened => return opened,
            }
        }
    }

    async fn open_at_once(settings: &Settings) -> Result<Self, Error> {
        let path = path_of(&settings.url)?;
        let create = settings.access == Access::CreateAndMigrate;
        if !create && !path.exists() {
            let source = std::io::Error::new(std::io::ErrorKind::NotFound, "there is no such database file");
            return Err(Error::Open { database: shown(&path), source: Arc::new(source) });
        }
        check_folder(&path)?;
        check_not_emptied(&path)?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // So that REPLACE, which deletes, meets the trigger that refuses to delete events.
            .pragma("recursive_triggers", "on")
            .busy_timeout(BUSY)
            .pragma("cache_size", "-16384")
            .pragma("temp_store", "memory")
            .pragma("journal_size_limit", "67108864")
            .statement_cache_capacity(256)
            .disable_statement_logging();

        let read_only = options.clone().read_only(true).pragma("query_only", "on");
        let first = if settings.access == Access::ReadOnly { &read_only } else { &options };
        let mut first = first.connect().await.map_err(|source| Error::opening(&shown(&path), source))?;
        if std::fs::metadata(&path).map(|file| file.len()).unwrap_or(0) <= QUICK_CHECK_BYTES {
            quick_check(&mut first, &path).await?;
        }
        let missing = migrations::missing_on_sqlite(&mut first, &shown(&path)).await?;
        match (missing, create) {
            (0, _) => {}
            (missing, true) => migrations::run_on_sqlite(&mut first, &shown(&path), missing).await?,
            (missing, false) => return Err(Error::Behind { database: shown(&path), missing }),
        }
        first.close().await.map_err(|source| Error::opening(&shown(&path), source))?;

        let readers = SqlitePoolOptions::new()
            .max_connections(settings.readers)
            .min_connections(0)
            .idle_timeout(Duration::from_secs(600))
            .connect_with(read_only)
            .await
            .map_err(|source| Error::opening(&shown(&path), source))?;
        Ok(SqliteFile { path, options, readers })
    }

    /// Reads the whole file and checks its structure; minutes for very large files.
    ///
    /// # Errors
    /// [`Error::Corrupt`] with the first finding.
    pub(super) async fn check_integrity(&self) -> Result<(), Error> {
        let mut connection = self.readers.acquire().await?;
        quick_check(&mut connection, &self.path).await
    }

    /// Claims the work on this database for this process; a second claim fails at once.
    ///
    /// The operating system releases the claim when the process ends, however it ends.
    ///
    /// # Errors
    /// [`Error::AlreadyRunning`] with the holder's process id, [`Error::Open`] when the lock file cannot be made.
    pub(super) fn lock_roles(&self) -> Result<File, Error> {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let opened = |source: std::io::Error| Error::Open { database: shown(&path), source: Arc::new(source) };
        let mut file =
            File::options().create(true).truncate(false).read(true).write(true).open(&path).map_err(opened)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                return Err(Error::AlreadyRunning { database: shown(&self.path), holder: holder.trim().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(opened(source)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(opened)?;
        write!(file, "{}", std::process::id()).map_err(opened)?;
        Ok(file)
    }

    /// A connection for the one writer of this process and its write-back, which moves pages instead of the commits.
    pub(super) async fn connect_writer(&self) -> Result<SqliteConnection, Error> {
        let options = self.options.clone().pragma("wal_autocheckpoint", "0");
        options.connect().await.map_err(|source| Error::opening(&shown(&self.path), source))
    }
}

fn path_of(url: &str) -> Result<PathBuf, Error> {
    let Some(rest) = url.strip_prefix("sqlite:") else {
        return Err(Error::BadUrl(format!("{url:?} must look like sqlite:<path>")));
    };
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path == ":memory:" {
        return Err(Error::BadUrl("it names no file; use sqlite:<path>, for instance sqlite:gateledger.db".to_owned()));
    }
    if path.contains('?') {
        return Err(Error::BadUrl(format!("{url:?} has parameters, which a file does not take; use sqlite:<path>")));
    }
    Ok(PathBuf::from(path))
}

fn check_folder(path: &Path) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(std::io::Error::new(std::io::ErrorKind::NotADirectory, "its parent is not a folder")),
        Err(source) => Err(source),
    }
    .map_err(|source| Error::Open { database: shown(path), source: Arc::new(source) })
}

/// An empty file is a new database, unless transactions were committed to it: then something emptied it.
fn check_not_emptied(path: &Path) -> Result<(), Error> {
    let mut write_ahead = path.as_os_str().to_owned();
    write_ahead.push("-wal");
    let length = |path: &Path| std::fs::metadata(path).ok().map(|file| file.len());
    match (length(path), length(Path::new(&write_ahead))) {
        (Some(0), Some(1..)) => Err(Error::Corrupt {
            database: shown(path),
            reason: "it is empty, but its write-ahead log is not".to_owned(),
        }),
        _ => Ok(()),
    }
}

async fn quick_check(connection: &mut SqliteConnection, path: &Path) -> Result<(), Error> {
    let findings: Vec<String> = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_all(connection)
        .await
        .map_err(|source| Error::opening(&shown(path), source))?;
    match findings.into_iter().next() {
        Some(first) if first != "ok" => Err(Error::Corrupt { database: shown(path), reason: first }),
        _ => Ok(()),
    }
}

/// The file as messages name it.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
