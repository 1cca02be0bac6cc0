//! The databases that things are measured on: SQLite files, and a PostgreSQL cluster of the run's own.

use std::path::Path;

use anyhow::Context as _;
use testkit::postgres::{Cluster, TestDatabase, database_in};
use tokio::runtime::Runtime;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file in the run's folder.
    Sqlite,
    /// A database in the run's cluster.
    Postgres,
}

impl Kind {
    pub(crate) const BOTH: [Kind; 2] = [Kind::Sqlite, Kind::Postgres];

    /// For tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Sqlite => "SQLite",
            Kind::Postgres => "PostgreSQL",
        }
    }
}

/// Makes databases; starts the cluster when the first one is wanted.
pub(crate) struct Stores {
    runtime: Runtime,
    cluster: Option<Cluster>,
}

/// A database, empty at first; gone with the value.
pub(crate) struct Store {
    pub(crate) kind: Kind,
    pub(crate) url: String,
    _database: Option<TestDatabase>,
}

impl Stores {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Stores { runtime, cluster: None })
    }

    /// An empty database; the file of SQLite lies in `folder`.
    pub(crate) fn make(&mut self, kind: Kind, folder: &Path) -> Store {
        if kind == Kind::Sqlite {
            let url = format!("sqlite:{}", folder.join("gateledger.db").display());
            return Store { kind, url, _database: None };
        }
        let (runtime, cluster) = (&self.runtime, &mut self.cluster);
        let cluster = cluster.get_or_insert_with(|| runtime.block_on(Cluster::start()));
        let database = runtime.block_on(database_in(cluster.url()));
        Store { kind, url: database.url.clone(), _database: Some(database) }
    }

    /// Runs something that waits.
    pub(crate) fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(what)
    }
}

impl Store {
    /// Its part of `gateledger.toml`.
    pub(crate) fn config(&self) -> String {
        format!("[store]\nurl = \"{}\"\n[vault]\nkey_file = \"gateledger.key\"\n", self.url)
    }

    /// Brings it up to date with the binary under measurement.
    pub(crate) fn migrate(&self, binary: &Path, folder: &Path) -> anyhow::Result<()> {
        std::fs::write(folder.join("gateledger.toml"), self.config())?;
        let status = std::process::Command::new(binary)
            .arg("migrate")
            .current_dir(folder)
            .stdout(std::process::Stdio::null())
            .status()
            .context("running migrate")?;
        anyhow::ensure!(status.success(), "migrate failed");
        Ok(())
    }
}
