//! Contacts of Books as they were seen, and all that follows from them, in one unit of work.

use std::collections::BTreeMap;

use catalogue::books::{self, CONTACT_CHANGED, CONTACT_GONE, ContactChanged, ContactGone};
use catalogue::erp::{ConflictAbout, ConflictKind, conflict_id};
use chrono::{DateTime, TimeDelta, Utc};
use event_log::sql::Target;
use event_log::{Append, EventId, UnitOfWork};
use service::config::account::Books;
use uuid::Uuid;

use super::customer::{self, Customer};
use super::resolve::{decide_assignment, next};
use super::story::Story;
use super::user;
use crate::{Error, conflict};

/// How far the provider's clock may be ahead of ours.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);

/// What contacts that were seen led to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContactCounts {
    /// Customers among them, each once in a job.
    pub total_checked: u64,
    /// Of them, those whose assignment is another than before.
    pub updated: u64,
    /// All others.
    pub skipped: u64,
    /// Facts that were new to the log.
    pub facts: u64,
}

/// What a webhook that carries a contact tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// A state that is newer than what is known.
    State,
    /// Something may have happened; the provider has to be asked. A deletion carries the last state and says no more, and
    /// a state of the future would make everything old that comes after it.
    Ask,
    /// Nothing: it is older than what is known.
    Old,
    /// Nothing: it is no customer.
    NoCustomer,
}

/// Records contacts as they are now, or were when the webhook was sent.
///
/// `job_id` is the job that saw them; those it has seen before are not counted again.
///
/// # Errors
/// [`Error::Log`].
pub async fn record_contacts(
    unit: &mut UnitOfWork<'_>,
    story: &Story,
    books: &Books,
    contacts: &[ContactChanged],
    job_id: Option<Uuid>,
) -> Result<ContactCounts, Error> {
    let now = unit.now();
    let ids = contacts.iter().map(|contact| contact.contact_id.as_str());
    let known = customer::of_ids(unit.connection(), &story.account, ids).await?;
    let mut known: BTreeMap<String, Customer> =
        known.into_iter().map(|customer| (customer.fact.contact_id.clone(), customer)).collect();
    let users = user::all(unit.connection(), &story.account).await?;
    let mut counts = ContactCounts::default();
    let mut appends = Vec::new();
    let mut abouts = Vec::new();
    for fact in contacts {
        if !known.contains_key(&fact.contact_id) && !is_customer(books, fact) {
            continue;
        }
        let customer = known
            .entry(fact.contact_id.clone())
            .or_insert_with(|| Customer::unknown(&story.account, &story.organization, fact.clone(), now));
        counts.facts += u64::from(seen(story, customer, fact, &mut appends));
        if customer.wish.is_some() {
            abouts.push((customer.fact.contact_id.clone(), contradiction(customer)));
        }
        let is_updated = decide_assignment(story, books, &users, customer, &mut appends);
        if job_id.is_none() || customer.seen_in != job_id {
            counts.total_checked += 1;
            counts.updated += u64::from(is_updated);
            counts.skipped += u64::from(!is_updated);
        }
        customer.seen_in = job_id.or(customer.seen_in);
        customer.seen_at = now;
    }
    unit.append_all(&appends).await?;
    for (contact_id, about) in abouts {
        let id = conflict_id(&story.account, ConflictKind::Owner, &contact_id);
        conflict::settle(unit, story, id, about).await?;
    }
    customer::save(unit.connection(), &known.values().collect::<Vec<_>>()).await?;
    Ok(counts)
}

/// Records that the provider does not have a contact any more.
///
/// # Errors
/// [`Error::Log`].
pub async fn contact_gone(
    unit: &mut UnitOfWork<'_>,
    story: &Story,
    books: &Books,
    contact_id: &str,
    job_id: Option<Uuid>,
) -> Result<ContactCounts, Error> {
    let Some(mut customer) = customer::load(unit.connection(), &story.account, contact_id).await? else {
        return Ok(ContactCounts::default());
    };
    let mut counts = ContactCounts { total_checked: 1, ..ContactCounts::default() };
    let users = user::all(unit.connection(), &story.account).await?;
    let mut appends = Vec::new();
    if !customer.is_gone {
        let version = customer.version.0.to_string();
        let id = EventId::derived(&[CONTACT_GONE.as_str(), &story.account, contact_id, &version]);
        let event = story.fact(CONTACT_GONE, id, &ContactGone { contact_id: contact_id.to_owned() });
        appends.push(next(books::contact_stream(&story.account, contact_id), &mut customer.version, event));
        counts.facts = 1;
    }
    customer.is_gone = true;
    customer.wish = None;
    customer.seen_in = job_id.or(customer.seen_in);
    customer.seen_at = unit.now();
    let is_updated = decide_assignment(story, books, &users, &mut customer, &mut appends);
    counts.updated = u64::from(is_updated);
    counts.skipped = u64::from(!is_updated);
    unit.append_all(&appends).await?;
    let id = conflict_id(&story.account, ConflictKind::Owner, contact_id);
    conflict::settle(unit, story, id, None).await?;
    customer::save(unit.connection(), &[&customer]).await?;
    Ok(counts)
}

