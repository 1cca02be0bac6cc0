//! Gateledger as separate processes on one database and one topic.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use testkit::kafka::OwnBroker;

use crate::process::{Process, free_address};
use crate::store::{Store, Stores};

/// A broker of the run's own.
pub(crate) struct Broker(OwnBroker);

impl Broker {
    pub(crate) fn start(stores: &Stores) -> Self {
        Broker(stores.wait(OwnBroker::start()))
    }

    /// The part of `gateledger.toml` that names it, with a topic of its own.
    pub(crate) fn config(&self) -> String {
        let topic = format!("bench.{}", uuid::Uuid::now_v7().simple());
        format!("[kafka]\nbrokers = \"{}\"\ntopic = \"{topic}\"\ngroup_prefix = \"{topic}\"\n", self.0.address())
    }
}

/// Some processes, killed when dropped.
pub(crate) struct Fleet {
    _processes: Vec<Process>,
}

impl Fleet {
    /// Starts processes with these roles each; the first that has the gateway listens at `address`.
    pub(crate) fn start(
        binary: &Path,
        folder: &Path,
        store: &Store,
        config: &str,
        address: SocketAddr,
        roles: &[&[&str]],
    ) -> anyhow::Result<Self> {
        std::fs::write(folder.join("gateledger.toml"), format!("{}{config}", store.config()))?;
        let mut processes = Vec::new();
        for roles in roles {
            let mut command = Command::new(binary);
            command.arg("serve").current_dir(folder);
            command.args(roles.iter().flat_map(|role| ["--role", role]));
            processes.push(match roles.contains(&"gateway") {
                true => Process::start(&mut command, address)?,
                false => Process::start_silent(&mut command)?,
            });
        }
        Ok(Fleet { _processes: processes })
    }
}

/// An address that nobody listens at, for processes without a gateway.
pub(crate) fn nowhere() -> anyhow::Result<SocketAddr> {
    free_address()
}
