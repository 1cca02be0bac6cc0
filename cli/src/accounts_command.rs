//! `accounts list | show | test | connect | refresh | disconnect`: provider accounts.

use accounts::{Accounts, GrantReport};
use anyhow::Context as _;
use chrono::{DateTime, Utc};
use event_log::Access;
use serde::Serialize;
use service::clock::SystemClock;
use service::config::{Account, Config};

use crate::accounts_arguments::Accounts as Command;
use crate::output::Output;
use crate::runtime::open_log;
use crate::{connect_command, operator};

#[derive(Debug, Serialize)]
struct Row {
    account: String,
    provider: &'static str,
    organization: String,
    region: String,
    state: &'static str,
    reason: Option<String>,
    since: Option<DateTime<Utc>>,
    token_expires_at: Option<DateTime<Utc>>,
    webhook: Option<&'static str>,
    grant: Option<Grant>,
}

/// The grant of an account whose provider gives grants.
#[derive(Debug, Serialize)]
struct Grant {
    origin: Option<&'static str>,
    granted_by: Option<String>,
    granted_at: Option<DateTime<Utc>>,
    accounts_server: Option<String>,
    scopes: accounts::Scopes,
    refreshed_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize)]
struct Refreshed {
    account: String,
    token_expires_at: DateTime<Utc>,
}

/// What `accounts disconnect` has done, or would do.
#[derive(Debug, Serialize)]
struct Disconnected {
    account: String,
    preview: bool,
    revoked: u32,
}

/// `accounts`; returns whether what it says is good.
pub async fn run(config: Config, command: &Command, output: Output) -> anyhow::Result<bool> {
    match command {
        Command::List => list(&config, output).await?,
        Command::Show { name } => show(&config, name, output).await?,
        Command::Test { name } => return test(&config, name.as_deref(), output).await,
        Command::Connect(arguments) => {
            config.account(&arguments.name)?;
            let actor = operator::actor(&config);
            return connect_command::connect(&open(&config).await?, &actor, arguments, output).await;
        }
        Command::Refresh { name } => {
            config.account(name)?;
            let token_expires_at = open(&config).await?.refresh(&operator::actor(&config), name).await?;
            let refreshed = Refreshed { account: name.clone(), token_expires_at };
            output
                .document(&refreshed, || format!("{name} has a new access token until {}", time(token_expires_at)))?;
        }
        Command::Disconnect { name, yes } => disconnect(&config, name, *yes, output).await?,
    }
    Ok(true)
}

async fn open(config: &Config) -> anyhow::Result<Accounts> {
    let log = open_log(config, Access::CreateAndMigrate).await?;
    Ok(Accounts::open(config, log, SystemClock::shared()).await?)
}

async fn list(config: &Config, output: Output) -> anyhow::Result<()> {
    let accounts = open(config).await?;
    let mut grants = accounts.grants().await?;
    let rows: Vec<Row> =
        config.accounts.values().map(|account| row(&accounts, account, grants.remove(&account.name))).collect();
    let header = ["account", "provider", "organization", "state", "grant", "lacks", "webhook", "reason"];
    output.list(&rows, &header, |row| {
        let grant = row.grant.as_ref();
        let lacks = grant.map(|grant| grant.scopes.missing.len()).filter(|count| *count > 0);
        vec![
            row.account.clone(),
            row.provider.to_owned(),
            row.organization.clone(),
            row.state.to_owned(),
            grant.map_or("", |grant| grant.origin.unwrap_or("none")).to_owned(),
            lacks.map_or_else(String::new, |count| format!("{count} rights")),
            row.webhook.unwrap_or_default().to_owned(),
            row.reason.clone().unwrap_or_default(),
        ]
    })?;
    Ok(())
}

async fn show(config: &Config, name: &str, output: Output) -> anyhow::Result<()> {
    let account = config.account(name)?;
    let accounts = open(config).await?;
    let row = row(&accounts, account, accounts.grants().await?.remove(name));
    output.document(&row, || in_words(&row))?;
    Ok(())
}

fn row(accounts: &Accounts, account: &Account, grant: Option<GrantReport>) -> Row {
    let state = accounts.state(&account.name).unwrap_or_default();
    let (name, reason, since) = match state.access {
        // Nobody has tried yet what cannot work.
        accounts::Access::Ok => match grant.as_ref().and_then(|grant| grant.absent.clone()) {
            Some(absent) => ("needs_consent", Some(absent), None),
            None => ("ok", None, None),
        },
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
        grant: grant.map(|grant| Grant {
            origin: grant.origin.map(accounts::Origin::as_str),
            granted_by: grant.granted_by,
            granted_at: grant.granted_at,
            accounts_server: grant.accounts_server,
            scopes: grant.scopes,
            refreshed_at: grant.refreshed_at,
        }),
    }
}

fn in_words(row: &Row) -> String {
    let at = |time: Option<DateTime<Utc>>| time.map(self::time).unwrap_or_default();
    let mut lines = vec![
        ("account", format!("{} ({}, organisation {})", row.account, row.provider, row.organization)),
        ("region", row.region.clone()),
        ("state", row.state.to_owned()),
        ("reason", row.reason.clone().unwrap_or_default()),
        ("since", at(row.since)),
        ("webhook", row.webhook.unwrap_or_default().to_owned()),
    ];
    if let Some(grant) = &row.grant {
        let by = grant.granted_by.as_deref().map(|by| format!(" ({by}, {})", at(grant.granted_at)));
        lines.push(("grant", format!("{}{}", grant.origin.unwrap_or("none"), by.unwrap_or_default())));
        lines.push(("lives at", grant.accounts_server.clone().unwrap_or_default()));
        lines.push(("token until", at(row.token_expires_at)));
        lines.push(("refreshed", at(grant.refreshed_at)));
        lines.push(("needs", grant.scopes.needed.join(", ")));
        lines.push(("granted", grant.scopes.granted.as_ref().map(|scopes| scopes.join(", ")).unwrap_or_default()));
        let missing = grant.scopes.missing.iter();
        lines.extend(missing.map(|missing| ("lacks", format!("{}: {}", missing.scope, missing.breaks))));
    }
    let lines = lines.into_iter().filter(|(_, value)| !value.is_empty());
    lines.map(|(name, value)| format!("{name:<13}{value}")).collect::<Vec<_>>().join("\n")
}

async fn test(config: &Config, name: Option<&str>, output: Output) -> anyhow::Result<bool> {
    let names = match name {
        Some(name) => vec![config.account(name)?.name.clone()],
        None => config.accounts.keys().cloned().collect(),
    };
    let accounts = open(config).await?;
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

async fn disconnect(config: &Config, name: &str, yes: bool, output: Output) -> anyhow::Result<()> {
    config.account(name)?;
    let accounts = open(config).await?;
    let mut report = Disconnected { account: name.to_owned(), preview: !yes, revoked: 0 };
    if yes {
        report.revoked = accounts.disconnect(&operator::actor(config), name).await?.revoked;
    } else {
        let grant = accounts.grants().await?.remove(name);
        grant.with_context(|| format!("the account {name} only receives webhooks; it has no grant"))?;
    }
    output.document(&report, || match yes {
        true => format!("{name} is disconnected; the provider was asked to forget {} grants", report.revoked),
        false => format!(
            "the provider would forget every grant of {name}, the one in the settings too, and its work would wait; \
             add --yes to do it"
        ),
    })?;
    Ok(())
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}
