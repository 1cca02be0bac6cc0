//! `registrations list`: promises of providers to call us, with the time left.

use event_log::Access;
use gateway::intake::settings::Settings;
use gateway::registrar::registrations;
use service::config::Config;

use crate::output::Output;
use crate::runtime::open_log;

/// `registrations list`
pub async fn list(config: &Config, output: Output) -> anyhow::Result<()> {
    let log = open_log(config, Access::ReadOnly).await?;
    let settings = Settings::from_config(config)?;
    let rows = registrations(log.database().readers(), &settings, log.now()).await?;
    output.list(
        &rows,
        &["account", "target", "registration", "state", "expires", "time left", "checked", "error"],
        |row| {
            let time = |at: Option<chrono::DateTime<chrono::Utc>>| {
                at.map_or(String::new(), |at| at.format("%Y-%m-%d %H:%M").to_string())
            };
            vec![
                row.account.clone(),
                row.target.clone(),
                row.registration_id.clone().unwrap_or_default(),
                row.state.clone(),
                time(row.expires_at),
                row.time_left_seconds.map_or(String::new(), left),
                time(row.checked_at),
                row.error.clone().unwrap_or_default(),
            ]
        },
    )?;
    Ok(())
}

fn left(seconds: i64) -> String {
    match seconds {
        ..=0 => "expired".to_owned(),
        1..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
