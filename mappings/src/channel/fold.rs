//! A channel as its stream tells of it.

use chrono::{DateTime, Utc};
use event_log::{Log, RecordedEvent, StreamName, StreamVersion};

use super::decision::Decision;
use super::mapping::{Mapping, State};

/// Events read at a time.
const PAGE: u32 = 500;

/// What has been decided about a channel, up to a version of its stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Channel {
    version: StreamVersion,
    /// Its last mapping, which may have ended.
    mapping: Option<Mapping>,
}

impl Channel {
    /// Folds the whole stream.
    pub(super) async fn read(log: &Log, stream: &StreamName) -> Result<Self, event_log::Error> {
        let mut channel = Channel::default();
        loop {
            let events = log.read_stream(stream, channel.version, PAGE).await?;
            for event in &events {
                channel.apply(event)?;
            }
            if events.len() < PAGE as usize {
                return Ok(channel);
            }
        }
    }

    /// The version that it is folded up to.
    pub(super) fn version(&self) -> StreamVersion {
        self.version
    }

    /// The mapping that the channel has now.
    pub(super) fn live(&self) -> Option<&Mapping> {
        self.mapping.as_ref().filter(|mapping| mapping.state != State::Ended)
    }

    fn apply(&mut self, event: &RecordedEvent) -> Result<(), event_log::Error> {
        self.version = event.stream_version;
        if let Some(decision) = Decision::told_by(event)?
            && let Some(mapping) = self.next(&decision, event.stream_version, event.recorded_at)
        {
            self.mapping = Some(mapping);
        }
        Ok(())
    }

    /// The mapping after a decision that was made on this channel.
    ///
    /// # Panics
    /// When the decision is about another mapping than the channel's own, which is a bug in who made it.
    pub(super) fn after(&self, decision: &Decision, version: StreamVersion, at: DateTime<Utc>) -> Mapping {
        self.next(decision, version, at).expect("a decision is about the mapping that the channel has")
    }

    /// `None` for a decision about another mapping than the channel's own.
    fn next(&self, decision: &Decision, version: StreamVersion, at: DateTime<Utc>) -> Option<Mapping> {
        if let Decision::Mapped(owner, mapped) = decision {
            return Some(Mapping {
                mapping_id: mapped.mapping_id,
                account: owner.account.clone(),
                organization: owner.organization.clone(),
                channel_id: mapped.channel_id.clone(),
                chat_id: mapped.chat_id.clone(),
                channel_name: mapped.channel_name.clone(),
                client_id: mapped.client_id.clone(),
                room_id: mapped.room_id.clone(),
                state: State::Active,
                settings: mapped.settings.clone(),
                version,
                created_at: at,
                updated_at: at,
                last_error: None,
                last_sync_at: None,
                last_message_at: None,
            });
        }
        let mut mapping = self.mapping.clone().filter(|mapping| mapping.mapping_id == decision.mapping_id())?;
        match decision {
            Decision::Mapped(..) => {}
            Decision::Unmapped(_) => mapping.state = State::Ended,
            Decision::Paused(_) => mapping.state = State::Paused,
            Decision::Resumed(_) => mapping.state = State::Active,
            Decision::Configured(configured) => mapping.settings = configured.settings.clone(),
            Decision::Renamed(renamed) => mapping.channel_name.clone_from(&renamed.channel_name),
        }
        Some(Mapping { version, updated_at: at, ..mapping })
    }
}