/// Customers that a job has not seen and that are not known to be gone, at most `limit`, by their contacts' ids.
///
/// # Errors
/// [`Error::Log`].
pub async fn unseen(
    target: impl Into<Target<'_>>,
    account: &str,
    job_id: Uuid,
    limit: u32,
) -> Result<Vec<String>, Error> {
    Ok(customer::unseen(target, account, job_id, limit).await?)
}

/// What it tells that a webhook carries this state, which reached us at `received_at`.
///
/// # Errors
/// [`Error::Log`].
pub async fn what_it_tells(
    target: impl Into<Target<'_>>,
    account: &str,
    books: &Books,
    fact: &ContactChanged,
    received_at: DateTime<Utc>,
) -> Result<News, Error> {
    let is_ahead = |time: DateTime<Utc>| time > received_at + CLOCK_SKEW;
    let Some(known) = customer::load(target, account, &fact.contact_id).await? else {
        return Ok(match fact.last_modified_time {
            _ if !is_customer(books, fact) => News::NoCustomer,
            Some(told) if !is_ahead(told) => News::State,
            _ => News::Ask,
        });
    };
    Ok(match (known.fact.last_modified_time, fact.last_modified_time) {
        (_, Some(told)) if is_ahead(told) => News::Ask,
        (Some(before), Some(told)) if told < before && !(known.is_announced && is_ahead(before)) => News::Old,
        (Some(before), Some(told)) if told > before && !known.is_gone => News::State,
        _ => News::Ask,
    })
}

pub(super) fn is_customer(books: &Books, fact: &ContactChanged) -> bool {
    fact.kind.as_deref().is_none_or(|kind| kind.eq_ignore_ascii_case(&books.contact_type))
}

/// What it means that a contact was seen like this; returns whether the fact is new.
fn seen(story: &Story, customer: &mut Customer, fact: &ContactChanged, appends: &mut Vec<Append>) -> bool {
    let is_announced = story.source == "webhook";
    let is_known = customer.version.0 > 0;
    let (before, told) = (customer.fact.last_modified_time, fact.last_modified_time);
    let is_older = before.zip(told).is_some_and(|(before, told)| told < before);
    let is_same_time = before == told;
    // An answer to a question that was asked before somebody else looked is old, unless its time says that it is newer.
    let is_late = story.asked_at.is_some_and(|asked_at| customer.seen_at > asked_at);
    // What the provider shows counts more than what was only announced: whoever can announce could make up any time.
    let is_overruling = customer.is_announced && !is_announced && !is_late;
    let is_overtaken = is_older && !is_overruling || is_late && is_same_time;
    // What was announced before somebody looked and found it gone is old as well.
    if is_known && (is_overtaken || is_announced && customer.is_gone) {
        return false;
    }
    let stream = books::contact_stream(&story.account, &fact.contact_id);
    if is_known && !customer.is_gone && customer.fact.is_same_as(fact) {
        customer.is_announced &= is_announced;
        customer.fact.owner_name.clone_from(&fact.owner_name);
        if story.received_at.is_some() {
            let event = story.fact(CONTACT_CHANGED, customer.fact_id, fact).at(told);
            appends.push(Append::new(stream, vec![event]));
        }
        return false;
    }
    if is_known && is_older {
        customer.overruled_until = customer.overruled_until.max(before);
    }
    let may_have_been_told = is_same_time || customer.is_gone || told <= customer.overruled_until;
    let replaced = (is_known && may_have_been_told).then_some(customer.version);
    customer.fact_id = fact.change_id(&story.account, replaced);
    let event = story.fact(CONTACT_CHANGED, customer.fact_id, fact).at(told);
    appends.push(next(stream, &mut customer.version, event));
    customer.fact = fact.clone();
    customer.is_gone = false;
    customer.is_announced = is_announced;
    true
}

/// Compares what the ERP wants with what Books shows now: fulfilled, still waiting, or both sides have changed.
fn contradiction(customer: &mut Customer) -> Option<ConflictAbout> {
    let owner_id = customer.fact.owner_id.clone();
    let wish = customer.wish.clone()?;
    if owner_id.as_deref() == Some(wish.owner_id.as_str()) {
        customer.wish = None;
        return None;
    }
    let is_ours = owner_id.as_ref().is_some_and(|owner| wish.overtaken_owner_ids.contains(owner));
    (owner_id != wish.instead_of_owner_id && !is_ours).then(|| ConflictAbout::Owner {
        contact_id: customer.fact.contact_id.clone(),
        books_owner_id: owner_id,
        erp_owner_id: wish.owner_id,
    })
}
