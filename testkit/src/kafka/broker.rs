//! A real broker on loopback: shared, or a test's own.

use std::path::PathBuf;

use crate::services::{self, OwnServer, Server};

/// Address (`host:port`) of the shared broker. Tests share it, so topics and groups need names of their own, and it is not to be
/// killed.
///
/// # Panics
/// Without `GATELEDGER_TEST_KAFKA`, with the remedy.
pub fn broker() -> String {
    services::variable("GATELEDGER_TEST_KAFKA")
}

/// A broker on its own port with its own data, removed on drop.
///
/// What it acknowledged before [`kill`](Self::kill) is there after [`start_again`](Self::start_again).
#[derive(Debug)]
pub struct OwnBroker {
    server: OwnServer,
}

impl OwnBroker {
    /// Starts one.
    ///
    /// # Panics
    /// When the broker cannot be had or does not start.
    pub async fn start() -> Self {
        Self { server: OwnServer::start(Server::Kafka).await }
    }

    /// Starts one that lets in only the user of that name (SASL, SCRAM-SHA-512), and sends clients to `port` of this machine,
    /// where the test has something before it.
    ///
    /// # Panics
    /// When the broker cannot be had or does not start.
    pub async fn start_guarded(port: u16, name: &str, password: &str) -> Self {
        let (port, user) = (port.to_string(), format!("{name}:{password}"));
        let arguments = ["--kafka-behind", &port, "--kafka-user", &user];
        Self { server: OwnServer::start_with(Server::Kafka, &arguments).await }
    }

    /// Its address (`host:port`); the same after a restart.
    pub fn address(&self) -> &str {
        self.server.address()
    }

    /// Where its records and its log (`server.log`) are.
    pub fn folder(&self) -> PathBuf {
        self.server.folder()
    }

    /// Kills the process (`SIGKILL`).
    ///
    /// # Panics
    /// When the script fails.
    pub async fn kill(&self) {
        self.server.crash().await;
    }

    /// Starts it again with the same records on the same port; returns when it accepts connections.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_again(&self) {
        self.server.resume().await;
    }
}
