//! `mappings conflicts list | show | decide`: what contradicts what, and which of it is to count.

use anyhow::bail;
use catalogue::erp::{ConflictAbout, ConflictState, Decision};
use event_log::{Access, Log};
use mappings::conflict::{self, Conflict, Filter};
use projector::{ErpUserFilter, erp_users};
use serde::Serialize;
use service::config::Config;
use uuid::Uuid;

use crate::conflicts_arguments::{Conflicts, ConflictsList};
use crate::operator;
use crate::output::Output;
use crate::runtime::open_log;

/// Users of an account that are looked through for names: more than an organisation of Books has.
const MOST_USERS: u32 = 10_000;

/// `mappings conflicts`
pub async fn run(config: &Config, command: &Conflicts, output: Output) -> anyhow::Result<()> {
    let access =
        if matches!(command, Conflicts::Decide { yes: true, .. }) { Access::Existing } else { Access::ReadOnly };
    let log = open_log(config, access).await?;
    match command {
        Conflicts::List(arguments) => list(&log, arguments, output).await,
        Conflicts::Show { id } => show(&log, *id, output).await,
        Conflicts::Decide { id, keep, yes } => decide(config, &log, *id, keep, *yes, output).await,
    }
}

async fn list(log: &Log, arguments: &ConflictsList, output: Output) -> anyhow::Result<()> {
    let filter = Filter {
        organization: arguments.organization.clone(),
        account: arguments.account.clone(),
        state: (!arguments.all).then_some(ConflictState::Open),
    };
    let found = conflict::list(log.database().readers(), &filter, arguments.after, arguments.limit).await?;
    output.list(&found, &["conflict", "account", "kind", "state", "about", "decision", "changed"], |conflict| {
        vec![
            conflict.conflict_id.to_string(),
            conflict.account.clone(),
            conflict.about.kind().as_str().to_owned(),
            conflict.state.as_str().to_owned(),
            about(&conflict.about),
            conflict.decision.as_ref().map(kept).unwrap_or_default(),
            conflict.changed_at.format("%Y-%m-%d %H:%M:%S").to_string(),
        ]
    })?;
    if let Some(last) = found.last().filter(|_| found.len() == arguments.limit as usize) {
        eprintln!("there may be more: --after {}", last.conflict_id);
    }
    Ok(())
}

/// A conflict and what is known of its users.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    conflict: Conflict,
    users: Vec<Party>,
}

/// A user of Books; the read model may not know it yet.
#[derive(Debug, Serialize)]
struct Party {
    zoho_user_id: String,
    name: Option<String>,
    email: Option<String>,
    zoho_role: Option<String>,
}

async fn show(log: &Log, id: Uuid, output: Output) -> anyhow::Result<()> {
    let conflict = conflict::get(log.database().readers(), None, id).await?;
    let users = parties(log, &conflict).await?;
    let shown = Shown { conflict, users };
    output.document(&shown, || in_words(&shown))?;
    Ok(())
}

async fn parties(log: &Log, conflict: &Conflict) -> anyhow::Result<Vec<Party>> {
    let filter = ErpUserFilter { account: Some(conflict.account.clone()), ..ErpUserFilter::default() };
    let known = erp_users(log.database().readers(), &filter, MOST_USERS).await?;
    let mut users = Vec::new();
    for user_id in user_ids(&conflict.about) {
        let known = known.iter().find(|user| user.zoho_user_id == user_id);
        users.push(Party {
            zoho_user_id: user_id.to_owned(),
            name: known.map(|user| user.name.clone()),
            email: known.and_then(|user| user.email.clone()),
            zoho_role: known.and_then(|user| user.zoho_role.clone()),
        });
    }
    Ok(users)
}

/// What `mappings conflicts decide` has done, or would do.
#[derive(Debug, Serialize)]
struct Decided {
    preview: bool,
    conflict: Conflict,
}

async fn decide(
    config: &Config,
    log: &Log,
    id: Uuid,
    keep: &str,
    is_meant: bool,
    output: Output,
) -> anyhow::Result<()> {
    let mut conflict = conflict::get(log.database().readers(), None, id).await?;
    let decision = decision(&conflict.about, keep)?;
    if is_meant {
        conflict = conflict::decide(log, &operator::actor(config), config, id, &decision).await?;
    } else {
        conflict::check(&conflict, &decision)?;
    }
    let follows = what_follows(&conflict.about, &decision);
    let report = Decided { preview: !is_meant, conflict };
    output.document(&report, || {
        let said = if report.preview { "; add --yes to do it" } else { "" };
        format!("{}: {follows}{said}", about(&report.conflict.about))
    })?;
    Ok(())
}

