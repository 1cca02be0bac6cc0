//! A batch that is too large for the receiver becomes two of half the lines.

use catalogue::batch::{SPLIT, Split};
use event_log::{Append, NewEvent, UnitOfWork};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::batch::halves;
use super::book;
use super::decide::composed;
use super::request::{Owner, PostBatch, planned};
use super::settings::Settings;
use crate::Error;
use crate::ledger::{Effect, Verdict};
use crate::trouble::Trouble;

/// What a split batch remembers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Halves {
    /// The halves, in their order: id and number of lines.
    pub(super) split_into: [(Uuid, i64); 2],
}

/// The verdict on a batch that the receiver found too large.
///
/// # Errors
/// [`Trouble::Hopeless`] for a single line.
pub(super) fn split(effect: &Effect, request: &PostBatch, settings: &Settings) -> Result<Verdict, Trouble> {
    let halves = halves(&request.positions, &request.body)
        .map_err(|source| Error::Undecodable { effect_key: effect.key.clone(), source })?;
    let Some([first, second]) = halves else {
        let error = "the receiver finds a single message too large".to_owned();
        return Err(Trouble::Hopeless { code: "too_large", error });
    };
    let owner = Owner {
        settings,
        organization: &effect.organization,
        mapping_id: request.mapping_id,
        job_id: request.job_id,
        correlation_id: effect.correlation_id,
        causation_id: effect.causation_id,
    };
    let data =
        Split { batch_id: request.batch_id, mapping_id: request.mapping_id, into: [first.batch_id, second.batch_id] };
    let told = NewEvent::new(SPLIT, "effect", &data)
        .in_story(effect.correlation_id, effect.causation_id)
        .of(&effect.account, &effect.organization);
    let from = Some(request.batch_id);
    let events = vec![told, composed(&owner, &first, from), composed(&owner, &second, from)];
    let middle = request.first_line + first.lines();
    let result = Halves { split_into: [(first.batch_id, first.lines()), (second.batch_id, second.lines())] };
    Ok(Verdict::Succeeded {
        result: serde_json::json!(result),
        bytes: None,
        events: vec![Append::new(effect.stream.clone(), events)],
        plan: vec![planned(&owner, &first, request.first_line), planned(&owner, &second, middle)],
    })
}

/// Called in the unit of work that finished the effect: notes the halves.
///
/// # Errors
/// Database failures.
pub(super) async fn note(unit: &mut UnitOfWork<'_>, request: &PostBatch, halves: Halves) -> Result<(), Error> {
    book::settle(unit, request.batch_id, "split").await?;
    let mut first_line = request.first_line;
    for (batch_id, lines) in halves.split_into {
        book::open(unit, request.mapping_id, batch_id, first_line, lines).await?;
        first_line += lines;
    }
    Ok(())
}
