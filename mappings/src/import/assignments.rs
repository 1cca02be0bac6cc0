//! A file of assignments, applied to the customers of an account.

use std::collections::BTreeMap;

use catalogue::actor::Actor;
use catalogue::erp::{ConflictKind, conflict_id};
use event_log::{Log, UnitOfWork};
use service::config::account::Books;
use service::config::{Account, Config, UnknownAccount};

use super::check::check;
use super::file::AssignmentsFile;
use super::report::{Outcome, Report};
use crate::salesperson::{self, Customer, Story, User};
use crate::{Error, conflict};

/// How far a file is to be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing changes; the outcomes are what would become of the lines.
    DryRun,
    /// Everything changes, or nothing if one line is refused.
    AllOrNothing,
    /// What is not refused changes.
    Partial,
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
) -> Result<Report, Error> {
    let account = within_reach(actor, config, account)?;
    let Some(books) = account.books.clone() else {
        return Err(Error::invalid("account", "has no settings of Books, so it has no customers"));
    };
    let story = Story::of_actor(actor, &account.name, &account.organization);
    if mode == Mode::DryRun {
        let readers = log.database().readers();
        let users = salesperson::all_users(readers, &account.name).await?;
        let contact_ids = file.lines.iter().map(|line| line.contact_id.as_str());
        let customers = salesperson::customers_of_ids(readers, &account.name, contact_ids).await?;
        return Ok(report(&story, &file, &users, &by_id(customers, actor)));
    }
    let actor = actor.clone();
    log.write(move |unit| {
        Box::pin(async move {
            let users = salesperson::all_users(unit.connection(), &story.account).await?;
            let contact_ids = file.lines.iter().map(|line| line.contact_id.as_str());
            let customers = salesperson::customers_of_ids(unit.connection(), &story.account, contact_ids).await?;
            let mut customers = by_id(customers, &actor);
            let mut report = report(&story, &file, &users, &customers);
            report.applied = report.refused == 0 || mode == Mode::Partial;
            if report.applied {
                apply(unit, &story, &books, &users, &mut customers, &report).await?;
            }
            Ok(report)
        })
    })
    .await
}

/// An account of another organisation is answered as one that does not exist.
fn within_reach<'c>(actor: &Actor, config: &'c Config, name: &str) -> Result<&'c Account, Error> {
    let is_near = |account: &&Account| actor.organization.as_ref().is_none_or(|own| *own == account.organization);
    config.accounts.get(name).filter(is_near).ok_or_else(|| {
        let known = config.accounts.values().filter(is_near).map(|account| account.name.clone()).collect();
        let unknown = UnknownAccount { name: name.to_owned(), known };
        Error::invalid("account", format!("is not configured: {unknown}"))
    })
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
) -> Report {
    Report::of(&story.account, file.byte_order_mark, check(&file.lines, users, customers))
}

/// Changes what differs, as the report says.
async fn apply(
    unit: &mut UnitOfWork<'_>,
    story: &Story,
    books: &Books,
    users: &BTreeMap<String, User>,
    customers: &mut BTreeMap<String, Customer>,
    report: &Report,
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
