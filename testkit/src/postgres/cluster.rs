//! A cluster of a test's own, to be crashed and started again.

use std::path::PathBuf;

use crate::services::{OwnServer, Server};

/// A PostgreSQL cluster on its own port with its own data, removed on drop. Starting one takes about a second and a half.
///
/// Its settings are durable (`fsync`, `synchronous_commit`, `full_page_writes`), so what was committed before
/// [`stop_immediate`](Self::stop_immediate) is there after [`start_again`](Self::start_again).
#[derive(Debug)]
pub struct Cluster {
    server: OwnServer,
}

impl Cluster {
    /// Makes and starts one.
    ///
    /// # Panics
    /// When PostgreSQL cannot be had or does not start.
    pub async fn start() -> Self {
        Self { server: OwnServer::start(Server::Postgres).await }
    }

    /// Address of its database `postgres`, as superuser; the same after a restart.
    pub fn url(&self) -> &str {
        self.server.address()
    }

    /// Where its data and its server log (`server.log`) are.
    pub fn data_folder(&self) -> PathBuf {
        self.server.folder().join("data")
    }

    /// Ends it at once, without a checkpoint and with every connection cut, as a crash would.
    ///
    /// # Panics
    /// When the script fails.
    pub async fn stop_immediate(&self) {
        self.server.crash().await;
    }

    /// Starts it again with the same data on the same port; returns when recovery is over and it accepts connections.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_again(&self) {
        self.server.resume().await;
    }
}
