//! A job that reads the customers and whose they are, a page in each turn.
//!
//! A full walk goes by time of creation, so that changes move nobody; who was not on its pages is asked for by id before it
//! counts as gone. An incremental one goes from the newest change down to the watermark. The watermark is the newest change
//! when the walk began, and moves when the walk ends: what changes meanwhile is read by the next one. Over a stretch of
//! several pages it moves after the second walk.

use std::time::Instant;

use catalogue::sync::{self, READ, Read};
use chrono::{DateTime, TimeDelta, Utc};
use event_log::{Append, NewEvent, UnitOfWork};
use mappings::salesperson::{ContactCounts, contact_gone, record_contacts, unseen};
use providers::zoho::books::{Contact, Id};
use service::config::account::Books;

use super::walk::{self, Walk};
use super::{fact, organization, settings_of, story};
use crate::intake::{Error, only_as_leader};
use crate::sync::channel::milliseconds;
use crate::sync::jobs::{self, Job, Kind, Progress, State};
use crate::sync::worker::{Trouble, Worker};

/// Read again before the watermark: a provider may show a change later than it dates it.
const OVERLAP: TimeDelta = TimeDelta::minutes(5);
/// Pages after which a list counts as endless: two million contacts.
const MOST_PAGES: u32 = 10_000;

/// One turn: the beginning of a walk, a page, somebody who was on no page, or the end.
pub(in crate::sync) async fn turn(worker: &Worker, job: &Job) -> Result<(), Trouble> {
    let books = settings_of(worker)?;
    let saved = walk::load(worker.intake.log.database().readers(), &worker.account).await?;
    if saved.job_id == Some(job.job_id) {
        return if saved.is_confirming {
            confirm(worker, job, &books, saved).await
        } else {
            page(worker, job, &books, saved).await
        };
    }
    let begun = Walk { job_id: Some(job.job_id), next_page: Some(1), newest: None, is_confirming: false, ..saved };
    match begun.watermark.filter(|_| !job.is_full) {
        Some(watermark) => page(worker, job, &books, Walk { since: Some(watermark - OVERLAP), ..begun }).await,
        None => begin_full(worker, job, &books, Walk { since: None, ..begun }).await,
    }
}

/// Looks at the newest change before everything is read.
async fn begin_full(worker: &Worker, job: &Job, books: &Books, walk: Walk) -> Result<(), Trouble> {
    let began = Instant::now();
    let mut newest_first =
        organization(worker, books)?.contacts_modified_since(DateTime::<Utc>::MIN_UTC, TimeDelta::zero());
    let newest = newest(&newest_first.next().await?.unwrap_or_default());
    let walk = Walk { newest, ..walk };
    commit(worker, job, began, walk, "newest", |_, _| Box::pin(async { Ok(ContactCounts::default()) })).await
}

async fn page(worker: &Worker, job: &Job, books: &Books, walk: Walk) -> Result<(), Trouble> {
    let began = Instant::now();
    let number = walk.next_page.unwrap_or(1);
    if number > MOST_PAGES {
        let error = format!("the list of contacts has more than {MOST_PAGES} pages");
        return Err(Trouble::Pointless { code: "endless_list", error });
    }
    let organization = organization(worker, books)?;
    let pages = match walk.since {
        Some(since) => organization.contacts_modified_since(since, TimeDelta::zero()),
        None => organization.contacts(),
    };
    let mut pages = pages.starting_at(number);
    let story = story(job, "poll", worker.intake.log.now());
    let contacts = pages.next().await?.unwrap_or_default();
    check_owners(&contacts)?;
    let mut after = Walk { next_page: pages.page(), ..walk };
    if number == 1 && !after.is_full() {
        after.newest = newest(&contacts);
    }
    after.is_confirming = after.next_page.is_none() && after.is_full();
    if after.next_page.is_none() {
        after = after.at_last_page(number);
    }
    let (job_id, books) = (job.job_id, books.clone());
    let facts: Vec<_> = contacts.iter().map(fact::of_contact).collect();
    let found = facts.len();
    let asked = format!("page {number}");
    tracing::debug!(account.id = %worker.account, found, "a page of contacts was read");
    commit(worker, job, began, after, &asked, move |unit, _| {
        Box::pin(async move { Ok(record_contacts(unit, &story, &books, &facts, Some(job_id)).await?) })
    })
    .await
}