/// The decision that `--keep` means for this conflict.
fn decision(about: &ConflictAbout, keep: &str) -> anyhow::Result<Decision> {
    Ok(match (about, keep) {
        (ConflictAbout::SameEmail { user_ids, .. }, user_id) if user_ids.iter().any(|one| one == user_id) => {
            Decision::KeepUser { user_id: user_id.to_owned() }
        }
        (ConflictAbout::SameEmail { user_ids, .. }, _) => {
            bail!("`--keep {keep}` is none of the users of the conflict; keep one of {}", user_ids.join(", "))
        }
        (ConflictAbout::Owner { .. }, "books") => Decision::KeepBooksOwner,
        (ConflictAbout::Owner { .. }, "erp") => Decision::KeepErpOwner,
        (ConflictAbout::Owner { books_owner_id, erp_owner_id, .. }, _) => bail!(
            "`--keep {keep}` does not fit; say `--keep books` for {} or `--keep erp` for user {erp_owner_id}",
            owner(books_owner_id.as_deref())
        ),
    })
}

fn what_follows(about: &ConflictAbout, decision: &Decision) -> String {
    match (about, decision) {
        (ConflictAbout::SameEmail { user_ids, .. }, Decision::KeepUser { user_id }) => {
            let others: Vec<&str> = user_ids.iter().map(String::as_str).filter(|other| other != user_id).collect();
            format!("the account of user {user_id} counts, also for the customers of {}", others.join(", "))
        }
        (ConflictAbout::Owner { books_owner_id, .. }, Decision::KeepBooksOwner) => {
            format!("the customer stays with {}, as in Books", owner(books_owner_id.as_deref()))
        }
        (ConflictAbout::Owner { erp_owner_id, .. }, Decision::KeepErpOwner) => {
            format!("the customer goes to user {erp_owner_id}, and Books is to follow")
        }
        _ => kept(decision),
    }
}

fn about(about: &ConflictAbout) -> String {
    match about {
        ConflictAbout::SameEmail { email, user_ids } => format!("{email} of users {}", user_ids.join(", ")),
        ConflictAbout::Owner { contact_id, books_owner_id, erp_owner_id } => {
            let in_books = owner(books_owner_id.as_deref());
            format!("customer {contact_id} of {in_books} in Books, of user {erp_owner_id} in the ERP")
        }
    }
}

fn owner(user_id: Option<&str>) -> String {
    user_id.map_or_else(|| "nobody".to_owned(), |user_id| format!("user {user_id}"))
}

fn kept(decision: &Decision) -> String {
    match decision {
        Decision::KeepUser { user_id } => format!("keep {user_id}"),
        Decision::KeepBooksOwner => "keep books".to_owned(),
        Decision::KeepErpOwner => "keep erp".to_owned(),
    }
}

fn user_ids(about: &ConflictAbout) -> Vec<&str> {
    match about {
        ConflictAbout::SameEmail { user_ids, .. } => user_ids.iter().map(String::as_str).collect(),
        ConflictAbout::Owner { books_owner_id, erp_owner_id, .. } => {
            books_owner_id.iter().chain([erp_owner_id]).map(String::as_str).collect()
        }
    }
}

fn in_words(shown: &Shown) -> String {
    let Shown { conflict, users } = shown;
    let lines = [
        ("conflict", conflict.conflict_id.to_string()),
        ("account", format!("{} (organisation {})", conflict.account, conflict.organization)),
        ("kind", conflict.about.kind().as_str().to_owned()),
        ("state", conflict.state.as_str().to_owned()),
        ("about", about(&conflict.about)),
        ("decision", conflict.decision.as_ref().map(kept).unwrap_or_default()),
        ("changed", conflict.changed_at.format("%Y-%m-%d %H:%M:%S").to_string()),
    ];
    let known = users.iter().map(|user| {
        let told = [user.name.as_deref(), user.email.as_deref(), user.zoho_role.as_deref()];
        let told: Vec<&str> = told.into_iter().flatten().filter(|text| !text.is_empty()).collect();
        ("user", format!("{} {}", user.zoho_user_id, told.join(", ")))
    });
    let lines = lines.into_iter().filter(|(_, value)| !value.is_empty()).chain(known);
    lines.map(|(name, value)| format!("{name:<10}{}", value.trim_end())).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_must_fit_what_the_conflict_is_about() {
        let emails = ConflictAbout::SameEmail {
            email: "ann@example.com".to_owned(),
            user_ids: vec!["1".to_owned(), "2".to_owned()],
        };
        let owners =
            ConflictAbout::Owner { contact_id: "7".to_owned(), books_owner_id: None, erp_owner_id: "2".to_owned() };
        assert_eq!(decision(&emails, "2").unwrap(), Decision::KeepUser { user_id: "2".to_owned() });
        assert_eq!(decision(&owners, "books").unwrap(), Decision::KeepBooksOwner);
        assert_eq!(decision(&owners, "erp").unwrap(), Decision::KeepErpOwner);
        assert!(decision(&emails, "books").unwrap_err().to_string().contains("keep one of 1, 2"));
        let said = decision(&owners, "2").unwrap_err().to_string();
        assert!(said.contains("`--keep books` for nobody or `--keep erp` for user 2"), "{said}");
    }
}
