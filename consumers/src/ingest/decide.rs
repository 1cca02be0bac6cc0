//! From completed syncs to batches.

use catalogue::batch::{COMPOSED, Composed};
use catalogue::sync::{self, Completed};
use event_log::{Append, EventId, EventType, NewEvent, RecordedEvent, UnitOfWork};
use uuid::Uuid;

use super::batch::{Batch, Channel, Entry, Limits, Message, Room, cut, moment};
use super::book;
use super::line::line;
use super::mapping::{Mapping, of_subject};
use super::request::{Owner, planned};
use super::settings::Ingests;
use super::unread::{Said, Unread, read};
use crate::Error;
use crate::ledger::{Planned, plan};

/// The events this decider follows.
pub const FOLLOWS: [EventType; 1] = [sync::COMPLETED];

/// Kind of the syncs that bring messages.
const CHANNEL: &str = "channel";

/// Handles one event inside the unit of work that also moves the checkpoint: composes what the mapping's chats have to say
/// that is in no batch yet.
///
/// Without a receiver nothing is composed, and what is there goes to the one that is configured later.
///
/// # Errors
/// Database failures; [`Error::BadMapping`]; an event that does not decode.
pub async fn decide(unit: &mut UnitOfWork<'_>, ingests: &Ingests, event: &RecordedEvent) -> Result<(), Error> {
    let completed: Completed = event.decode()?;
    if completed.kind != CHANNEL {
        return Ok(());
    }
    let mapping = of_subject(unit.connection(), &completed.subject).await?;
    let Some(settings) = ingests.of_account(&mapping.account) else { return Ok(()) };
    if mapping.has_ended {
        return Ok(());
    }
    let Unread { said, names, read } = read(unit.connection(), &mapping).await?;
    for (stream, progress) in &read {
        book::save_progress(unit.connection(), mapping.mapping_id, stream, *progress).await?;
    }
    let entries = said.iter().map(|said| entry(said, line(said, mapping.timezone, &names))).collect();
    let limits = Limits { lines: settings.batch_lines, bytes: settings.batch_bytes };
    let batches = cut(&room(&mapping), entries, limits);
    let owner = Owner {
        settings,
        organization: &mapping.organization,
        mapping_id: mapping.mapping_id,
        job_id: Some(completed.job_id),
        correlation_id: event.correlation_id,
        causation_id: Some(event.id),
    };
    compose(unit, &owner, &batches).await
}

/// Writes batches down, in their order: the events, the book, and the effects that send them.
async fn compose(unit: &mut UnitOfWork<'_>, owner: &Owner<'_>, batches: &[Batch]) -> Result<(), Error> {
    if batches.is_empty() {
        return Ok(());
    }
    let mut first_line = book::next_line(unit.connection(), owner.mapping_id).await?;
    let mut effects: Vec<Planned> = Vec::with_capacity(batches.len());
    for batch in batches {
        book::open(unit, owner.mapping_id, batch.batch_id, first_line, batch.lines()).await?;
        effects.push(planned(owner, batch, first_line));
        first_line += batch.lines();
    }
    let events = batches.iter().map(|batch| composed(owner, batch, None)).collect();
    unit.append(Append::new(catalogue::batch::stream(owner.mapping_id), events)).await?;
    let now = unit.now();
    plan(unit.connection(), now, &effects).await
}

/// What is told about a batch that was composed. Its id is derived, so that it is told once.
pub(super) fn composed(owner: &Owner<'_>, batch: &Batch, split_from: Option<Uuid>) -> NewEvent {
    let data = Composed {
        batch_id: batch.batch_id,
        mapping_id: owner.mapping_id,
        split_from,
        job_id: owner.job_id,
        ingest: owner.settings.name.clone(),
        positions: batch.positions.clone(),
        sha256: batch.sha256(),
        bytes: batch.body.len() as u64,
    };
    NewEvent::new(COMPOSED, "decision", &data)
        .with_id(EventId::derived(&["batch.composed", &batch.batch_id.to_string()]))
        .in_story(owner.correlation_id, owner.causation_id)
        .of(owner.settings.account(), owner.organization)
}

fn entry(said: &Said, line: String) -> Entry {
    let message = Message {
        id: said.message_id.clone(),
        revision: said.revision(),
        kind: said.kind,
        time: moment(said.time),
        line,
    };
    Entry { message, position: said.position }
}

fn room(mapping: &Mapping) -> Room {
    Room {
        organization: mapping.organization.clone(),
        mapping_id: mapping.mapping_id,
        client_id: mapping.client_id.clone(),
        room_id: mapping.room_id.clone(),
        channel: Channel { id: mapping.channel_id.clone(), name: mapping.channel_name.clone() },
    }
}
