//! `token issue`: tokens for the API, signed with the local secret.

use anyhow::Context as _;
use api::Role;
use api::token::Wish;
use chrono::{DateTime, Utc};
use serde::Serialize;
use service::clock::{Clock as _, SystemClock};
use service::config::Config;

use crate::args::TokenIssue;
use crate::output::Output;
use crate::time;

#[derive(Debug, Serialize)]
struct Issued {
    token: String,
    subject: String,
    role: &'static str,
    organization: Option<String>,
    expires_at: DateTime<Utc>,
}

/// `token issue`
///
/// # Errors
/// When there is no usable secret, or the wish makes no sense.
pub fn issue(config: &Config, arguments: &TokenIssue, output: Output) -> anyhow::Result<()> {
    anyhow::ensure!(
        arguments.organization.is_some() || arguments.role == Role::SuperAdmin,
        "--organization is needed: only a super_admin may do without one"
    );
    let now = SystemClock.now();
    let wish = Wish {
        subject: arguments.subject.clone().unwrap_or_else(|| whoami(config)),
        role: arguments.role,
        organization: arguments.organization.clone(),
        lifetime: time::span(&arguments.expires).context("--expires")?,
    };
    anyhow::ensure!(!wish.subject.is_empty(), "--subject is empty; name who will bear the token");
    let (token, expires_at) = api::token::issue(config, &wish, now)?;
    let known = config.accounts.values().any(|account| Some(&account.organization) == wish.organization.as_ref());
    if let Some(organization) = wish.organization.as_ref().filter(|_| !known) {
        eprintln!("note: no account of the configuration belongs to the organization {organization:?}");
    }
    let issued =
        Issued { token, subject: wish.subject, role: wish.role.as_str(), organization: wish.organization, expires_at };
    output.document(&issued, || issued.token.clone())?;
    Ok(())
}

/// The user of the operating system, as the environment names it.
fn whoami(config: &Config) -> String {
    let name = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| config.environment.get(name));
    name.unwrap_or("operator").to_owned()
}
