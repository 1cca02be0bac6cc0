//! A job that reads all users. One turn: their list is short, and only the whole of it tells who left.

use std::time::Instant;

use catalogue::books::UserChanged;
use catalogue::sync::{self, READ, Read};
use event_log::{Append, NewEvent};
use mappings::salesperson::record_users;

use super::{fact, organization, settings_of, story};
use crate::intake::{Error, only_as_leader};
use crate::sync::channel::milliseconds;
use crate::sync::jobs::{self, Job, Kind, Progress, State};
use crate::sync::worker::{Trouble, Worker};

/// Users on a page of the list.
const PAGE: u64 = 200;

/// Reads the list and ends the job.
pub(in crate::sync) async fn turn(worker: &Worker, job: &Job) -> Result<(), Trouble> {
    let began = Instant::now();
    let books = settings_of(worker)?;
    let asked_at = worker.intake.log.now();
    let listed = organization(worker, &books)?.users().await?;
    let listed: Vec<UserChanged> = listed.iter().map(fact::of_user).collect();
    let (leadership, job) = (worker.leadership.clone(), job.clone());
    let recorded = worker.intake.log.write::<_, Error, _>(move |unit| {
        Box::pin(async move {
            only_as_leader(unit, &leadership).await?;
            let counts = record_users(unit, &story(&job, "poll", asked_at), &books, &listed).await?;
            let asked = [("list", "users".to_owned()), ("filter_by", "Status.All".to_owned())];
            let read = Read {
                job_id: job.job_id,
                asked: asked.map(|(name, value)| (name.to_owned(), value)).into(),
                found: counts.total_fetched,
                new_facts: counts.facts,
            };
            let event = NewEvent::new(READ, "poll", &read).in_story(job.correlation_id, None);
            let event = event.of(&job.account, &job.organization);
            unit.append(Append::new(sync::stream(&job.subject), vec![event])).await?;
            let calls = counts.total_fetched.div_ceil(PAGE).max(1);
            let counted = vec![
                ("total_fetched", counts.total_fetched),
                ("created", counts.created),
                ("updated", counts.updated),
                ("skipped", counts.skipped),
                ("calls", calls),
            ];
            let progress = Progress { counts: counted, processing_ms: milliseconds(began), left_out: None };
            let job = jobs::advance(unit, &job, &progress).await?;
            jobs::complete(unit, &job).await?;
            Ok(counts.facts)
        })
    });
    metrics::counter!("books_facts_recorded_total").increment(recorded.await?);
    jobs::count(Kind::BooksUsers, State::Completed);
    Ok(())
}
