//! Counters per organisation, for summaries that must not read whole tables.

use catalogue::{crm, delivery, effect, poll, transfer};
use event_log::{Error, EventType, ScannedEvent};
use serde::Deserialize;

use crate::projection::{Changes, Projection};
use crate::row::row;

row! {
    /// One counter of one organisation.
    pub(crate) struct Total in "rm_totals";
    key TotalKey {
        /// The organisation, empty where an event has none.
        organization: String,
        /// What is counted: a [`Counter`]'s name.
        counter: String,
    }
    columns {
        /// How many.
        value: i64,
    }
}

/// What is counted; the names are permanent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Counter(pub(crate) &'static str);

impl Counter {
    pub(crate) const DELIVERIES: Counter = Counter("deliveries");
    pub(crate) const DELIVERIES_FLAGGED: Counter = Counter("deliveries_flagged");
    pub(crate) const POLL_RUNS: Counter = Counter("poll_runs");
    pub(crate) const POLL_RUNS_FAILED: Counter = Counter("poll_runs_failed");
    pub(crate) const FOUND_MISSED: Counter = Counter("found_missed");
    pub(crate) const RECORDS_CHANGED: Counter = Counter("records_changed");
    pub(crate) const RECORDS_DELETED: Counter = Counter("records_deleted");
    pub(crate) const RECORDS_UPDATED: Counter = Counter("records_updated");
    pub(crate) const RECORD_UPDATES_FAILED: Counter = Counter("record_updates_failed");
    pub(crate) const TRANSFERS_REQUESTED: Counter = Counter("transfers_requested");
    pub(crate) const TRANSFERS_COMPLETED: Counter = Counter("transfers_completed");
    pub(crate) const TRANSFERS_FAILED: Counter = Counter("transfers_failed");
    pub(crate) const FILES_COPIED: Counter = Counter("files_copied");
    pub(crate) const FILES_REUSED: Counter = Counter("files_reused");
    pub(crate) const FILES_FAILED: Counter = Counter("files_failed");
    pub(crate) const FILES_COPIED_BYTES: Counter = Counter("files_copied_bytes");
    pub(crate) const EFFECTS_RETRIED: Counter = Counter("effects_retried");
    pub(crate) const EFFECTS_SETTLED_DONE: Counter = Counter("effects_settled_done");
    pub(crate) const EFFECTS_SETTLED_NOT_DONE: Counter = Counter("effects_settled_not_done");
    pub(crate) const EFFECTS_REDRIVEN: Counter = Counter("effects_redriven");
}

/// One more, for event types whose data need not be read.
const PLAIN: &[(&EventType, Counter)] = &[
    (&crm::CHANGED, Counter::RECORDS_CHANGED),
    (&crm::DELETED, Counter::RECORDS_DELETED),
    (&crm::UPDATED, Counter::RECORDS_UPDATED),
    (&crm::UPDATE_FAILED, Counter::RECORD_UPDATES_FAILED),
    (&transfer::REQUESTED, Counter::TRANSFERS_REQUESTED),
    (&transfer::COMPLETED, Counter::TRANSFERS_COMPLETED),
    (&transfer::FAILED, Counter::TRANSFERS_FAILED),
    (&transfer::FILE_FAILED, Counter::FILES_FAILED),
    (&poll::FAILED, Counter::POLL_RUNS_FAILED),
    (&effect::RETRIED, Counter::EFFECTS_RETRIED),
    (&effect::REDRIVEN, Counter::EFFECTS_REDRIVEN),
];

#[derive(Deserialize)]
struct Delivery {
    #[serde(default)]
    flagged: bool,
}

#[derive(Deserialize)]
struct Page {
    found_missed: u64,
    last_page: bool,
}

#[derive(Deserialize)]
struct File {
    bytes: u64,
    #[serde(default)]
    reused: bool,
}

pub(crate) struct Totals;

impl Projection for Totals {
    type Row = Total;
    type Change = i64;
    const NAME: &'static str = "totals";
    const EVENT_TYPES: &'static [&'static EventType] = &[
        &delivery::RECEIVED,
        &poll::COMPLETED,
        &poll::FAILED,
        &crm::CHANGED,
        &crm::DELETED,
        &crm::UPDATED,
        &crm::UPDATE_FAILED,
        &transfer::REQUESTED,
        &transfer::COMPLETED,
        &transfer::FAILED,
        &transfer::FILE_COMPLETED,
        &transfer::FILE_FAILED,
        &effect::RETRIED,
        &effect::SETTLED,
        &effect::REDRIVEN,
    ];

    fn read(event: &ScannedEvent<'_>, changes: &mut Changes<Self>) -> Result<(), Error> {
        let mut add = |counter: Counter, by: i64| {
            let organization = event.organization.as_deref().unwrap_or_default().to_owned();
            changes.push((TotalKey { organization, counter: counter.0.to_owned() }, by));
        };
        if event.is(&delivery::RECEIVED) {
            add(Counter::DELIVERIES, 1);
            if event.decode::<Delivery>()?.flagged {
                add(Counter::DELIVERIES_FLAGGED, 1);
            }
        } else if event.is(&transfer::FILE_COMPLETED) {
            let file: File = event.decode()?;
            if file.reused {
                add(Counter::FILES_REUSED, 1);
            } else {
                add(Counter::FILES_COPIED, 1);
                add(Counter::FILES_COPIED_BYTES, file.bytes.cast_signed());
            }
        } else if event.is(&poll::COMPLETED) {
            let page: Page = event.decode()?;
            if page.last_page {
                add(Counter::POLL_RUNS, 1);
            }
            if page.found_missed > 0 {
                add(Counter::FOUND_MISSED, page.found_missed.cast_signed());
            }
        } else if event.is(&effect::SETTLED) {
            let done = event.decode::<effect::Settled>()?.done;
            add(if done { Counter::EFFECTS_SETTLED_DONE } else { Counter::EFFECTS_SETTLED_NOT_DONE }, 1);
        } else if let Some((_, counter)) = PLAIN.iter().find(|(event_type, _)| event.is(event_type)) {
            add(*counter, 1);
        }
        Ok(())
    }

    fn apply(row: &mut Total, by: i64) {
        row.value += by;
    }
}
