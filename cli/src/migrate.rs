//! `migrate`: brings the database up to this version, as the role that owns it.

use anyhow::Context as _;
use event_log::{Access, Grant};
use serde::Serialize;
use service::config::{Config, DatabaseUrl, ExposeSecret as _};

use crate::output::Output;
use crate::runtime::{open_log, open_log_at};

/// What was done.
#[derive(Debug, Serialize)]
struct Report {
    database: String,
    up_to_date: bool,
    /// The role that may work with the tables and not own them.
    #[serde(skip_serializing_if = "Option::is_none")]
    granted_to: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// When the database cannot be migrated.
pub async fn run(config: &Config, output: Output) -> anyhow::Result<()> {
    let owner = config.store.owner(&config.environment).map_err(anyhow::Error::msg)?;
    let mut granted_to = None;
    let log = match owner {
        None => open_log(config, Access::CreateAndMigrate).await?,
        Some(owner) => {
            let log = open_log_at(config, &owner, Access::CreateAndMigrate).await?;
            let role = role_of(&config.store.database)?;
            log.database().grant(&Grant { role: role.clone() }).await.context("granting to the role of store.url")?;
            granted_to = Some(role);
            log
        }
    };
    let report = Report { database: log.database().name(), up_to_date: true, granted_to };
    output.document(&report, || {
        let granted = report.granted_to.as_ref().map(|role| format!("; {role} may work with it")).unwrap_or_default();
        format!("{} is up to date{granted}", report.database)
    })?;
    Ok(())
}

/// The role that the program logs in as.
fn role_of(database: &DatabaseUrl) -> anyhow::Result<String> {
    let DatabaseUrl::Postgres(url) = database else { anyhow::bail!("store.url is no address of PostgreSQL") };
    let url = url::Url::parse(url.expose_secret()).ok().context("store.url cannot be read")?;
    let role = percent_encoding::percent_decode_str(url.username()).decode_utf8_lossy().into_owned();
    anyhow::ensure!(!role.is_empty(), "store.url names no user, so there is nobody to grant anything to");
    Ok(role)
}
