//! Processes under measurement.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// Builds the release binary and says where it is.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--bin", "gateledger"])
        .status()
        .context("running cargo")?;
    if !status.success() {
        bail!("the binary does not build");
    }
    let me = std::env::current_exe()?;
    let folder = me.parent().context("the bench binary is in no folder")?;
    Ok(folder.join("gateledger"))
}

/// A child that is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// From its start until it accepted a connection.
    pub(crate) started_in: Duration,
}

impl Process {
    /// Starts a command that will listen at `address`, and waits until it does.
    pub(crate) fn start(command: &mut Command, address: SocketAddr) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("starting a process")?;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = child.try_wait()? {
                bail!("the process under measurement ended at once ({status})");
            }
            if begun.elapsed() > Duration::from_secs(20) {
                bail!("the process under measurement does not listen at {address}");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Process { child, started_in: begun.elapsed() })
    }

    /// Starts a command that listens nowhere.
    pub(crate) fn start_silent(command: &mut Command) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("starting a process")?;
        Ok(Process { child, started_in: begun.elapsed() })
    }

    /// Memory of the process now, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.kibibytes("VmRSS:") * 1024
    }

    fn kibibytes(&self, key: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address on loopback that nobody uses.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

/// `gateledger serve` with a configuration in a folder.
pub(crate) fn serve(binary: &Path, folder: &Path, config: &str, address: SocketAddr) -> anyhow::Result<Process> {
    std::fs::write(folder.join("gateledger.toml"), config)?;
    Process::start(Command::new(binary).arg("serve").current_dir(folder), address)
}
