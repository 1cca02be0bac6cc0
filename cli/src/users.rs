//! `mappings users list | role`: which role users of Books have in the ERP, and what a person says of it.

use anyhow::bail;
use event_log::{Access, Log};
use mappings::user_role::{self, Decided, Filter, UserRole};
use serde::Serialize;
use service::config::Config;
use uuid::Uuid;

use crate::operator;
use crate::output::Output;
use crate::runtime::open_log;
use crate::users_arguments::{Users, UsersList, UsersRole};

/// `mappings users`
pub async fn run(config: &Config, command: &Users, output: Output) -> anyhow::Result<()> {
    match command {
        Users::List(arguments) => list(&open_log(config, Access::ReadOnly).await?, arguments, output).await,
        Users::Role(arguments) => {
            let access = if arguments.yes { Access::Existing } else { Access::ReadOnly };
            role(config, &open_log(config, access).await?, arguments, output).await
        }
    }
}

async fn list(log: &Log, arguments: &UsersList, output: Output) -> anyhow::Result<()> {
    let filter = Filter {
        organization: arguments.organization.clone(),
        account: arguments.account.clone(),
        needs_review: arguments.needs_review,
    };
    let limit = arguments.limit as usize;
    let mut found = user_role::list(log.database().readers(), &filter, arguments.after, limit + 1).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let header = ["user", "account", "name", "email", "role in books", "role", "by", "state", "id"];
    output.list(&found, &header, |user| {
        vec![
            user.zoho_user_id.clone(),
            user.account.clone(),
            user.name.clone(),
            user.email.clone().unwrap_or_default(),
            user.zoho_role.clone().unwrap_or_default(),
            role_in_words(user).to_owned(),
            decider(user).to_owned(),
            user.state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
            user.erp_user_id.to_string(),
        ]
    })?;
    if let Some(last) = found.last().filter(|_| has_more) {
        eprintln!("there are more: --after {}", last.erp_user_id);
    }
    Ok(())
}

/// What `mappings users role` has done, or would do.
#[derive(Debug, Serialize)]
struct Report {
    preview: bool,
    #[serde(flatten)]
    decided: Decided,
}

async fn role(config: &Config, log: &Log, arguments: &UsersRole, output: Output) -> anyhow::Result<()> {
    let erp_user_id = named(log, arguments).await?;
    let (actor, role) = (operator::actor(config), arguments.role.as_deref());
    let decided = if arguments.yes {
        user_role::decide(log, &actor, config, erp_user_id, role).await?
    } else {
        user_role::preview(log.database().readers(), &actor, config, erp_user_id, role).await?
    };
    let report = Report { preview: !arguments.yes, decided };
    output.document(&report, || in_words(&report))?;
    Ok(())
}

/// The one user that is meant.
async fn named(log: &Log, arguments: &UsersRole) -> anyhow::Result<Uuid> {
    let filter = Filter { account: arguments.account.clone(), ..Filter::default() };
    let all = user_role::list(log.database().readers(), &filter, None, usize::MAX).await?;
    let name = arguments.user.trim();
    let found: Vec<&UserRole> = all.iter().filter(|user| is_named(user, name)).collect();
    match found.as_slice() {
        [only] => Ok(only.erp_user_id),
        [] => bail!("there is no user {name}; if they are new in Books, sync the users first"),
        several => {
            let each = several.iter().map(|user| format!("{} of {}", user.zoho_user_id, user.account));
            let each: Vec<String> = each.collect();
            bail!("several users are named {name}: {}; name one by its id, with --account", each.join(", "))
        }
    }
}

fn is_named(user: &UserRole, name: &str) -> bool {
    let is_address = user.email.as_ref().is_some_and(|email| email.trim().to_lowercase() == name.to_lowercase());
    user.zoho_user_id == name || is_address || name.parse().is_ok_and(|id: Uuid| id == user.erp_user_id)
}

fn in_words(report: &Report) -> String {
    let Decided { before, user } = &report.decided;
    let who = [user.name.as_str(), user.email.as_deref().unwrap_or_default()];
    let who: Vec<&str> = who.into_iter().filter(|text| !text.is_empty()).collect();
    let told = |user: &UserRole| format!("{} (by {})", role_in_words(user), decider(user));
    let change = match before == user {
        true => format!("{}, as before", told(user)),
        false => format!("{}, before {}", told(user), told(before)),
    };
    let said = if report.preview && before != user { "; add --yes to do it" } else { "" };
    format!("user {} ({}): {change}{said}", user.zoho_user_id, who.join(", "))
}

fn role_in_words(user: &UserRole) -> &str {
    match &user.erp_role {
        Some(role) => role,
        None if user.needs_review => "for review",
        None => "none",
    }
}

fn decider(user: &UserRole) -> &'static str {
    if user.decided_role.is_some() { "a person" } else { "the table" }
}
