//! `GET /api/v3/messages/search`: messages of all chats, in the other error dialect (zoho.md section 5.3).
//!
//! Names and words of the parameters are those of Cliq's v3 description (key Q2).

use serde_json::{Map, Value, json};

use super::dialect::{Version, error, invalid_parameter, limit, note_unknown, require};
use super::{Chat, Cliq, Content, Message, caller_user};
use crate::answer::Answer;
use crate::clock::{Millis, instant, parse_iso};
use crate::context::Context;
use crate::knobs::CliqKnobs;
use crate::seed::CliqLevel;

const PARAMETERS: &[&str] = &[
    "query",
    "limit",
    "next_token",
    "chat_ids",
    "from_user_ids",
    "chat_type",
    "channel_type",
    "from_time",
    "to_time",
    "message_type",
    "include_bot_messages",
    "has_mentions",
];
const QUERY_CHARS: usize = 1_000;
/// Most ids in one list.
const IDS: usize = 5;

/// What was asked for.
struct Search {
    query: Option<String>,
    chat_ids: Option<Vec<String>>,
    from_user_ids: Option<Vec<String>>,
    chat_types: Option<Vec<String>>,
    level: Option<CliqLevel>,
    from: Option<Millis>,
    to: Option<Millis>,
    message_type: Option<String>,
    with_bots: bool,
    has_mentions: bool,
    known_until: Millis,
}

