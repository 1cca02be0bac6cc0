//! A database of its own for one test.

use tempfile::TempDir;
use testkit::postgres::TestDatabase;

/// Which database a test runs on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// An empty database, gone with this value.
pub(crate) struct Store {
    pub(crate) url: String,
    _held: Held,
}

/// What takes the database away when it is dropped.
#[expect(dead_code, reason = "held for its drop")]
enum Held {
    Folder(TempDir),
    Database(TestDatabase),
}

impl From<TestDatabase> for Store {
    fn from(database: TestDatabase) -> Self {
        Store { url: database.url.clone(), _held: Held::Database(database) }
    }
}

impl Backend {
    pub(crate) async fn store(self) -> Store {
        match self {
            Backend::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite:{}", folder.path().join("gateledger.db").display());
                Store { url, _held: Held::Folder(folder) }
            }
            Backend::Postgres => testkit::postgres::database().await.into(),
        }
    }
}

/// Makes a test on each database of functions that take a [`Backend`].
macro_rules! on_both_databases {
    (#[$test:meta] $($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[$test]
            async fn $name() {
                super::$name(crate::store::Backend::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[$test]
            async fn $name() {
                super::$name(crate::store::Backend::Postgres).await;
            })*
        }
    };
}

pub(crate) use on_both_databases;
