//! The script `tests/services`, which knows how to start, crash, resume and remove servers.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How to get the shared servers, for messages.
pub(crate) const REMEDY: &str = "start it with: eval \"$(tests/services start)\"   (tests/run does it by itself)";

/// What names the shared servers in the environment.
///
/// # Panics
/// When the variable is missing, with the remedy.
#[expect(
    clippy::disallowed_methods,
    reason = "`tests/services` names its servers in the environment, and tests have no configuration"
)]
pub(crate) fn variable(name: &str) -> String {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => value,
        _ => panic!("{name} is not set, so this test has no server; {REMEDY}"),
    }
}

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Postgres,
    Kafka,
}

impl Server {
    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Kafka => "kafka",
        }
    }

    fn without_the_other(self) -> &'static str {
        match self {
            Self::Postgres => "--without-kafka",
            Self::Kafka => "--without-postgres",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "GATELEDGER_TEST_POSTGRES",
            Self::Kafka => "GATELEDGER_TEST_KAFKA",
        }
    }
}

/// One server of a test's own. Its process ends and its data goes when this is dropped; if the test process is killed, the next
/// `tests/services start` or `stop` clears up.
#[derive(Debug)]
pub(crate) struct OwnServer {
    server: Server,
    folder: PathBuf,
    address: String,
}

impl OwnServer {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When it cannot be had.
    pub(crate) async fn start(server: Server) -> Self {
        Self::start_with(server, &[]).await
    }

    /// The same with more arguments for the script.
    ///
    /// # Panics
    /// When it cannot be had.
    pub(crate) async fn start_with(server: Server, arguments: &[&str]) -> Self {
        let owner = std::process::id().to_string();
        let usual = ["start", "--for", &owner, server.without_the_other()];
        let exports = script(usual.iter().chain(arguments)).await;
        let export = |variable: &str| {
            let prefix = format!("export {variable}=");
            let value = exports.lines().find_map(|line| line.strip_prefix(&prefix));
            value.unwrap_or_else(|| panic!("tests/services names no {variable} in {exports:?}")).to_owned()
        };
        Self { server, folder: export("GATELEDGER_TEST_SERVICES").into(), address: export(server.variable()) }
    }

    /// Where clients find it; the same after every restart.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.join(self.server.name())
    }

    /// Ends it as a power cut would: nothing is finished, the data stays.
    pub(crate) async fn crash(&self) {
        script([OsStr::new("crash"), self.server.name().as_ref(), self.folder.as_os_str()]).await;
    }

    /// Starts it again with the same data on the same port; returns when it accepts connections.
    pub(crate) async fn resume(&self) {
        script([OsStr::new("resume"), self.server.name().as_ref(), self.folder.as_os_str()]).await;
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // Blocks the thread for a moment; there is no other way to be sure that nothing outlives a test.
        let _ = command([OsStr::new("stop"), self.folder.as_os_str()]).output();
    }
}

/// Runs the script and gives its output.
async fn script<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> String {
    let output = tokio::process::Command::from(command(arguments)).output().await;
    let output = output.expect("bash starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tests/services failed\n{said}");
    String::from_utf8(output.stdout).expect("tests/services writes UTF-8")
}

fn command<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/services");
    let mut command = Command::new("bash");
    command.arg(path).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
