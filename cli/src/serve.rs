//! `serve`: all roles, or some, until told to stop.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use anyhow::Context as _;
use gateway::server::RenderMetrics;
use service::shutdown::{Ended, Service, Shutdown};

use crate::args::{self, Role};
use crate::runtime::Parts;

/// Every role that a process without `--role` has; the relay only where there is a broker.
pub const ALL: [Role; 6] = [Role::Gateway, Role::Poller, Role::Registrar, Role::Relay, Role::Projector, Role::Consumer];

/// Runs the command until a signal.
///
/// # Errors
/// When a role cannot start, or fails for a reason that no waiting helps.
pub async fn run(parts: Parts, arguments: &args::Serve, metrics: RenderMetrics) -> anyhow::Result<()> {
    let shutdown = Shutdown::listen(parts.config.service.shutdown_grace).context("listening for signals")?;
    let roles: BTreeSet<Role> =
        if arguments.roles.is_empty() { ALL.into() } else { arguments.roles.iter().copied().collect() };
    anyhow::ensure!(
        !arguments.roles.contains(&Role::Relay) || parts.config.kafka.is_some(),
        "--role relay publishes to Kafka, and there is no [kafka] in the configuration; set kafka.brokers"
    );
    let service = Service::new(shutdown);
    start(&parts, &service, &roles, arguments.listen, metrics)?;
    let ended = service.run_until_stopped().await?;
    parts.close().await;
    match ended {
        Ended::Finished => tracing::info!("stopped; everything that had begun is finished"),
        Ended::Aborted { tasks } => {
            tracing::warn!("stopped after the grace period ({}); the next start goes on there", tasks.join(", "));
        }
    }
    Ok(())
}

/// Spawns the roles on a service.
///
/// # Errors
/// When a role cannot start.
pub fn start(
    parts: &Parts,
    service: &Service,
    roles: &BTreeSet<Role>,
    listen: Option<SocketAddr>,
    metrics: RenderMetrics,
) -> anyhow::Result<()> {
    let stop = service.shutdown().stop().clone();
    if roles.contains(&Role::Gateway) || listen.is_some() {
        let http = parts.http(roles, listen, metrics, stop.clone())?;
        tracing::info!("listening on http://{}", http.address());
        service.spawn("gateway", http.run());
    }
    let carrier = parts.kafka()?;
    if roles.contains(&Role::Relay)
        && let Some(settings) = carrier.clone()
    {
        let (log, holder, stop) = (parts.log.clone(), event_log::process_name(), stop.clone());
        service.spawn("relay", kafka::relay::run(log, settings, holder, stop));
    }
    parts.spawn_workers(service, roles, carrier);
    let intake = parts.intake()?;
    if roles.contains(&Role::Poller) {
        service.spawn("poller", gateway::intake::run_poller(intake.clone(), stop.clone()));
    }
    if roles.contains(&Role::Registrar) {
        service.spawn("registrar", gateway::intake::run_registrar(intake, stop));
    }
    Ok(())
}
