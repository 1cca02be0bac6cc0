//! What can be decided about a channel, and the event that says so.

use catalogue::actor::Actor;
use catalogue::channel::{
    CONFIGURED, Configured, MAPPED, Mapped, PAUSED, Paused, RENAMED, RESUMED, Renamed, Resumed, UNMAPPED, Unmapped,
};
use event_log::{EventType, NewEvent, RecordedEvent};
use serde::Serialize;
use uuid::Uuid;

use super::mapping::Mapping;

/// Whose a channel is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) account: String,
    pub(super) organization: String,
}

/// One decision about a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    Mapped(Owner, Mapped),
    Unmapped(Unmapped),
    Paused(Paused),
    Resumed(Resumed),
    Configured(Configured),
    Renamed(Renamed),
}

impl Decision {
    /// The decision that an event of a channel's stream tells of; none for what is no decision.
    pub(super) fn told_by(event: &RecordedEvent) -> Result<Option<Self>, event_log::Error> {
        let is = |event_type: &EventType| event.event_type == *event_type;
        Ok(Some(if is(&MAPPED) {
            let owner = Owner {
                account: event.account.clone().unwrap_or_default(),
                organization: event.organization.clone().unwrap_or_default(),
            };
            Decision::Mapped(owner, event.decode()?)
        } else if is(&UNMAPPED) {
            Decision::Unmapped(event.decode()?)
        } else if is(&PAUSED) {
            Decision::Paused(event.decode()?)
        } else if is(&RESUMED) {
            Decision::Resumed(event.decode()?)
        } else if is(&CONFIGURED) {
            Decision::Configured(event.decode()?)
        } else if is(&RENAMED) {
            Decision::Renamed(event.decode()?)
        } else {
            return Ok(None);
        }))
    }

    /// The mapping that it is about.
    pub(super) fn mapping_id(&self) -> Uuid {
        match self {
            Decision::Mapped(_, mapped) => mapped.mapping_id,
            Decision::Unmapped(unmapped) => unmapped.mapping_id,
            Decision::Paused(paused) => paused.mapping_id,
            Decision::Resumed(resumed) => resumed.mapping_id,
            Decision::Configured(configured) => configured.mapping_id,
            Decision::Renamed(renamed) => renamed.mapping_id,
        }
    }

    /// Whether it says anything new about the settings or the name of a mapping; other decisions always do.
    pub(super) fn changes(&self, mapping: &Mapping) -> bool {
        match self {
            Decision::Configured(configured) => configured.settings != mapping.settings,
            Decision::Renamed(renamed) => renamed.channel_name != mapping.channel_name,
            _ => true,
        }
    }

    /// The event, in the story of the actor's request; `live` is the mapping that the channel has so far.
    pub(super) fn event(&self, actor: &Actor, live: Option<&Mapping>) -> NewEvent {
        let event = match self {
            Decision::Mapped(_, mapped) => by_person(MAPPED, mapped),
            Decision::Unmapped(unmapped) => by_person(UNMAPPED, unmapped),
            Decision::Paused(paused) => by_person(PAUSED, paused),
            Decision::Resumed(resumed) => by_person(RESUMED, resumed),
            Decision::Configured(configured) => by_person(CONFIGURED, configured),
            // A name is the provider's; we only read it there.
            Decision::Renamed(renamed) => NewEvent::new(RENAMED, "fetch", renamed),
        };
        let event = event.with_metadata(&actor.metadata()).in_story(actor.request_id, None);
        match (self, live) {
            (Decision::Mapped(owner, _), _) => event.of(&owner.account, &owner.organization),
            (_, Some(live)) => event.of(&live.account, &live.organization),
            (_, None) => event,
        }
    }
}

fn by_person(event_type: EventType, data: &impl Serialize) -> NewEvent {
    NewEvent::new(event_type, "operator", data)
}
