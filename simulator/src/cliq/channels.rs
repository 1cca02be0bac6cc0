//! `GET /api/v2/channels`: the channels of the organisation with what is new in each (zoho.md section 5.1).

use serde_json::{Map, Value, json};

use super::dialect::{Version, invalid_parameter, invalid_time, note_unknown, require};
use super::page::Page;
use super::{Channel, Cliq, caller_user};
use crate::answer::Answer;
use crate::clock::{Millis, instant, parse_iso};
use crate::context::Context;
use crate::knobs::CliqKnobs;
use crate::seed::{CliqLevel, CliqStatus};

const PARAMETERS: &[&str] = &[
    "limit",
    "next_token",
    "sync_token",
    "level",
    "status",
    "joined",
    "pinned",
    "name",
    "channel_ids",
    "chat_ids",
    "team_ids",
    "created_after",
    "created_before",
    "modified_after",
    "modified_before",
    "order_by",
];

/// Which channels were asked for.
#[derive(Debug, Default)]
struct Filter {
    level: Option<CliqLevel>,
    status: Option<CliqStatus>,
    joined: Option<bool>,
    pinned: Option<bool>,
    name: Option<String>,
    channel_ids: Option<Vec<String>>,
    chat_ids: Option<Vec<String>>,
    created: (Option<Millis>, Option<Millis>),
    modified: (Option<Millis>, Option<Millis>),
}

