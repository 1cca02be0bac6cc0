//! How something was learned, and what asked for it: the frame of the events that follow from it.

use catalogue::actor::Actor;
use chrono::{DateTime, Utc};
use event_log::{EventId, EventType, NewEvent};
use serde::Serialize;
use uuid::Uuid;

/// The frame of the events of one unit of work.
#[derive(Debug, Clone)]
pub struct Story {
    /// The account by which it was learned.
    pub account: String,
    /// Whose it is.
    pub organization: String,
    /// How it was learned: `webhook`, `poll`, `fetch`; `operator` where a person decides.
    pub source: &'static str,
    /// The story.
    pub correlation_id: Uuid,
    /// What led here.
    pub causation_id: Option<EventId>,
    /// When the provider was asked: what was recorded since may be newer than the answer. Absent where nobody asked.
    pub asked_at: Option<DateTime<Utc>>,
    /// When it reached us, where that was by a webhook.
    pub received_at: Option<DateTime<Utc>>,
    /// Who decided, if a person did.
    pub actor: Option<Actor>,
}

impl Story {
    /// What an actor decides about something of an account.
    pub(crate) fn of_actor(actor: &Actor, account: &str, organization: &str) -> Self {
        Story {
            account: account.to_owned(),
            organization: organization.to_owned(),
            source: "operator",
            correlation_id: Uuid::now_v7(),
            causation_id: None,
            asked_at: None,
            received_at: None,
            actor: Some(actor.clone()),
        }
    }

    /// Something that was learned.
    pub(crate) fn fact(&self, event_type: EventType, id: EventId, data: &impl Serialize) -> NewEvent {
        let event = self.framed(NewEvent::new(event_type, self.source, data)).with_id(id);
        NewEvent { received_at: self.received_at, ..event }
    }

    /// What follows from it.
    pub(crate) fn decision(&self, event_type: EventType, data: &impl Serialize) -> NewEvent {
        let source = if self.actor.is_some() { "operator" } else { "decision" };
        self.framed(NewEvent::new(event_type, source, data))
    }

    fn framed(&self, event: NewEvent) -> NewEvent {
        let event = event.in_story(self.correlation_id, self.causation_id).of(&self.account, &self.organization);
        match &self.actor {
            Some(actor) => event.with_metadata(&actor.metadata()),
            None => event,
        }
    }
}
