//! `events list --rejected`: requests that were not accepted, with the cause.

use event_log::Log;
use gateway::rejected::Filter;

use crate::args::EventsList;
use crate::output::Output;
use crate::time::moment;

/// Lists them, newest first.
pub async fn list(log: &Log, arguments: &EventsList, output: Output) -> anyhow::Result<()> {
    let since = arguments.filter.since.as_deref().map(|text| moment(text, log.now())).transpose()?;
    let filter = Filter { account: arguments.filter.account.clone(), cause: None, since, before: arguments.before };
    let rows = gateway::rejected::list(log.database().readers(), &filter, arguments.limit).await?;
    output.list(&rows, &["id", "received", "account", "status", "cause", "bytes"], |row| {
        vec![
            row.rejected_id.to_string(),
            row.received_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            row.account.clone(),
            row.http_status.to_string(),
            row.cause.clone(),
            row.body_bytes.to_string(),
        ]
    })?;
    Ok(())
}
