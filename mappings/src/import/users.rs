//! A file of roles, applied to the users of an account.

mod check;

use std::collections::BTreeMap;
use std::io::Read;

use catalogue::actor::Actor;
use event_log::{Log, UnitOfWork};
use serde::Serialize;
use service::config::Config;
use service::config::account::Books;

use super::file::{self, Contents, Sort};
use super::reach;
use super::report::{Mode, Outcome, Report};
use super::unreadable::Unreadable;
use crate::salesperson::{self, Story, User};
use crate::{Error, user_role};

const SORT: Sort = Sort {
    column: "erp_role",
    without_value: "no role is named; let the table of roles say it by `mappings users role USER --by-table`",
    without_person: "no user is named",
};

/// Which users are to have which roles, as a file says: `erp_role` and `zoho_user_id` or `email`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsersFile(Contents);

impl UsersFile {
    /// Reads a file with a header to its end; blocks as the reader does. Lines without any value are left out.
    ///
    /// # Errors
    /// The first reason for which it cannot be understood.
    pub fn read(input: impl Read) -> Result<Self, Unreadable> {
        file::read(input, &SORT).map(UsersFile)
    }
}

/// What became of one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserLine {
    /// Its number in the file, from 1.
    pub line: u64,
    /// The user as it names them; may be empty.
    pub user: String,
    /// The user of Books that it means; absent where it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zoho_user_id: Option<String>,
    /// The role as the settings write it; where it is refused, as it stands in the line.
    pub erp_role: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Decides the role of every user that a file names. What was decided already stays and makes no event. All decisions
/// belong to one story.
///
/// # Errors
/// [`Error::Invalid`] for an account that is not configured, is another organisation's or has no settings of Books;
/// [`Error::Log`]. Lines that are refused are no errors: see [`Report::refused`].
///
/// # Cancellation
/// Once the file was handed to the log it is applied, also when the future is dropped.
pub async fn users(
    log: &Log,
    actor: &Actor,
    config: &Config,
    account: &str,
    file: UsersFile,
    mode: Mode,
) -> Result<Report<UserLine>, Error> {
    let (account, books) = reach::with_books(actor, config, account)?;
    let story = Story::of_actor(actor, &account.name, &account.organization);
    if mode == Mode::DryRun {
        let users = salesperson::all_users(log.database().readers(), &account.name).await?;
        return Ok(report(&story, &books, &file, &users));
    }
    let actor = actor.clone();
    log.write(move |unit| {
        Box::pin(async move {
            let mut users = salesperson::all_users(unit.connection(), &story.account).await?;
            let mut report = report(&story, &books, &file, &users);
            report.applied = report.applies(mode);
            if report.applied {
                apply(unit, &story, &actor, &books, &mut users, &report).await?;
            }
            Ok(report)
        })
    })
    .await
}

fn report(story: &Story, books: &Books, file: &UsersFile, users: &BTreeMap<String, User>) -> Report<UserLine> {
    let Contents { byte_order_mark, lines } = &file.0;
    Report::of(&story.account, *byte_order_mark, check::check(&story.account, books, lines, users), |line| line.outcome)
}

/// Changes what differs, as the report says.
async fn apply(
    unit: &mut UnitOfWork<'_>,
    story: &Story,
    actor: &Actor,
    books: &Books,
    users: &mut BTreeMap<String, User>,
    report: &Report<UserLine>,
) -> Result<(), Error> {
    let mut appends = Vec::new();
    let mut changed = Vec::new();
    for line in report.lines.iter().filter(|line| line.outcome == Outcome::Changed) {
        let Some(mut user) = line.zoho_user_id.as_ref().and_then(|user_id| users.remove(user_id)) else { continue };
        user_role::set(story, actor, books, &mut user, Some(line.erp_role.clone()), &mut appends);
        changed.push(user);
    }
    unit.append_all(&appends).await?;
    Ok(salesperson::save_users(unit.connection(), &changed.iter().collect::<Vec<_>>()).await?)
}
