//! A simulated Zoho organisation in this process, and the settings that point at it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;
use simulator::seed::constants::{ORG_A, ORG_A_CLIENT_ID, ORG_A_CLIENT_SECRET, ORG_A_REFRESH_TOKEN};
use simulator::{Control, Seed, Simulator};

/// What tokens of the API are signed with.
pub(crate) const AUTH_SECRET: &str = "a secret of the measurement only, long enough";
/// The organisation that the account belongs to.
pub(crate) const ORGANIZATION: &str = "acme";

/// The account `org-a` of an organisation and its provider.
pub(crate) struct Simulated {
    simulator: Simulator,
}

impl Simulated {
    pub(crate) fn start(seed: &Seed, folder: &Path) -> anyhow::Result<Self> {
        let options = simulator::Options { spool_directory: folder.to_owned(), ..simulator::Options::default() };
        Ok(Simulated { simulator: simulator::start(seed, options)? })
    }

    pub(crate) fn control(&self) -> Control {
        self.simulator.control()
    }

    /// The address of another service of the simulator: `google`, `ingest`.
    pub(crate) fn service(&self, name: &str) -> anyhow::Result<String> {
        self.simulator.services().get(name).cloned().with_context(|| format!("the simulator has no {name}"))
    }

    /// Settings of a gateledger with this account.
    pub(crate) fn config(&self, listen: SocketAddr) -> String {
        let endpoints: String =
            self.simulator.endpoints().iter().map(|(name, url)| format!("{name} = \"{url}\"\n")).collect();
        format!(
            "[http]\nlisten = \"{listen}\"\n[log]\nlevel = \"warn\"\n[auth]\nsecret = \"{AUTH_SECRET}\"\n\
             [accounts.{ORG_A}]\nprovider = \"zoho\"\norganization = \"{ORGANIZATION}\"\n\
             client_id = \"{ORG_A_CLIENT_ID}\"\nclient_secret = \"{ORG_A_CLIENT_SECRET}\"\n\
             refresh_token = \"{ORG_A_REFRESH_TOKEN}\"\n[accounts.{ORG_A}.endpoints]\n{endpoints}"
        )
    }

    /// Requests of routes that begin with `prefix`, and those of them that were answered 429.
    pub(crate) fn requests(&self, prefix: &str) -> (u64, u64) {
        let routes = self.control().counts().routes;
        let asked = routes.iter().filter(|(route, _)| route.starts_with(prefix)).flat_map(|(_, answers)| answers);
        asked.fold((0, 0), |(all, refused), (status, count)| {
            (all + count, refused + if *status == 429 { *count } else { 0 })
        })
    }
}

/// Runs a command of the binary in `folder` and gives what it printed as JSON.
pub(crate) fn command(binary: &Path, folder: &Path, arguments: &[&str]) -> anyhow::Result<Value> {
    let output = Command::new(binary).args(arguments).arg("--json").current_dir(folder).output()?;
    if !output.status.success() {
        bail!("{arguments:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("{arguments:?} printed no JSON"))
}

/// A token for the API.
pub(crate) fn token(binary: &Path, folder: &Path, role: &str) -> anyhow::Result<String> {
    let issued = command(binary, folder, &["token", "issue", "--role", role, "--organization", ORGANIZATION])?;
    Ok(issued["token"].as_str().context("no token was printed")?.to_owned())
}

/// Waits until `is_done`, and says how long that took.
pub(crate) fn until(limit: Duration, what: &str, is_done: impl Fn() -> bool) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    while !is_done() {
        if begun.elapsed() > limit {
            bail!("not within {} s: {what}", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(begun.elapsed())
}
