//! What is known of one mapping.

use catalogue::channel::Settings;
use chrono::{DateTime, Utc};
use event_log::StreamVersion;
use event_log::sql::FromText;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A channel and the room it belongs to, or belonged to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mapping {
    /// Its id (v7); a channel that is mapped anew gets another one.
    pub mapping_id: Uuid,
    /// The provider account that the channel is read with.
    pub account: String,
    /// Who owns the account, and so the mapping.
    pub organization: String,
    /// The channel.
    pub channel_id: String,
    /// The chat that its messages are read by.
    pub chat_id: String,
    /// Its name as last heard of.
    pub channel_name: String,
    /// Whose room.
    pub client_id: String,
    /// Which room.
    pub room_id: String,
    /// How it is.
    pub state: State,
    /// How it is synced.
    pub settings: Settings,
    /// Version of the channel's stream at the last decision about this mapping.
    pub version: StreamVersion,
    /// When the channel was mapped.
    pub created_at: DateTime<Utc>,
    /// The last decision.
    pub updated_at: DateTime<Utc>,
    /// Why the last sync failed; absent when it did not.
    pub last_error: Option<String>,
    /// The last sync that completed.
    pub last_sync_at: Option<DateTime<Utc>>,
    /// The newest message that was found, by the provider's clock.
    pub last_message_at: Option<DateTime<Utc>>,
}

/// How a mapping is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is synced.
    Active,
    /// It is not synced until somebody resumes it.
    Paused,
    /// Its last sync failed; the next ones are tried all the same.
    Error,
    /// The channel does not belong to that room any more.
    Ended,
}

impl State {
    /// Every state.
    pub const ALL: [State; 4] = [State::Active, State::Paused, State::Error, State::Ended];

    /// The word for it in tables and requests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Paused => "paused",
            State::Error => "error",
            State::Ended => "ended",
        }
    }
}

impl std::str::FromStr for State {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let states = State::ALL.into_iter();
        states.clone().find(|state| state.as_str() == word).ok_or_else(|| {
            let known: Vec<&str> = states.map(State::as_str).collect();
            format!("{word:?} is no state; known: {}", known.join(", "))
        })
    }
}

impl FromText for State {
    fn from_text(text: String) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(text.parse()?)
    }
}
