//! One page of a poll becomes evidence and facts, with the place of the next page, in one unit of work.

use catalogue::poll::{self, Completed};
use chrono::{DateTime, TimeDelta, Utc};
use event_log::sql::{self, Connection, Dialect, Row};
use event_log::sqlx;
use event_log::{Append, EventId, NewEvent, UnitOfWork, release_lease};
use providers::zoho::crm::Record;

use super::{Poll, Run};
use crate::crm::{Fact, settle_ids};
use crate::cursor::{self, Cursor};
use crate::hint;
use crate::intake::Error;
use crate::schedule::rows;

/// A page as the provider gave it.
#[derive(Debug)]
pub(super) struct PageRead {
    /// Where it began; `None` for the first.
    pub(super) before: Option<String>,
    /// Where the next one begins; `None` for the last.
    pub(super) after: Option<String>,
    /// What was read.
    pub(super) records: Vec<Record>,
    /// Which of them are pending by our own check.
    pub(super) pending: Vec<String>,
}

/// What a page added to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) new_facts: u64,
    pub(super) found_missed: u64,
}

/// A stretch of time in which a registration should have announced every change.
struct Coverage {
    from: DateTime<Utc>,
    to: Option<DateTime<Utc>>,
}

impl Poll {
    pub(super) async fn save_page(
        &self,
        run: &Run,
        page: PageRead,
        next_run_at: Option<DateTime<Utc>>,
    ) -> Result<Recorded, Error> {
        let (poll, run) = (self.clone(), run.clone());
        self.intake
            .log
            .write(move |unit| Box::pin(async move { poll.save_page_in(unit, &run, page, next_run_at).await }))
            .await
    }

    async fn save_page_in(
        &self,
        unit: &mut UnitOfWork<'_>,
        run: &Run,
        page: PageRead,
        next_run_at: Option<DateTime<Utc>>,
    ) -> Result<Recorded, Error> {
        self.only_as_holder(unit, run).await?;
        let now = unit.now();
        let evidence_id = EventId::fresh();
        let mut facts: Vec<Fact> =
            page.records.iter().map(|record| Fact::changed(&self.target, record, "poll")).collect();
        for fact in &mut facts {
            // A fact that a poll finds first begins a story of its own; the poll is only what led to it.
            fact.event.causation_id = Some(evidence_id);
        }
        let is_new = settle_ids(unit.connection(), &mut facts).await?;
        let found_missed = self.missed(unit.connection(), now, &page.records, &is_new).await?;
        let recorded = Recorded { new_facts: is_new.iter().filter(|is_new| **is_new).count() as u64, found_missed };
        let evidence = self.evidence(evidence_id, run, &page, recorded);
        let mut appends = vec![Append::new(poll::stream(&self.name), vec![evidence])];
        appends.extend(facts.into_iter().map(Fact::into_append));
        unit.append_all(&appends).await?;
        self.move_on(unit, run, page.after, next_run_at).await?;
        Ok(recorded)
    }

    fn evidence(&self, id: EventId, run: &Run, page: &PageRead, recorded: Recorded) -> NewEvent {
        let data = Completed {
            poll: self.name.clone(),
            transfer: self.transfer.name.clone(),
            run: run.number,
            trigger: run.trigger.clone(),
            cursor_before: page.before.clone(),
            cursor_after: page.after.clone(),
            pending: page.pending.clone(),
            new_facts: recorded.new_facts,
            found_missed: recorded.found_missed,
            last_page: page.after.is_none(),
        };
        NewEvent::new(poll::COMPLETED, "poll", &data)
            .with_id(id)
            .in_story(id.0, None)
            .of(&self.transfer.account, &self.transfer.organization)
    }

    /// The place of the next page, or the end of the run.
    async fn move_on(
        &self,
        unit: &mut UnitOfWork<'_>,
        run: &Run,
        after: Option<String>,
        next_run_at: Option<DateTime<Utc>>,
    ) -> Result<(), Error> {
        let (now, name) = (unit.now(), self.name.as_str());
        let is_last = after.is_none();
        if run.scheduled && is_last {
            cursor::clear(unit.connection(), name).await?;
            rows::complete(unit.connection(), now, name, next_run_at).await?;
        } else if run.scheduled {
            let cursor = Cursor { run: run.number, trigger: run.trigger.clone(), after, updated_at: now };
            cursor::save(unit.connection(), name, &cursor).await?;
        }
        if is_last {
            release_lease(unit, &self.lease_name(), &run.leased_by).await?;
        }
        Ok(())
    }

    /// How many of the new facts a registration should have announced. Fresh changes do not count, their notification
    /// may be under way; nor do those whose delivery has been received and waits for its turn.
    async fn missed(
        &self,
        connection: &mut Connection,
        now: DateTime<Utc>,
        records: &[Record],
        is_new: &[bool],
    ) -> Result<u64, Error> {
        let coverages = coverages(connection, &self.transfer.account, self.transfer.module.as_str()).await?;
        let grace = TimeDelta::from_std(self.intake.settings.missed_after).unwrap_or_default();
        let mut missed = 0;
        for (record, is_new) in records.iter().zip(is_new) {
            let Some(modified) = record.modified_time.filter(|_| *is_new) else { continue };
            let promised = coverages.iter().any(|coverage| coverage.holds(modified)) && modified + grace <= now;
            if promised && !self.is_announced(connection, record.id.as_str()).await? {
                missed += 1;
            }
        }
        Ok(missed)
    }

    /// Whether a delivery that names the record waits to be handled.
    async fn is_announced(&self, connection: &mut Connection, record_id: &str) -> Result<bool, Error> {
        macro_rules! waiting {
            ($named:literal) => {
                concat!(
                    "SELECT EXISTS (SELECT 1 FROM events WHERE account = $1 AND event_type = 'delivery.received' \
                     AND global_position > \
                     coalesce((SELECT global_position FROM checkpoints WHERE subscription_name = $2), 0) AND ",
                    $named,
                    ")"
                )
            };
        }
        let announced = sql::query_scalar(match connection.dialect() {
            Dialect::Sqlite => waiting!("instr(payload, $3) > 0"),
            Dialect::Postgres => waiting!("position($3 IN payload) > 0"),
        })
        .bind(&self.transfer.account)
        .bind(hint::subscription_name(&self.transfer.account))
        .bind(record_id.as_bytes())
        .fetch_one(connection)
        .await?;
        Ok(announced)
    }
}

impl Coverage {
    fn holds(&self, modified: DateTime<Utc>) -> bool {
        modified > self.from && self.to.is_none_or(|to| modified < to)
    }
}

async fn coverages(connection: &mut Connection, account: &str, module: &str) -> Result<Vec<Coverage>, Error> {
    let rows = sql::query(
        "SELECT active_since, expires_at FROM registrations \
         WHERE account = $1 AND target = $2 AND state IN ('active', 'retiring') AND active_since IS NOT NULL",
    )
    .bind(account)
    .bind(module)
    .fetch_all(connection)
    .await?;
    let read = |row: &Row| {
        Ok::<_, sqlx::Error>(Coverage { from: row.try_get("active_since")?, to: row.try_get("expires_at")? })
    };
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}