pub(crate) fn search(context: &mut Context<'_>) -> Answer {
    match try_search(context) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn try_search(context: &mut Context<'_>) -> Result<Answer, Answer> {
    require(context, Version::V3, &context.world.knobs.cliq.message_scope.clone())?;
    note_unknown(context, PARAMETERS);
    let limit = limit(context, Version::V3, 50, 50)?;
    let skip =
        context.call.query.number("next_token", 0).ok_or_else(|| invalid_parameter(Version::V3, "next_token"))?;
    let search = Search::read(context)?;
    let user = caller_user(context);
    let knobs = &context.world.knobs.cliq;
    let cliq = &context.organization().cliq;
    let chats = cliq.chats.keys().filter_map(|chat_id| cliq.readable_chat(chat_id, &user));
    let mut found: Vec<(&Chat, &Message)> = chats
        .filter(|chat| search.admits_chat(cliq, chat))
        .flat_map(|chat| chat.live().map(move |message| (chat, message)))
        .filter(|(_, message)| search.admits(message))
        .collect();
    found.sort_by_key(|(_, message)| std::cmp::Reverse(message.key));
    let end = skip.saturating_add(limit);
    let more = found.len() > end;
    let messages = found.into_iter().skip(skip).take(limit).map(|(chat, message)| shown(cliq, chat, message, knobs));
    let mut body = Map::new();
    body.insert("messages".to_owned(), messages.collect());
    if more {
        body.insert("next_token".to_owned(), end.into());
    }
    Ok(Answer::json(200, &Value::Object(body)))
}

impl Search {
    fn read(context: &Context<'_>) -> Result<Self, Answer> {
        let query = &context.call.query;
        let search = Self {
            query: query.get("query").map(str::to_lowercase),
            chat_ids: ids(context, "chat_ids")?,
            from_user_ids: ids(context, "from_user_ids")?,
            chat_types: ids(context, "chat_type")?,
            level: query.get("channel_type").map(level).transpose()?,
            from: time(context, "from_time")?,
            to: time(context, "to_time")?,
            message_type: query.get("message_type").map(str::to_owned),
            with_bots: boolean(context, "include_bot_messages")?,
            has_mentions: boolean(context, "has_mentions")?,
            known_until: context.now - context.world.knobs.cliq.search_lag_ms,
        };
        if search.query.as_ref().is_some_and(|query| query.chars().count() > QUERY_CHARS) {
            return Err(invalid_parameter(Version::V3, "query"));
        }
        if !matches!(search.message_type.as_deref(), None | Some("text" | "link" | "file")) {
            return Err(invalid_parameter(Version::V3, "message_type"));
        }
        if let (Some(from), Some(to)) = (search.from, search.to)
            && from >= to
        {
            return Err(error(Version::V3, 400, "invalid.time.submitted", "from_time must be earlier than to_time."));
        }
        Ok(search)
    }

    fn admits_chat(&self, cliq: &Cliq, chat: &Chat) -> bool {
        let kind = if chat.thread.is_some() { "threads" } else { "channel" };
        let level = || cliq.channel_of(chat).map(|channel| channel.level);
        self.chat_ids.as_ref().is_none_or(|ids| ids.contains(&chat.chat_id))
            && self.chat_types.as_ref().is_none_or(|types| types.iter().any(|wanted| wanted == kind))
            && self.level.is_none_or(|wanted| level() == Some(wanted))
    }

    fn admits(&self, message: &Message) -> bool {
        let has_link = || message.content.words().contains("http://") || message.content.words().contains("https://");
        let is_of_type = match self.message_type.as_deref() {
            Some("link") => has_link(),
            Some(kind) => message.content.kind() == kind,
            None => true,
        };
        is_of_type
            && (self.with_bots || !message.sender.is_bot)
            && (!self.has_mentions || !message.mentions.is_empty())
            && message.written_ms <= self.known_until
            && self.from.is_none_or(|from| message.key.time_ms >= from)
            && self.to.is_none_or(|to| message.key.time_ms <= to)
            && self.from_user_ids.as_ref().is_none_or(|ids| ids.contains(&message.sender.id))
            && self.query.as_ref().is_none_or(|query| message.content.words().to_lowercase().contains(query))
    }
}

fn shown(cliq: &Cliq, chat: &Chat, message: &Message, knobs: &CliqKnobs) -> Value {
    let content = match &message.content {
        Content::Text { text } => json!({"text": text}),
        Content::File { name, media_type, size_bytes, .. } => {
            json!({"file_name": name, "file_type": media_type, "file_size": size_bytes})
        }
    };
    let title = match &chat.thread {
        Some(thread) => Some(thread.title.clone()),
        None => cliq.channel_of(chat).map(|channel| channel.name.clone()),
    };
    let mut shown = json!({
        "message_id": message.key.text(knobs.search_id_form),
        "time": instant(message.key.time_ms).format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        "sender": {"name": message.sender.name, "id": message.sender.id},
        "chat_id": chat.chat_id,
        "chat_title": title,
        "type": message.content.kind(),
        "content": content,
    });
    if let Some(thread) = &chat.thread {
        shown["parent_chat_id"] = thread.parent_chat_id.as_str().into();
        shown["thread_message_id"] = thread.root.text(knobs.search_id_form).into();
    }
    shown
}

/// The words search has for levels, which are others than those of the channel list.
fn level(text: &str) -> Result<CliqLevel, Answer> {
    match text {
        "organisation" => Ok(CliqLevel::Organization),
        "team" => Ok(CliqLevel::Team),
        "personal" => Ok(CliqLevel::Private),
        "external" => Ok(CliqLevel::External),
        _ => Err(invalid_parameter(Version::V3, "channel_type")),
    }
}

fn ids(context: &Context<'_>, name: &str) -> Result<Option<Vec<String>>, Answer> {
    let Some(ids) = super::channels::list(context, name) else { return Ok(None) };
    if ids.len() > IDS {
        return Err(invalid_parameter(Version::V3, name));
    }
    Ok(Some(ids))
}

fn boolean(context: &Context<'_>, name: &str) -> Result<bool, Answer> {
    match context.call.query.get(name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(invalid_parameter(Version::V3, name)),
    }
}

/// Milliseconds since 1970, or an ISO time.
fn time(context: &Context<'_>, name: &str) -> Result<Option<Millis>, Answer> {
    let Some(text) = context.call.query.get(name) else { return Ok(None) };
    let at = text.parse().ok().or_else(|| parse_iso(text));
    at.map(Some).ok_or_else(|| invalid_parameter(Version::V3, name))
}
