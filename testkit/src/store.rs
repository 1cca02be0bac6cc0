//! A database of its own for one test, of either kind; and every test on both.

use tempfile::TempDir;

use crate::postgres::{self, TestDatabase};

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A file in a folder of its own.
    Sqlite,
    /// A database in the shared cluster.
    Postgres,
}

/// An empty database, gone with this value.
#[derive(Debug)]
pub struct Store {
    /// Its address, as `store.url` takes it.
    pub url: String,
    _held: Held,
}

/// What takes the database away when it is dropped.
#[derive(Debug)]
#[expect(dead_code, reason = "held for its drop")]
enum Held {
    Folder(TempDir),
    Database(TestDatabase),
}

impl Backend {
    /// Makes a database.
    ///
    /// # Panics
    /// When it cannot be had, with the remedy.
    pub async fn store(self) -> Store {
        match self {
            Backend::Sqlite => {
                let folder = tempfile::tempdir().expect("a temporary folder can be made");
                let url = format!("sqlite:{}", folder.path().join("gateledger.db").display());
                Store { url, _held: Held::Folder(folder) }
            }
            Backend::Postgres => postgres::database().await.into(),
        }
    }
}

impl From<TestDatabase> for Store {
    fn from(database: TestDatabase) -> Self {
        Store { url: database.url.clone(), _held: Held::Database(database) }
    }
}

/// Makes a test on each database of functions that take a [`Backend`]. A function that is left out is dead code.
#[macro_export]
macro_rules! on_both_databases {
    (#[$test:meta] $($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[$test]
            async fn $name() {
                super::$name($crate::store::Backend::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[$test]
            async fn $name() {
                super::$name($crate::store::Backend::Postgres).await;
            })*
        }
    };
}
