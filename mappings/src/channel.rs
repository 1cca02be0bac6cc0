//! Channel mappings: the commands, each of which decides on the channel's stream and appends on exactly that version.

mod decision;
mod fold;
mod list;
mod mapping;
mod request;
mod rows;
mod settings;
mod sync;

use catalogue::actor::Actor;
use catalogue::channel::{Configured, Paused, Renamed, Resumed, Unmapped, stream};
use event_log::sql::Target;
use event_log::{Append, ExpectedVersion, Log, StreamName};
use serde::Serialize;
use service::config::Config;
use uuid::Uuid;

pub use catalogue::channel::Settings;
pub use list::{Filter, LARGEST_PAGE, Page, list};
pub use mapping::{Mapping, State};
pub use request::MapRequest;
pub use settings::Change;
pub use sync::{SyncResult, set_sync_result, sync_list};

use crate::Error;
use decision::Decision;
use fold::Channel;

/// A mapping that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The channel's mapping.
    #[serde(flatten)]
    pub mapping: Mapping,
    /// Whether it was there before, to the same room; its settings are then what they were.
    pub existing: bool,
}

/// Lets a channel belong to a room.
///
/// Of any number of callers who want different rooms for one channel, over all processes, exactly one succeeds. Asking
/// again for the room that the channel has gives the mapping that is there, whatever its settings.
///
/// # Errors
/// [`Error::Invalid`] for a value that cannot be used, or an account that is not configured or has no channels;
/// [`Error::AlreadyMapped`] with the mapping that holds the channel; [`Error::Log`].
///
/// # Cancellation
/// Once the append was handed to the log it happens, also when the future is dropped.
pub async fn map(log: &Log, actor: &Actor, config: &Config, request: &MapRequest) -> Result<Outcome, Error> {
    let (owner, mapped) = request.check(actor, config, log.now())?;
    let stream = stream(&owner.account, &mapped.channel_id);
    loop {
        let channel = Channel::read(log, &stream).await?;
        if let Some(held) = channel.live() {
            let held = kept(log, held.clone()).await?;
            if held.state == State::Ended {
                continue;
            }
            if held.client_id == mapped.client_id && held.room_id == mapped.room_id && reaches(actor, &held) {
                return Ok(Outcome { mapping: held, existing: true });
            }
            let mapping = reaches(actor, &held).then(|| Box::new(held));
            return Err(Error::AlreadyMapped { channel_id: mapped.channel_id, mapping });
        }
        let decision = Decision::Mapped(owner.clone(), mapped.clone());
        if let Some(mapping) = record(log, actor, &stream, channel, decision).await? {
            return Ok(Outcome { mapping, existing: false });
        }
    }
}

/// As [`map`] for each line, one after the other, so that the first of two lines for one channel has it.
///
/// # Cancellation
/// The lines before have happened, and the one at work may have.
pub async fn map_many(
    log: &Log,
    actor: &Actor,
    config: &Config,
    requests: &[MapRequest],
) -> Vec<Result<Outcome, Error>> {
    let mut outcomes = Vec::with_capacity(requests.len());
    for request in requests {
        outcomes.push(map(log, actor, config, request).await);
    }
    outcomes
}

/// Ends a mapping; the channel can be mapped anew and has another mapping id then. One that has ended stays as it is.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Invalid`] for a reason that is no readable text, [`Error::Log`].
///
/// # Cancellation
/// As [`map`].
pub async fn unmap(log: &Log, actor: &Actor, mapping_id: Uuid, reason: &str) -> Result<Mapping, Error> {
    request::check_reason(reason)?;
    let ended = change(log, actor, mapping_id, "ended", |_| {
        Ok(Some(Decision::Unmapped(Unmapped { mapping_id, reason: reason.to_owned() })))
    });
    match ended.await {
        Err(Error::WrongState { .. }) => get(log.database().readers(), actor.organization.as_deref(), mapping_id).await,
        other => other,
    }
}

/// Suspends the syncs of a mapping, until [`resume`].
///
/// # Errors
/// [`Error::NotFound`], [`Error::WrongState`] when it has ended, [`Error::Invalid`] for a reason that is no readable
/// text, [`Error::Log`].
///
/// # Cancellation
/// As [`map`].
pub async fn pause(log: &Log, actor: &Actor, mapping_id: Uuid, reason: &str) -> Result<Mapping, Error> {
    request::check_reason(reason)?;
    let decide = |mapping: &Mapping| {
        let decision = Decision::Paused(Paused { mapping_id, reason: reason.to_owned() });
        Ok((mapping.state != State::Paused).then_some(decision))
    };
    change(log, actor, mapping_id, "paused", decide).await
}