/// Asks for one who was on no page; ends the job where everybody is accounted for.
async fn confirm(worker: &Worker, job: &Job, books: &Books, walk: Walk) -> Result<(), Trouble> {
    let began = Instant::now();
    let left =
        unseen(worker.intake.log.database().readers(), &worker.account, job.job_id, 1).await.map_err(Error::from)?;
    let Some(contact_id) = left.into_iter().next() else { return end(worker, job, walk, began).await };
    let story = story(job, "fetch", worker.intake.log.now());
    let found = organization(worker, books)?.contact(&Id::parse(&contact_id)?).await?;
    let (job_id, books) = (job.job_id, books.clone());
    let asked = format!("contact {contact_id}");
    commit(worker, job, began, walk, &asked, move |unit, _| {
        Box::pin(async move {
            Ok(match found {
                None => contact_gone(unit, &story, &books, &contact_id, Some(job_id)).await?,
                Some(contact) => {
                    record_contacts(unit, &story, &books, &[fact::of_contact(&contact)], Some(job_id)).await?
                }
            })
        })
    })
    .await
}

type Recording<'a> = std::pin::Pin<Box<dyn Future<Output = Result<ContactCounts, Error>> + Send + 'a>>;

/// What was read, how far that is, and what it counts, in one unit of work. An incremental walk ends with its last page.
async fn commit<F>(
    worker: &Worker,
    job: &Job,
    began: Instant,
    walk: Walk,
    asked: &str,
    record: F,
) -> Result<(), Trouble>
where
    F: for<'a, 'c> FnOnce(&'a mut UnitOfWork<'c>, &'a Job) -> Recording<'a> + Send + 'static,
{
    let (leadership, job, asked) = (worker.leadership.clone(), job.clone(), asked.to_owned());
    let is_end = walk.next_page.is_none() && !walk.is_confirming;
    let recorded = worker.intake.log.write::<_, Error, _>(move |unit| {
        Box::pin(async move {
            only_as_leader(unit, &leadership).await?;
            let counts = record(unit, &job).await?;
            let read = Read {
                job_id: job.job_id,
                asked: [("contacts".to_owned(), asked)].into(),
                found: counts.total_checked,
                new_facts: counts.facts,
            };
            let event = NewEvent::new(READ, "poll", &read).in_story(job.correlation_id, None);
            let event = event.of(&job.account, &job.organization);
            unit.append(Append::new(sync::stream(&job.subject), vec![event])).await?;
            let job = jobs::advance(unit, &job, &progress(&counts, 1, began)).await?;
            if is_end {
                let ended = walk.ended(unit.now());
                walk::save(unit.connection(), &ended).await?;
                jobs::complete(unit, &job).await?;
            } else {
                walk::save(unit.connection(), &walk).await?;
            }
            Ok(counts.facts)
        })
    });
    metrics::counter!("books_facts_recorded_total").increment(recorded.await?);
    if is_end {
        jobs::count(Kind::BooksAssignments, State::Completed);
    }
    Ok(())
}

/// Everybody was on a page or was asked for.
async fn end(worker: &Worker, job: &Job, walk: Walk, began: Instant) -> Result<(), Trouble> {
    let (leadership, job) = (worker.leadership.clone(), job.clone());
    let ended = worker.intake.log.write::<_, Error, _>(move |unit| {
        Box::pin(async move {
            only_as_leader(unit, &leadership).await?;
            let job = jobs::advance(unit, &job, &progress(&ContactCounts::default(), 0, began)).await?;
            let ended = walk.ended(unit.now());
            walk::save(unit.connection(), &ended).await?;
            jobs::complete(unit, &job).await?;
            Ok(())
        })
    });
    ended.await?;
    jobs::count(Kind::BooksAssignments, State::Completed);
    Ok(())
}

fn progress(counts: &ContactCounts, calls: u64, began: Instant) -> Progress {
    let counts = vec![
        ("total_checked", counts.total_checked),
        ("updated", counts.updated),
        ("skipped", counts.skipped),
        ("calls", calls),
    ];
    Progress { counts, processing_ms: milliseconds(began), left_out: None }
}

fn newest(contacts: &[Contact]) -> Option<DateTime<Utc>> {
    contacts.iter().filter_map(|contact| contact.last_modified_time).max()
}

/// That lists show owners is seen and not documented. Where one does not, everybody would seem to have lost theirs.
fn check_owners(contacts: &[Contact]) -> Result<(), Trouble> {
    if contacts.is_empty() || contacts.iter().any(|contact| contact.fields.contains_key("owner_id")) {
        return Ok(());
    }
    let error = "the list of contacts does not show whose they are".to_owned();
    Err(Trouble::Pointless { code: "owners_not_listed", error })
}
