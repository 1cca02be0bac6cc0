//! `notify list | test | resume`: endpoints that are told what happens.

use consumers::Settings;
use consumers::notify::overview::{Overview, overview};
use consumers::notify::ping::ping;
use consumers::notify::senders::Senders;
use consumers::notify::{Resumption, resume};
use event_log::Access;
use providers::notify::Posted;
use serde::Serialize;
use service::clock::{Clock as _, SystemClock};
use service::config::Config;
use uuid::Uuid;

use crate::notify_arguments::Notify;
use crate::output::Output;
use crate::runtime::open_log;

/// `notify`; returns whether what was asked for was done.
pub async fn run(config: &Config, command: &Notify, output: Output) -> anyhow::Result<bool> {
    match command {
        Notify::List => list(config, output).await?,
        Notify::Test { name } => return test(config, name, output).await,
        Notify::Resume { name } => go_on(config, name, output).await?,
    }
    Ok(true)
}

async fn list(config: &Config, output: Output) -> anyhow::Result<()> {
    let settings = Settings::of(config)?;
    let log = open_log(config, Access::ReadOnly).await?;
    let mut rows: Vec<Overview> = Vec::new();
    for endpoint in settings.endpoints.all() {
        rows.push(overview(log.database().readers(), endpoint).await?);
    }
    let header = ["endpoint", "state", "organization", "delivered", "last delivered", "open", "dead letters", "error"];
    output.list(&rows, &header, |row| {
        vec![
            row.endpoint.clone(),
            row.state.to_owned(),
            row.organization.clone(),
            row.delivered.to_string(),
            row.last_delivered_at.map(|at| at.format("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default(),
            row.open.to_string(),
            row.dead_letters.to_string(),
            row.error.clone().unwrap_or_default(),
        ]
    })?;
    Ok(())
}

#[derive(Debug, Serialize)]
struct Tested {
    endpoint: String,
    id: Uuid,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

async fn test(config: &Config, name: &str, output: Output) -> anyhow::Result<bool> {
    let senders = Senders::open(config, &SystemClock::shared())?;
    let pinged = ping(&senders, name, SystemClock.now()).await?;
    let (status, error) = match &pinged.posted {
        Posted::Delivered { status } => (Some(*status), None),
        Posted::Gone => (Some(410), Some("the receiver wants nothing more".to_owned())),
        Posted::Throttled { status, until } => {
            (Some(*status), Some(format!("the receiver takes no more until {until}")))
        }
        Posted::Failed { error, .. } => (None, Some(error.clone())),
    };
    let is_delivered = error.is_none();
    let tested = Tested { endpoint: name.to_owned(), id: pinged.id, outcome: pinged.posted.code(), status, error };
    output.document(&tested, || match &tested.error {
        None => format!("{name} took gateledger.ping {}", tested.id),
        Some(error) => format!("{name} did not take gateledger.ping {} ({}): {error}", tested.id, tested.outcome),
    })?;
    Ok(is_delivered)
}

#[derive(Debug, Serialize)]
struct Resumed {
    endpoint: String,
    was_stopped: bool,
    /// Events after this position were missed, and are planned by the running consumer.
    #[serde(skip_serializing_if = "Option::is_none")]
    missed_after: Option<i64>,
}

async fn go_on(config: &Config, name: &str, output: Output) -> anyhow::Result<()> {
    let settings = Settings::of(config)?;
    let endpoint = settings.endpoints.get(name)?;
    let log = open_log(config, Access::Existing).await?;
    let (was_stopped, missed_after) = match resume(&log, endpoint).await? {
        Resumption::Resumed { missed_after } => (true, missed_after.map(|position| position.0)),
        Resumption::NotStopped => (false, None),
    };
    let resumed = Resumed { endpoint: name.to_owned(), was_stopped, missed_after };
    output.document(&resumed, || match (was_stopped, missed_after) {
        (false, _) => format!("{name} was not stopped"),
        (true, None) => format!("{name} is told again what happens; it missed nothing"),
        (true, Some(position)) => {
            format!("{name} is told again what happens, and what it missed after position {position}")
        }
    })?;
    Ok(())
}
