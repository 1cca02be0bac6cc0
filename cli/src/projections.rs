//! `projections list | rebuild`: read models.

use anyhow::bail;
use event_log::Log;

use crate::output::Output;

/// `projections list`
pub async fn list(log: &Log, output: Output) -> anyhow::Result<()> {
    let projections = projector::list(log).await?;
    output.list(&projections, &["name", "checkpoint", "lag", "rows"], |one| {
        vec![one.name.to_string(), one.checkpoint.0.to_string(), one.lag_events.to_string(), one.rows.to_string()]
    })?;
    Ok(())
}

/// `projections rebuild`
pub async fn rebuild(log: &Log, name: Option<&str>, output: Output) -> anyhow::Result<()> {
    let known: Vec<String> = projector::list(log).await?.into_iter().map(|one| one.name.to_string()).collect();
    let names = match name {
        None => known,
        Some(name) if known.iter().any(|one| one == name) => vec![name.to_owned()],
        Some(name) => bail!("there is no projection {name:?}; there are: {}", known.join(", ")),
    };
    for name in names {
        let report = projector::rebuild(log, &name, |_| {}).await?;
        output.item(&report, || {
            format!(
                "{name}: {} events in {:.2} s, {} rows; the fresh tables are live",
                report.events, report.seconds, report.rows
            )
        })?;
    }
    Ok(())
}
