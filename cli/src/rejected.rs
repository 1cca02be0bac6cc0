//! `events list --rejected`: requests that were not accepted, with the cause.

use event_log::Log;

use crate::args::EventsList;
use crate::output::Output;

/// Lists them, newest first.
pub async fn list(log: &Log, arguments: &EventsList, output: Output) -> anyhow::Result<()> {
    let account = arguments.filter.account.as_deref();
    let rows = gateway::rejected::list(log.database().readers(), account, arguments.limit).await?;
    output.list(&rows, &["id", "received", "account", "status", "cause", "bytes", "detail"], |row| {
        vec![
            row.rejected_id.to_string(),
            row.received_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            row.account.clone().unwrap_or_default(),
            row.http_status.to_string(),
            row.cause.clone(),
            row.body_bytes.to_string(),
            row.detail.clone().unwrap_or_default(),
        ]
    })?;
    Ok(())
}
