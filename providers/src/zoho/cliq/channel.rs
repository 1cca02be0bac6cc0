//! Channels: the rooms that can be read.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::zoho::call::Operation;
use crate::zoho::cliq::page::{Page, PageFrom, page, text};
use crate::zoho::cliq::{Cliq, MessageId, read};
use crate::zoho::lenient;

const CHANNELS: Operation = read("cliq.channels", "ZohoCliq.Channels.READ", "cliq channels");

/// A channel as it was when we asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// The channel's id, such as `P1234567890` or `O…`. Messages are not read with it.
    pub id: String,
    /// The id its messages are read with, such as `CT_…`.
    pub chat_id: String,
    /// The name as people see it, often with a leading `#`; empty where there is none.
    pub name: String,
    /// The name in addresses.
    pub unique_name: Option<String>,
    /// `organization`, `team`, `private` or `external`.
    pub level: Option<String>,
    /// `created`, `pending` or `archived`.
    pub status: Option<String>,
    /// Whether the person who gave the grant is a member: only then can the messages be read.
    pub joined: Option<bool>,
    /// Members.
    pub participant_count: Option<i64>,
    /// Messages ever posted. With [`Self::last_message`] it tells whether there is anything new without a message call.
    pub total_message_count: Option<i64>,
    /// The newest message.
    pub last_message: Option<LastMessage>,
    /// When the channel was made.
    pub creation_time: Option<DateTime<Utc>>,
    /// When its settings were last changed.
    pub last_modified_time: Option<DateTime<Utc>>,
    /// Every field of the answer.
    pub fields: Map<String, Value>,
}

/// What a channel tells of its newest message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastMessage {
    /// Its id.
    pub id: Option<MessageId>,
    /// When it was posted, by the provider's clock, to the millisecond.
    pub time: Option<DateTime<Utc>>,
    /// Who posted it.
    pub sender_id: Option<String>,
}

/// Which channels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelFilter {
    /// Only those the person who gave the grant is a member of, or only those they are not.
    pub joined: Option<bool>,
    /// Only those whose name holds this text.
    pub name: Option<String>,
}

impl Channel {
    fn from_fields(fields: Map<String, Value>) -> Result<Self, Error> {
        let needed = |name: &'static str| {
            text(&fields, name).ok_or_else(|| Error::unreadable(CHANNELS.name, format!("a channel without {name}")))
        };
        let count = |name: &str| fields.get(name).and_then(lenient::as_integer);
        Ok(Self {
            id: needed("channel_id")?,
            chat_id: needed("chat_id")?,
            name: text(&fields, "name").unwrap_or_default(),
            unique_name: text(&fields, "unique_name"),
            level: text(&fields, "level"),
            status: text(&fields, "status"),
            joined: fields.get("joined").and_then(lenient::as_boolean),
            participant_count: count("participant_count"),
            total_message_count: count("total_message_count"),
            last_message: fields.get("last_message_info").and_then(Value::as_object).map(|info| LastMessage {
                id: text(info, "message_id").and_then(|id| id.parse().ok()),
                time: super::message::time_of(info.get("time")),
                sender_id: text(info, "sender_id"),
            }),
            creation_time: lenient::moment(fields.get("creation_time")),
            last_modified_time: lenient::moment(fields.get("last_modified_time")),
            fields,
        })
    }
}

impl Cliq<'_> {
    /// One page of up to 100 channels.
    ///
    /// # Errors
    /// [`Error::Throttled`] for the person, with all their Cliq calls; [`Error::Denied`] naming the scope; and those of
    /// every call.
    pub async fn channels(&self, filter: &ChannelFilter, from: &PageFrom) -> Result<Page<Channel>, Error> {
        let joined = filter.joined.map(|joined| joined.to_string());
        let mut query = vec![("limit", "100")];
        query.extend(joined.as_deref().map(|joined| ("joined", joined)));
        query.extend(filter.name.as_deref().map(|name| ("name", name)));
        query.extend(from.parameter());
        let answer = self.list(&CHANNELS, "", &["channels"], &query).await?;
        page(CHANNELS.name, &answer, &["channels"], from, Channel::from_fields)
    }

    /// Every channel, all pages: one call for each 100. The result holds no [`Page::next`].
    ///
    /// # Errors
    /// As [`Self::channels`]; what was read before the error is lost.
    pub async fn all_channels(&self, filter: &ChannelFilter) -> Result<Page<Channel>, Error> {
        let mut read = self.channels(filter, &PageFrom::Start).await?;
        while let Some(token) = read.next.take() {
            let more = self.channels(filter, &PageFrom::Next(token)).await?;
            read.rows.extend(more.rows);
            read.next = more.next;
            read.sync_token = more.sync_token.or(read.sync_token);
        }
        Ok(read)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_channel_tells_what_is_new_in_it() {
        let row = json!({"name": "#ops", "channel_id": "P1234567890", "chat_id": "CT_1234567890_64396901",
            "level": "private", "status": "created", "participant_count": 12, "joined": true,
            "creation_time": "2025-01-15T10:30:00Z", "total_message_count": "1503", "last_message_info":
            {"message_id": "1768471500000%2040288830613", "sender_id": "64396901", "time": "1768471500000"}});
        let channel = Channel::from_fields(row.as_object().unwrap().clone()).unwrap();
        let last = channel.last_message.unwrap();
        assert_eq!(last.id.unwrap().as_str(), "1768471500000_40288830613");
        assert_eq!(last.time, DateTime::from_timestamp_millis(1_768_471_500_000));
        assert_eq!((channel.total_message_count, channel.joined), (Some(1503), Some(true)));
    }

    #[test]
    fn a_channel_without_its_chat_is_unreadable() {
        let row = json!({"channel_id": "P1"});
        assert!(Channel::from_fields(row.as_object().unwrap().clone()).is_err());
    }
}
