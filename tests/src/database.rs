//! The database of a site: a file in its folder, or one of its own on a PostgreSQL server.

use std::path::{Path, PathBuf};

use testkit::postgres::TestDatabase;

/// Which kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// A file.
    Sqlite,
    /// A database on the shared server of the test run.
    Postgres,
}

/// A database, removed with this value.
#[derive(Debug)]
pub enum Database {
    /// Of SQLite.
    File(PathBuf),
    /// Of PostgreSQL.
    Server(TestDatabase),
}

impl Database {
    /// A new one of that kind; `folder` is where a file is put.
    ///
    /// # Panics
    /// When there is no server.
    #[must_use]
    pub fn new(store: Store, folder: &Path) -> Self {
        match store {
            Store::Sqlite => Database::File(folder.join("gateledger.db")),
            Store::Postgres => Database::Server(block_on(testkit::postgres::database())),
        }
    }

    /// A new one on this PostgreSQL server.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn on_server(url: &str) -> Self {
        Database::Server(block_on(testkit::postgres::database_in(url)))
    }

    /// Its address on a server.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        match self {
            Database::File(_) => None,
            Database::Server(database) => Some(&database.url),
        }
    }
}

/// Waits for a future where nothing else is to be done.
///
/// # Panics
/// When no runtime can be made.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(future)
}
