//! One run of a poll, page by page.

use chrono::{DateTime, Utc};
use providers::error::Error as ProviderError;
use providers::zoho::crm::{PendingQuery, RecordId};
use tokio_util::sync::CancellationToken;

use super::page::{PageRead, Recorded};
use super::{Poll, Run};
use crate::intake::Error;

/// How a run ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The last page is saved.
    Complete,
    /// The process stops; the run goes on after the next start.
    Stopped,
    /// The provider failed; what was read before is saved.
    Failed(ProviderError),
}

impl Poll {
    /// Reads page after page until the last, which also sets the time of the next run.
    pub(crate) async fn scan(
        &self,
        run: &Run,
        next_run_at: Option<DateTime<Utc>>,
        stop: &CancellationToken,
    ) -> Result<Ended, Error> {
        let mut before = run.after.clone();
        loop {
            let reading = self.read_page(before.as_deref(), self.intake.settings.page_rows);
            let page = match stop.run_until_cancelled(reading).await {
                None => return Ok(Ended::Stopped),
                Some(Err(error)) => return Ok(Ended::Failed(error)),
                Some(Ok(page)) => page,
            };
            let after = page.after.clone();
            self.record(run, page, next_run_at).await?;
            if after.is_none() {
                return Ok(Ended::Complete);
            }
            before = after;
        }
    }

    /// Asks the provider for one page.
    pub(super) async fn read_page(&self, before: Option<&str>, rows: u32) -> Result<PageRead, ProviderError> {
        // A stored place that is no id any more begins the scan anew, which loses nothing.
        let place = before.and_then(|id| id.parse::<RecordId>().ok());
        let query = PendingQuery {
            module: self.transfer.module.clone(),
            checkbox_field: self.transfer.checkbox_field.clone(),
            folder_field: self.transfer.folder_field.clone(),
            extra_fields: self.target.fields.clone(),
        };
        let page = self.client.crm().pending(&query, place.as_ref(), rows).await?;
        let after = page.last.filter(|_| page.more).map(|id| id.as_str().to_owned());
        Ok(PageRead {
            before: place.map(|id| id.as_str().to_owned()),
            pending: page.records.iter().map(|record| record.id.as_str().to_owned()).collect(),
            records: page.records,
            after,
        })
    }

    /// Saves one page, and tells when it holds what should have been announced.
    pub(super) async fn record(
        &self,
        run: &Run,
        page: PageRead,
        next_run_at: Option<DateTime<Utc>>,
    ) -> Result<Recorded, Error> {
        let is_last = page.after.is_none();
        let recorded = self.save_page(run, page, next_run_at).await?;
        if is_last {
            metrics::counter!("polls_total", "outcome" => "completed").increment(1);
        }
        metrics::counter!("poll_found_missed_total").increment(recorded.found_missed);
        if recorded.found_missed > 0 {
            tracing::warn!(
                poll = %self.name,
                found_missed = recorded.found_missed,
                "a poll found changes that no webhook announced although a registration was live"
            );
        }
        Ok(recorded)
    }
}
