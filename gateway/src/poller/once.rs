//! A poll that a person or a command asks for, now and once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use event_log::take_lease;
use providers::error::Error as ProviderError;
use providers::zoho::crm::RecordId;
use uuid::Uuid;

use super::page::PageRead;
use super::{LEASE, Poll, Run};
use crate::intake::{Error, Intake};
use crate::schedule::rows;

/// How often a poll that another process runs is asked for again.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// What to look for.
#[derive(Debug, Clone, Default)]
pub struct PollRequest {
    /// Why: becomes the trigger in the log. `manual` for a person.
    pub trigger: String,
    /// Only this record, pending or not.
    pub record_id: Option<RecordId>,
    /// At most so many pending records.
    pub limit: Option<u32>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PollOutcome {
    /// Number of the run.
    pub run: i64,
    /// Records that were read.
    pub records: u64,
    /// Facts that were new to the log.
    pub new_facts: u64,
    /// New facts that a live registration should have announced and did not.
    pub found_missed: u64,
    /// The pending records.
    pub pending: BTreeSet<String>,
}

/// Polls for one transfer now. Waits while another run of the same poll is under way.
///
/// # Errors
/// [`Error::NoSuchTransfer`]; [`Error::Provider`] with what the provider said, also kept in the log; [`Error::Log`].
/// Pages that were read before are saved.
///
/// # Cancellation
/// Pages that were read are saved. The poll is blocked for others until its lease ends, within seconds.
pub async fn run_poll_once(intake: Arc<Intake>, transfer: &str, request: &PollRequest) -> Result<PollOutcome, Error> {
    let poll = Poll::new(intake, transfer)?;
    poll.settle().await?;
    let mut run = loop {
        if let Some(run) = poll.begin_manual(request).await? {
            break run;
        }
        tokio::time::sleep(ASK_EVERY).await;
    };
    poll.while_held(&run.clone(), poll.read_all(&mut run, request)).await
}

impl Poll {
    async fn begin_manual(&self, request: &PollRequest) -> Result<Option<Run>, Error> {
        let (poll, trigger) = (self.clone(), request.trigger.clone());
        self.intake
            .log
            .write(move |unit| {
                Box::pin(async move {
                    // A name of its own, so that it also waits for other runs of this process.
                    let leased_by = format!("{}:{}", poll.intake.leased_by, Uuid::now_v7().simple());
                    if !take_lease(unit, &poll.lease_name(), &leased_by, LEASE).await? {
                        return Ok(None);
                    }
                    let number = rows::begin_manual(unit.connection(), &poll.name).await?;
                    Ok(Some(Run { number, trigger, after: None, leased_by, scheduled: false }))
                })
            })
            .await
    }

    async fn read_all(&self, run: &mut Run, request: &PollRequest) -> Result<PollOutcome, Error> {
        let mut outcome = PollOutcome { run: run.number, ..PollOutcome::default() };
        loop {
            let page = match self.read_wanted(run, request, &outcome).await {
                Ok(page) => page,
                Err(error) => {
                    self.record_failure(run, &error, None).await?;
                    return Err(error.into());
                }
            };
            outcome.records += page.records.len() as u64;
            outcome.pending.extend(page.pending.iter().cloned());
            run.after.clone_from(&page.after);
            let recorded = self.record(run, page, None).await?;
            outcome.new_facts += recorded.new_facts;
            outcome.found_missed += recorded.found_missed;
            if run.after.is_none() {
                return Ok(outcome);
            }
        }
    }

    async fn read_wanted(
        &self,
        run: &Run,
        request: &PollRequest,
        sofar: &PollOutcome,
    ) -> Result<PageRead, ProviderError> {
        if let Some(id) = &request.record_id {
            return self.read_one(id).await;
        }
        let most = self.intake.settings.page_rows;
        let left = request.limit.map(|limit| limit.saturating_sub(u32::try_from(sofar.pending.len()).unwrap_or(limit)));
        let mut page = self.read_page(run.after.as_deref(), left.unwrap_or(most).clamp(1, most)).await?;
        let left = left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        if page.records.len() >= left {
            page.records.truncate(left);
            page.pending.truncate(left);
            page.after = None;
        }
        Ok(page)
    }

    async fn read_one(&self, id: &RecordId) -> Result<PageRead, ProviderError> {
        let record = self.client.crm().record(&self.transfer.module, id, &self.target.fields).await?;
        let records: Vec<_> = record.into_iter().collect();
        let is_pending = |record: &&providers::zoho::crm::Record| {
            !record.is_ticked(&self.transfer.checkbox_field) && record.text(&self.transfer.folder_field).is_some()
        };
        let pending = records.iter().filter(is_pending).map(|record| record.id.as_str().to_owned()).collect();
        Ok(PageRead { before: None, after: None, records, pending })
    }
}
