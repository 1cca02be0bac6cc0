//! What receivers have: notifications by their id, with how often each came.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A verified notification on its way in.
pub(super) struct Arrival<'a> {
    pub(super) receiver: &'a str,
    pub(super) id: &'a str,
    pub(super) timestamp: i64,
    pub(super) signed_by: Vec<usize>,
    pub(super) body: &'a [u8],
    pub(super) content: Value,
}

/// A notification that a receiver has.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReceivedNotification {
    /// Its `webhook-id`.
    pub id: String,
    /// `webhook-timestamp` of each time it came.
    pub timestamps: Vec<i64>,
    /// Which of the receiver's secrets had signed it when it first came, from 0.
    pub signed_by: Vec<usize>,
    /// SHA-256 of the body, hexadecimal.
    pub body_sha256: String,
    /// What it says.
    pub body: Value,
}

/// Everything one receiver has seen.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ReceiverState {
    /// Verified notifications, in the order in which they first came.
    pub notifications: Vec<ReceivedNotification>,
    /// Requests that were verified and turned away all the same, by id.
    pub turned_away: BTreeMap<String, u64>,
    /// Requests that were not believed.
    pub refused: u64,
    /// Times that an id came with another body than before; a correct sender has none.
    pub changed: u64,
}

/// Everything that was received, by receiver.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    receivers: BTreeMap<String, ReceiverState>,
    places: HashMap<(String, String), usize>,
}

impl Inbox {
    /// Keeps a notification, or notes that it came again; `false` when it says something else than before.
    pub(super) fn take(&mut self, arrival: Arrival<'_>) -> bool {
        let state = self.receivers.entry(arrival.receiver.to_owned()).or_default();
        let body_sha256 = hex::encode(Sha256::digest(arrival.body));
        let key = (arrival.receiver.to_owned(), arrival.id.to_owned());
        if let Some(known) = self.places.get(&key).and_then(|place| state.notifications.get_mut(*place)) {
            known.timestamps.push(arrival.timestamp);
            let is_same = known.body_sha256 == body_sha256;
            state.changed += u64::from(!is_same);
            return is_same;
        }
        self.places.insert(key, state.notifications.len());
        state.notifications.push(ReceivedNotification {
            id: arrival.id.to_owned(),
            timestamps: vec![arrival.timestamp],
            signed_by: arrival.signed_by,
            body_sha256,
            body: arrival.content,
        });
        true
    }

    pub(super) fn turned_away(&mut self, receiver: &str, id: &str) {
        let state = self.receivers.entry(receiver.to_owned()).or_default();
        *state.turned_away.entry(id.to_owned()).or_default() += 1;
    }

    pub(super) fn refused(&mut self, receiver: &str) {
        self.receivers.entry(receiver.to_owned()).or_default().refused += 1;
    }

    pub(crate) fn state(&self, receiver: &str) -> ReceiverState {
        self.receivers.get(receiver).cloned().unwrap_or_default()
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.receivers.clear();
        self.places.clear();
    }
}
