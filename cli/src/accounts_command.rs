//! `accounts list | test`: provider accounts.

use accounts::Accounts;
use event_log::Access;
use serde::Serialize;
use service::clock::SystemClock;
use service::config::Config;

use crate::output::Output;
use crate::runtime::open_log;

#[derive(Debug, Serialize)]
struct Row {
    account: String,
    provider: &'static str,
    organization: String,
    region: String,
    state: &'static str,
    reason: Option<String>,
    since: Option<chrono::DateTime<chrono::Utc>>,
    token_expires_at: Option<chrono::DateTime<chrono::Utc>>,
    webhook: Option<&'static str>,
}

/// `accounts list`
pub async fn list(config: Config, output: Output) -> anyhow::Result<()> {
    let log = open_log(&config, Access::CreateAndMigrate).await?;
    let accounts = Accounts::open(&config, log, SystemClock::shared()).await?;
    let rows: Vec<Row> = config
        .accounts
        .values()
        .map(|account| {
            let state = accounts.state(&account.name).unwrap_or_default();
            let (name, reason, since) = match state.access {
                accounts::Access::Ok => ("ok", None, None),
                accounts::Access::NeedsConsent { reason, since } => ("needs_consent", Some(reason), Some(since)),
            };
            Row {
                account: account.name.clone(),
                provider: account.provider.as_str(),
                organization: account.organization.clone(),
                region: account.region.clone(),
                state: name,
                reason,
                since,
                token_expires_at: state.token_expires_at,
                webhook: account.webhook.as_ref().map(|webhook| webhook.verify.as_str()),
            }
        })
        .collect();
    output.list(&rows, &["account", "provider", "organization", "state", "webhook", "reason"], |row| {
        vec![
            row.account.clone(),
            row.provider.to_owned(),
            row.organization.clone(),
            row.state.to_owned(),
            row.webhook.unwrap_or_default().to_owned(),
            row.reason.clone().unwrap_or_default(),
        ]
    })?;
    Ok(())
}

/// `accounts test`; returns whether every check passed.
pub async fn test(config: Config, name: Option<&str>, output: Output) -> anyhow::Result<bool> {
    let names = match name {
        Some(name) => vec![config.account(name)?.name.clone()],
        None => config.accounts.keys().cloned().collect(),
    };
    let log = open_log(&config, Access::CreateAndMigrate).await?;
    let accounts = Accounts::open(&config, log, SystemClock::shared()).await?;
    let mut passed = true;
    let mut reports = Vec::new();
    for name in names {
        let report = accounts.test(&name).await?;
        passed &= report.is_ok();
        reports.push(report);
    }
    output.document(&reports, || {
        let mut lines = Vec::new();
        for report in &reports {
            lines.push(report.account.clone());
            for check in &report.checks {
                let outcome = match (check.ok, check.optional) {
                    (true, _) => "ok      ",
                    (false, true) => "missing ",
                    (false, false) => "FAILED  ",
                };
                lines.push(format!("  {outcome}{} {}", check.name, check.subject).trim_end().to_owned());
                lines.extend(check.message.iter().chain(&check.remedy).map(|text| format!("          {text}")));
            }
        }
        lines.join("\n")
    })?;
    Ok(passed)
}
