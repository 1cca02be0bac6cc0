//! A file of assignments, applied to the customers of an account.

mod check;

use std::collections::BTreeMap;
use std::io::Read;

use catalogue::actor::Actor;
use catalogue::erp::{ConflictKind, conflict_id};
use event_log::{Log, UnitOfWork};
use serde::Serialize;
use service::config::Config;
use service::config::account::Books;

use super::file::{self, Contents, Sort};
use super::reach;
use super::report::{Mode, Outcome, Report};
use super::unreadable::Unreadable;
use crate::salesperson::{self, Customer, Story, User};
use crate::{Error, conflict};

const SORT: Sort = Sort {
    column: "zoho_contact_id",
    without_value: "no customer is named",
    without_person: "no salesperson is named; a customer can be given to another one, not to nobody",
};

/// Which customers are to have which salespeople, as a file says: `zoho_contact_id` and `zoho_user_id` or `email`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignmentsFile(Contents);

impl AssignmentsFile {
    /// Reads a file with a header to its end; blocks as the reader does. Lines without any value are left out.
    ///
    /// # Errors
    /// The first reason for which it cannot be understood.
    pub fn read(input: impl Read) -> Result<Self, Unreadable> {
        file::read(input, &SORT).map(AssignmentsFile)
    }
}

/// What became of one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssignmentLine {
    /// Its number in the file, from 1.
    pub line: u64,
    /// The customer as it names it, by its contact in Books; may be empty.
    pub contact: String,
    /// The user of Books that it means; absent where it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zoho_user_id: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Gives every customer that a file names to the salesperson that it names. What is so already stays and makes no event;
/// the owners in Books follow by effects. All decisions belong to one story.
///
/// # Errors
/// [`Error::Invalid`] for an account that is not configured, is another organisation's or has no settings of Books;
/// [`Error::Log`]. Lines that are refused are no errors: see [`Report::refused`].
///
/// # Cancellation
/// Once the file was handed to the log it is applied, also when the future is dropped.
pub async fn assignments(
    log: &Log,
    actor: &Actor,
    config: &Config,
    account: &str,
    file: AssignmentsFile,
    mode: Mode,
) -> Result<Report<AssignmentLine>, Error> {
    let (account, books) = reach::with_books(actor, config, account)?;
    let story = Story::of_actor(actor, &account.name, &account.organization);
    if mode == Mode::DryRun {
        let readers = log.database().readers();
        let users = salesperson::all_users(readers, &account.name).await?;
        let contact_ids = file.0.lines.iter().map(|line| line.value.as_str());
        let customers = salesperson::customers_of_ids(readers, &account.name, contact_ids).await?;
        return Ok(report(&story, &file, &users, &by_id(customers, actor)));
    }
    let actor = actor.clone();
    log.write(move |unit| {
        Box::pin(async move {
            let users = salesperson::all_users(unit.connection(), &story.account).await?;
            let contact_ids = file.0.lines.iter().map(|line| line.value.as_str());
            let customers = salesperson::customers_of_ids(unit.connection(), &story.account, contact_ids).await?;
            let mut customers = by_id(customers, &actor);
            let mut report = report(&story, &file, &users, &customers);
            report.applied = report.applies(mode);
            if report.applied {
                apply(unit, &story, &books, &users, &mut customers, &report).await?;
            }
            Ok(report)
        })
    })
    .await
}

fn by_id(customers: Vec<Customer>, actor: &Actor) -> BTreeMap<String, Customer> {
    let is_near = |customer: &Customer| actor.organization.as_ref().is_none_or(|own| *own == customer.organization);
    let customers = customers.into_iter().filter(is_near);
    customers.map(|customer| (customer.fact.contact_id.clone(), customer)).collect()
}

fn report(
    story: &Story,
    file: &AssignmentsFile,
    users: &BTreeMap<String, User>,
    customers: &BTreeMap<String, Customer>,
) -> Report<AssignmentLine> {
    let Contents { byte_order_mark, lines } = &file.0;
    Report::of(&story.account, *byte_order_mark, check::check(lines, users, customers), |line| line.outcome)
}

/// Changes what differs, as the report says.
async fn apply(
    unit: &mut UnitOfWork<'_>,
    story: &Story,
    books: &Books,
    users: &BTreeMap<String, User>,
    customers: &mut BTreeMap<String, Customer>,
    report: &Report<AssignmentLine>,
) -> Result<(), Error> {
    let mut appends = Vec::new();
    let mut changed = Vec::new();
    let mut contradicted = Vec::new();
    for line in report.lines.iter().filter(|line| line.outcome == Outcome::Changed) {
        let wanted = line.zoho_user_id.as_ref().and_then(|user_id| users.get(user_id)?.erp.as_ref());
        let (Some(mut customer), Some(wanted)) = (customers.remove(&line.contact), wanted) else { continue };
        let own = Story { organization: customer.organization.clone(), ..story.clone() };
        // Only what was wanted before can have been contradicted.
        if customer.wish.is_some() {
            let id = conflict_id(&story.account, ConflictKind::Owner, &line.contact);
            contradicted.push((own.clone(), id));
        }
        salesperson::give(&own, books, users, &mut customer, wanted, &mut appends);
        changed.push(customer);
    }
    unit.append_all(&appends).await?;
    for (own, id) in contradicted {
        conflict::settle(unit, &own, id, None).await?;
    }
    salesperson::save_customers(unit.connection(), &changed.iter().collect::<Vec<_>>()).await?;
    Ok(())
}
