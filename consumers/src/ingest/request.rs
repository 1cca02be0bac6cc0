//! The request of `batch.post`: a batch, exactly as it is sent.

use event_log::EventId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::batch::Batch;
use super::settings::Settings;
use crate::ledger::{Kind, Planned, Sequence};

/// Request of `batch.post`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PostBatch {
    /// The receiver.
    pub ingest: String,
    /// The mapping whose messages they are.
    pub mapping_id: Uuid,
    /// The batch; also its idempotency key.
    pub batch_id: Uuid,
    /// The job after which it was composed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub job_id: Option<Uuid>,
    /// Number of its first line among all lines of the mapping, from 0.
    pub first_line: i64,
    /// Positions in the log of the messages, in the order of the lines.
    pub positions: Vec<i64>,
    /// The body, byte by byte: kept as a text, because a database may put the fields of JSON in another order.
    pub body: String,
}

/// Whose batches they are and what they follow from.
#[derive(Debug, Clone)]
pub(super) struct Owner<'a> {
    pub(super) settings: &'a Settings,
    pub(super) organization: &'a str,
    pub(super) mapping_id: Uuid,
    pub(super) job_id: Option<Uuid>,
    pub(super) correlation_id: Uuid,
    pub(super) causation_id: Option<EventId>,
}

/// The effect that sends a batch.
pub(super) fn planned(owner: &Owner<'_>, batch: &Batch, first_line: i64) -> Planned {
    let request = PostBatch {
        ingest: owner.settings.name.clone(),
        mapping_id: owner.mapping_id,
        batch_id: batch.batch_id,
        job_id: owner.job_id,
        first_line,
        positions: batch.positions.clone(),
        body: batch.body.clone(),
    };
    Planned {
        key: format!("batch.post:{}", batch.batch_id),
        kind: Kind::PostBatch,
        stream: catalogue::batch::stream(owner.mapping_id),
        run: 1,
        account: owner.settings.account(),
        source_account: None,
        organization: owner.organization.to_owned(),
        once_key: None,
        sequence: Some(Sequence { key: format!("ingest:{}", owner.mapping_id), number: first_line }),
        bytes: Some(batch.body.len() as u64),
        request: Planned::encode(&request),
        correlation_id: owner.correlation_id,
        causation_id: owner.causation_id,
        not_before: None,
    }
}