/// Lets the syncs of a paused mapping go on; one that is not paused stays as it is.
///
/// # Errors
/// [`Error::NotFound`], [`Error::WrongState`] when it has ended, [`Error::Log`].
///
/// # Cancellation
/// As [`map`].
pub async fn resume(log: &Log, actor: &Actor, mapping_id: Uuid) -> Result<Mapping, Error> {
    let decide =
        |mapping: &Mapping| Ok((mapping.state == State::Paused).then_some(Decision::Resumed(Resumed { mapping_id })));
    change(log, actor, mapping_id, "resumed", decide).await
}

/// Changes some of a mapping's settings and keeps the others, also those that somebody else changes at the same time.
///
/// # Errors
/// [`Error::NotFound`], [`Error::WrongState`] when it has ended, [`Error::Invalid`] with the setting, [`Error::Log`].
///
/// # Cancellation
/// As [`map`].
pub async fn configure(log: &Log, actor: &Actor, mapping_id: Uuid, settings: &Change) -> Result<Mapping, Error> {
    let now = log.now();
    let decide = |mapping: &Mapping| {
        let settings = settings.applied_to(&mapping.settings, now)?;
        let decision = Decision::Configured(Configured { mapping_id, settings });
        Ok(decision.changes(mapping).then_some(decision))
    };
    change(log, actor, mapping_id, "configured", decide).await
}

/// Notes the name that the provider gives the channel now.
///
/// # Errors
/// [`Error::NotFound`], [`Error::WrongState`] when it has ended, [`Error::Invalid`] for a name that is no readable
/// text, [`Error::Log`].
///
/// # Cancellation
/// As [`map`].
pub async fn rename(log: &Log, actor: &Actor, mapping_id: Uuid, channel_name: &str) -> Result<Mapping, Error> {
    request::check_channel_name(channel_name)?;
    let decide = |mapping: &Mapping| {
        let decision = Decision::Renamed(Renamed { mapping_id, channel_name: channel_name.to_owned() });
        Ok(decision.changes(mapping).then_some(decision))
    };
    change(log, actor, mapping_id, "renamed", decide).await
}

/// One mapping, ended ones too; with `organization`, only one of its own.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Log`].
pub async fn get(
    target: impl Into<Target<'_>>,
    organization: Option<&str>,
    mapping_id: Uuid,
) -> Result<Mapping, Error> {
    let found = rows::find(target, mapping_id).await?;
    let visible = found.filter(|mapping| organization.is_none_or(|own| own == mapping.organization));
    visible.ok_or(Error::NotFound { mapping_id })
}

/// The mapping that a channel has now, as its stream says; without what syncs have noted.
///
/// # Errors
/// [`Error::Log`].
pub async fn current(log: &Log, account: &str, channel_id: &str) -> Result<Option<Mapping>, Error> {
    let channel = Channel::read(log, &stream(account, channel_id)).await?;
    Ok(channel.live().cloned())
}

/// Decides about a mapping that has not ended, again and again until nobody else came first.
async fn change(
    log: &Log,
    actor: &Actor,
    mapping_id: Uuid,
    wanted: &'static str,
    decide: impl Fn(&Mapping) -> Result<Option<Decision>, Error>,
) -> Result<Mapping, Error> {
    let found = get(log.database().readers(), actor.organization.as_deref(), mapping_id).await?;
    let stream = stream(&found.account, &found.channel_id);
    loop {
        let channel = Channel::read(log, &stream).await?;
        let Some(mapping) = channel.live().filter(|live| live.mapping_id == mapping_id) else {
            return Err(Error::WrongState { mapping_id, state: State::Ended, wanted });
        };
        let Some(decision) = decide(mapping)? else { return kept(log, mapping.clone()).await };
        if let Some(mapping) = record(log, actor, &stream, channel, decision).await? {
            return Ok(mapping);
        }
    }
}

/// Appends a decision on the version it was made on, and changes the row in the same commit; `None` when somebody else
/// came first.
async fn record(
    log: &Log,
    actor: &Actor,
    stream: &StreamName,
    channel: Channel,
    decision: Decision,
) -> Result<Option<Mapping>, Error> {
    let event = decision.event(actor, channel.live());
    let append = Append::new(stream.clone(), vec![event]).expecting(ExpectedVersion::Exact(channel.version()));
    let written = log.write(move |unit| {
        Box::pin(async move {
            let version = unit.append(append).await?.version;
            let now = unit.now();
            let mapping = channel.after(&decision, version, now);
            rows::save(unit.connection(), &mapping).await
        })
    });
    match written.await {
        Ok(mapping) => Ok(Some(mapping)),
        Err(Error::Log(event_log::Error::WrongExpectedVersion { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The mapping with what syncs have noted.
async fn kept(log: &Log, folded: Mapping) -> Result<Mapping, Error> {
    Ok(rows::find(log.database().readers(), folded.mapping_id).await?.unwrap_or(folded))
}

fn reaches(actor: &Actor, mapping: &Mapping) -> bool {
    actor.organization.as_ref().is_none_or(|own| *own == mapping.organization)
}
