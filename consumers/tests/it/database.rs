//! The databases that a test can run on, and one of its own for each.

use event_log::{Access, Database, Settings};
use tempfile::TempDir;
use testkit::postgres::TestDatabase;

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

/// Makes a test of each function on each database. They take an [`On`].
macro_rules! each_database {
    ($($test:ident),* $(,)?) => {
        each_database! { tokio::test; $($test),* }
    };
    ($attribute:meta; $($test:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[$attribute]
                async fn $test() {
                    super::$test(crate::database::On::Sqlite).await;
                }
            )*
        }
        mod postgres {
            $(
                #[$attribute]
                async fn $test() {
                    super::$test(crate::database::On::Postgres).await;
                }
            )*
        }
    };
}

/// A database that disappears with the test.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) url: String,
    _held: Held,
}

/// What takes the database away when it is dropped.
#[derive(Debug)]
#[expect(dead_code, reason = "held for its drop")]
enum Held {
    Folder(TempDir),
    Database(TestDatabase),
}

impl Place {
    pub(crate) async fn new(on: On) -> Self {
        match on {
            On::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite:{}", folder.path().join("gateledger.db").display());
                Place { url, _held: Held::Folder(folder) }
            }
            On::Postgres => Place::of(testkit::postgres::database().await),
        }
    }

    pub(crate) fn of(database: TestDatabase) -> Self {
        Place { url: database.url.clone(), _held: Held::Database(database) }
    }
}

pub(crate) async fn open(url: &str) -> Database {
    Database::open(&Settings::new(url, Access::CreateAndMigrate)).await.unwrap()
}
