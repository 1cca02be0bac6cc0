//! `simulate`: the provider simulator on a port of its own.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;

use crate::args;
use crate::output::Output;

/// Runs the simulator until interrupted.
///
/// # Errors
/// When the seed cannot be read, or the port is taken.
pub async fn run(_global: &args::Global, arguments: &args::Simulate, output: Output) -> anyhow::Result<()> {
    let seed = match &arguments.seed {
        Some(path) => {
            simulator::Seed::from_file(path).with_context(|| format!("reading the seed {}", path.display()))?
        }
        None => simulator::Seed::demo(),
    };
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let options = simulator::Options { listen, ..simulator::Options::default() };
    let simulator = simulator::start(&seed, options).with_context(|| format!("listening on {listen}"))?;
    let base_url = simulator.base_url().to_string();
    let (endpoints, services) = (simulator.endpoints(), simulator.services());
    let document = serde_json::json!({ "base_url": base_url, "endpoints": endpoints, "services": services });
    output.document(&document, || {
        let mut text = format!("simulator at {base_url}\n\n[accounts.NAME.endpoints]");
        for (name, url) in &endpoints {
            text.push_str(&format!("\n{name} = \"{url}\""));
        }
        for (name, url) in &services {
            text.push_str(&format!("\n\n# {name}: {url}"));
        }
        text
    })?;
    tokio::signal::ctrl_c().await.context("waiting for an interrupt")?;
    simulator.stop().await;
    Ok(())
}