pub(crate) fn channels(context: &mut Context<'_>) -> Answer {
    match try_channels(context) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn try_channels(context: &mut Context<'_>) -> Result<Answer, Answer> {
    require(context, Version::V2, "ZohoCliq.Channels.READ")?;
    note_unknown(context, PARAMETERS);
    let page = Page::read(context, 50, 100)?;
    let filter = Filter::read(context)?;
    let order = order(context)?;
    let user = caller_user(context);
    let knobs = &context.world.knobs.cliq;
    let cliq = &context.organization().cliq;
    let mut rows: Vec<(usize, &Channel)> = cliq
        .channels
        .iter()
        .enumerate()
        .filter(|(_, channel)| page.shows(channel.revision, channel.messages_revision, knobs))
        .filter(|(_, channel)| filter.admits(channel, &user))
        .filter(|(_, channel)| !knobs.hide_unjoined_private || is_visible(channel, &user))
        .collect();
    match order {
        Order::Created { ascending: true } => {}
        Order::Created { ascending: false } => rows.reverse(),
        Order::Modified { ascending: true } => rows.sort_by_key(|(_, channel)| channel.modified_ms),
        Order::Modified { ascending: false } => rows.sort_by_key(|(_, channel)| std::cmp::Reverse(channel.modified_ms)),
    }
    let (rows, next) = page.cut(rows);
    let shown: Vec<Value> = rows.into_iter().map(|channel| shown(cliq, channel, &user, knobs)).collect();
    let mut body = Map::new();
    body.insert("channels".to_owned(), shown.into());
    body.insert("has_more".to_owned(), next.is_some().into());
    if let Some(next) = next {
        body.insert("next_token".to_owned(), next.into());
    }
    body.insert("sync_token".to_owned(), page.sync_token().into());
    Ok(Answer::json(200, &Value::Object(body)))
}

fn is_visible(channel: &Channel, user: &str) -> bool {
    channel.level != CliqLevel::Private || channel.members.contains(user)
}

fn shown(cliq: &Cliq, channel: &Channel, user: &str, knobs: &CliqKnobs) -> Value {
    let mut shown = json!({
        "name": channel.name,
        "channel_id": channel.channel_id,
        "chat_id": channel.chat_id,
        "unique_name": channel.unique_name,
        "level": channel.level,
        "status": channel.status,
        "participant_count": channel.members.len(),
        "joined": channel.members.contains(user),
        "pinned": channel.pinned,
        "creation_time": iso_utc(channel.created_ms),
        "last_modified_time": iso_utc(channel.modified_ms),
        "creator_id": channel.creator_id,
    });
    let Some(chat) = cliq.chats.get(&channel.chat_id) else { return shown };
    shown["total_message_count"] = chat.live().count().to_string().into();
    if let Some(last) = chat.live().next_back() {
        shown["last_message_info"] = json!({
            "message_id": last.key.text(knobs.reference_id_form),
            "sender_id": last.sender.id,
            "time": last.key.time_ms.to_string(),
        });
    }
    shown
}

/// A time to the second with a `Z`, as channels print it.
pub(super) fn iso_utc(at: Millis) -> String {
    instant(at).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

enum Order {
    Created { ascending: bool },
    Modified { ascending: bool },
}

fn order(context: &Context<'_>) -> Result<Order, Answer> {
    // A plus sign that was not percent-encoded arrives as a space.
    match context.call.query.get("order_by").map(|order| order.replace(' ', "+")).as_deref() {
        None | Some("+creation_time" | "creation_time") => Ok(Order::Created { ascending: true }),
        Some("-creation_time") => Ok(Order::Created { ascending: false }),
        Some("+last_modified_time" | "last_modified_time") => Ok(Order::Modified { ascending: true }),
        Some("-last_modified_time") => Ok(Order::Modified { ascending: false }),
        Some(_) => Err(invalid_parameter(Version::V2, "order_by")),
    }
}

impl Filter {
    fn read(context: &Context<'_>) -> Result<Self, Answer> {
        Ok(Self {
            level: word(context, "level")?,
            status: word(context, "status")?,
            joined: boolean(context, "joined")?,
            pinned: boolean(context, "pinned")?,
            name: context.call.query.get("name").map(str::to_lowercase),
            channel_ids: list(context, "channel_ids"),
            chat_ids: list(context, "chat_ids"),
            created: (time(context, "created_after")?, time(context, "created_before")?),
            modified: (time(context, "modified_after")?, time(context, "modified_before")?),
        })
    }

    fn admits(&self, channel: &Channel, user: &str) -> bool {
        let is_wanted = |wanted: &Option<Vec<String>>, id: &String| wanted.as_ref().is_none_or(|ids| ids.contains(id));
        self.level.is_none_or(|level| channel.level == level)
            && self.status.is_none_or(|status| channel.status == status)
            && self.joined.is_none_or(|joined| channel.members.contains(user) == joined)
            && self.pinned.is_none_or(|pinned| channel.pinned == pinned)
            && self.name.as_ref().is_none_or(|name| channel.name.to_lowercase().contains(name))
            && is_wanted(&self.channel_ids, &channel.channel_id)
            && is_wanted(&self.chat_ids, &channel.chat_id)
            && is_inside(self.created, channel.created_ms)
            && is_inside(self.modified, channel.modified_ms)
    }
}

fn is_inside((after, before): (Option<Millis>, Option<Millis>), at: Millis) -> bool {
    after.is_none_or(|after| at >= after) && before.is_none_or(|before| at <= before)
}

/// One of the words of an enumeration.
fn word<T: serde::de::DeserializeOwned>(context: &Context<'_>, name: &str) -> Result<Option<T>, Answer> {
    let Some(text) = context.call.query.get(name) else { return Ok(None) };
    serde_json::from_value(text.into()).map(Some).map_err(|_| invalid_parameter(Version::V2, name))
}

pub(super) fn boolean(context: &Context<'_>, name: &str) -> Result<Option<bool>, Answer> {
    match context.call.query.get(name) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(invalid_parameter(Version::V2, name)),
    }
}

/// Ids separated by commas.
pub(super) fn list(context: &Context<'_>, name: &str) -> Option<Vec<String>> {
    let text = context.call.query.get(name)?;
    Some(text.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect())
}

/// Milliseconds since 1970, or an ISO time.
fn time(context: &Context<'_>, name: &str) -> Result<Option<Millis>, Answer> {
    let Some(text) = context.call.query.get(name) else { return Ok(None) };
    let at = text.parse().ok().or_else(|| parse_iso(text));
    at.map(Some).ok_or_else(|| invalid_time(Version::V2))
}
