//! Each poll: its last run and what it has found over time.

use catalogue::poll::{self, COMPLETED, FAILED};
use chrono::{DateTime, Utc};
use event_log::{Error, EventType, ScannedEvent};

use crate::projection::{Changes, Projection};
use crate::row::{row, word};

word! {
    /// How the last run of a poll stands.
    pub enum PollOutcome {
        /// Its last page has not come yet.
        Reading = "reading",
        /// All pages were read.
        Completed = "completed",
        /// It could not be done.
        Failed = "failed",
    }
}

row! {
    /// One poll.
    pub struct Poll in "rm_polls";
    key PollKey {
        /// The poll's name, as in `schedules`.
        poll: String,
    }
    columns {
        /// The transfer whose records it looks for.
        transfer: Option<String>,
        /// Number of the last run.
        runs: i64,
        /// Why the last run ran: `schedule`, `start`, `manual`.
        last_trigger: Option<String>,
        /// How the last run stands.
        last_outcome: PollOutcome,
        /// When the last event of a run was recorded.
        last_run_at: DateTime<Utc>,
        /// Records still pending by the pages of the last run.
        pending: i64,
        /// Pages read, over all runs.
        pages: i64,
        /// Facts that were new to the log, over all runs.
        new_facts: i64,
        /// New facts that a live registration should have announced, over all runs.
        found_missed: i64,
        /// Runs that failed.
        failures: i64,
        /// Stable code of the last failure.
        code: Option<String>,
        /// The last failure in words.
        error: Option<String>,
    }
}

pub(crate) struct Polls;

pub(crate) struct Change {
    at: DateTime<Utc>,
    run: i64,
    what: What,
}

enum What {
    Page { transfer: String, trigger: String, pending: i64, new_facts: i64, found_missed: i64, last: bool },
    Failed { code: String, error: String },
}

impl Projection for Polls {
    type Row = Poll;
    type Change = Change;
    const NAME: &'static str = "polls";
    const EVENT_TYPES: &'static [&'static EventType] = &[&COMPLETED, &FAILED];

    fn read(event: &ScannedEvent<'_>, changes: &mut Changes<Self>) -> Result<(), Error> {
        let (poll, run, what) = if event.is(&COMPLETED) {
            let data: poll::Completed = event.decode()?;
            let what = What::Page {
                transfer: data.transfer,
                trigger: data.trigger,
                pending: i64::try_from(data.pending.len()).unwrap_or(i64::MAX),
                new_facts: data.new_facts.cast_signed(),
                found_missed: data.found_missed.cast_signed(),
                last: data.last_page,
            };
            (data.poll, data.run, what)
        } else if event.is(&FAILED) {
            let poll::Failed { poll, run, code, error } = event.decode()?;
            (poll, run, What::Failed { code, error })
        } else {
            return Ok(());
        };
        changes.push((PollKey { poll }, Change { at: event.recorded_at()?, run, what }));
        Ok(())
    }

    fn apply(row: &mut Poll, change: Change) {
        if change.run != row.runs {
            row.runs = change.run;
            row.pending = 0;
        }
        row.last_run_at = change.at;
        match change.what {
            What::Page { transfer, trigger, pending, new_facts, found_missed, last } => {
                row.transfer = Some(transfer);
                row.last_trigger = Some(trigger);
                row.last_outcome = if last { PollOutcome::Completed } else { PollOutcome::Reading };
                row.pending += pending;
                row.pages += 1;
                row.new_facts += new_facts;
                row.found_missed += found_missed;
            }
            What::Failed { code, error } => {
                row.last_outcome = PollOutcome::Failed;
                row.failures += 1;
                row.code = Some(code);
                row.error = Some(error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Row;

    fn page(run: i64, pending: i64, last: bool) -> Change {
        let what = What::Page {
            transfer: "t".to_owned(),
            trigger: "schedule".to_owned(),
            pending,
            new_facts: 1,
            found_missed: 1,
            last,
        };
        Change { at: DateTime::UNIX_EPOCH, run, what }
    }

    #[test]
    fn pending_is_of_the_last_run_and_findings_of_all() {
        let mut row = Poll::blank(PollKey { poll: "p".to_owned() });
        for change in [page(1, 5, false), page(1, 5, true), page(2, 3, false)] {
            Polls::apply(&mut row, change);
        }
        assert_eq!((row.runs, row.pending, row.found_missed, row.pages), (2, 3, 3, 3));
        assert_eq!(row.last_outcome, PollOutcome::Reading);
    }
}
