//! Knobs of Cliq.

use serde::{Deserialize, Serialize};

/// How a message id is written; which endpoint uses which spelling is not settled (zoho.md section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageIdForm {
    /// `1768471500000_40288830613`.
    Underscore,
    /// `1768471500000 40288830613`.
    Space,
    /// `1768471500000%2040288830613`.
    Percent,
}

/// How the time of a message is written (zoho.md section 5.2 has seen both).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageTimeForm {
    /// Now a number, now a string.
    Mixed,
    /// Always a number.
    Number,
    /// Always a string.
    Text,
}

/// Which messages of a window come when it holds more than the limit, and in which order (zoho.md section 5.2
/// has only seen the first).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageOrder {
    /// The newest, newest first.
    NewestFirst,
    /// The newest, oldest of them first.
    NewestAscending,
    /// The oldest, oldest first.
    OldestFirst,
}

/// Knobs of Cliq (zoho.md section 5). Limits count calls of one person within a rolling minute; 0 is no limit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CliqKnobs {
    /// Time every Cliq call takes at least, in milliseconds; 0.
    pub latency_ms: u64,
    /// `GET /chats/{id}/messages`; 15.
    pub messages_per_minute: u32,
    /// `GET /chats/{id}/messages/{id}`; 15, because the facts give no number.
    pub single_message_per_minute: u32,
    /// `GET /channels`; 20, because the facts give no number but that of its neighbours.
    pub channels_per_minute: u32,
    /// `GET /threads`; 20, because the facts give no number.
    pub threads_per_minute: u32,
    /// `GET /users`; 30, because the facts give no number.
    pub users_per_minute: u32,
    /// `GET /messages/search`; 50.
    pub search_per_minute: u32,
    /// How long a person is locked out after one call too many, in seconds; 600.
    pub lock_seconds: u32,
    /// The lock refuses every Cliq call of that person, not only those of the endpoint; true.
    pub lock_covers_every_call: bool,
    /// A call during the lock starts it anew; false.
    pub lock_restarts_when_ignored: bool,
    /// A call that comes this soon after a refusal was already under way and is not counted against the client,
    /// in milliseconds; 500.
    pub in_flight_grace_ms: i64,
    /// Status of the throttle answer on v2; 400 (429 is documented too).
    pub throttle_status: u16,
    /// Status of the throttle answer on v3; 429.
    pub v3_throttle_status: u16,
    /// Errors of v3 have a bare `message` instead of `error.code` and `error.message` (both occur); false.
    pub v3_bare_message: bool,
    /// Status when the grant lacks a scope; 401 (403 was seen too).
    pub scope_status: u16,
    /// Scope that reading messages needs; `ZohoCliq.Messages.READ` (one specification says
    /// `ZohoCliq.OrganizationMessages.READ`).
    pub message_scope: String,
    /// A message at exactly `fromtime` is inside the window; true.
    pub from_inclusive: bool,
    /// A message at exactly `totime` is inside the window; true.
    pub to_inclusive: bool,
    /// Order of messages; newest first.
    pub order: MessageOrder,
    /// Only so many latest messages of a chat can be read; absent for all (10,000 on the free plan).
    pub readable_messages: Option<usize>,
    /// Deleted messages stay in lists with the type `deleted` and no content; false. The facts do not say.
    pub deleted_messages_shown: bool,
    /// A window without messages answers 204 instead of an empty list; false.
    pub empty_answers_204: bool,
    /// Spelling of `time` in lists of messages; mixed.
    pub time_form: MessageTimeForm,
    /// Spelling of ids in lists of messages; underscore.
    pub list_id_form: MessageIdForm,
    /// Spelling of ids when one message is read; space.
    pub single_id_form: MessageIdForm,
    /// Spelling of ids in `last_message_info` and of the message a thread hangs on; percent.
    pub reference_id_form: MessageIdForm,
    /// Spelling of ids in search results; percent.
    pub search_id_form: MessageIdForm,
    /// Spelling of ids in events sent to a bot; space.
    pub event_id_form: MessageIdForm,
    /// How long a new message stays unknown to the search, in milliseconds; 0.
    pub search_lag_ms: i64,
    /// A new message puts its channel or thread into the next delta by `sync_token`; true.
    pub messages_in_sync: bool,
    /// Private channels that the person has not joined are left out of the list; false.
    pub hide_unjoined_private: bool,
}

impl Default for CliqKnobs {
    fn default() -> Self {
        Self {
            latency_ms: 0,
            messages_per_minute: 15,
            single_message_per_minute: 15,
            channels_per_minute: 20,
            threads_per_minute: 20,
            users_per_minute: 30,
            search_per_minute: 50,
            lock_seconds: 600,
            lock_covers_every_call: true,
            lock_restarts_when_ignored: false,
            in_flight_grace_ms: 500,
            throttle_status: 400,
            v3_throttle_status: 429,
            v3_bare_message: false,
            scope_status: 401,
            message_scope: "ZohoCliq.Messages.READ".to_owned(),
            from_inclusive: true,
            to_inclusive: true,
            order: MessageOrder::NewestFirst,
            readable_messages: None,
            deleted_messages_shown: false,
            empty_answers_204: false,
            time_form: MessageTimeForm::Mixed,
            list_id_form: MessageIdForm::Underscore,
            single_id_form: MessageIdForm::Space,
            reference_id_form: MessageIdForm::Percent,
            search_id_form: MessageIdForm::Percent,
            event_id_form: MessageIdForm::Space,
            search_lag_ms: 0,
            messages_in_sync: true,
            hide_unjoined_private: false,
        }
    }
}
