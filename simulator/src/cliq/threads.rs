//! `GET /api/v2/threads`: threads, which are chats of their own (zoho.md sections 5.2 and 5.5).
//!
//! Parameters and fields beyond the tokens are those of a public client (key Q5, `Thread/list.md`); it names no
//! scope, so this takes the one of chats.

use serde_json::{Map, Value, json};

use super::dialect::{Version, invalid_parameter, note_unknown, require};
use super::page::Page;
use super::{Chat, Cliq, Thread, caller_user};
use crate::answer::Answer;
use crate::context::Context;
use crate::knobs::CliqKnobs;

pub(crate) fn threads(context: &mut Context<'_>) -> Answer {
    match try_threads(context) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn try_threads(context: &mut Context<'_>) -> Result<Answer, Answer> {
    require(context, Version::V2, "ZohoCliq.Chats.READ")?;
    note_unknown(context, &["channel_id", "state", "type", "limit", "next_token", "sync_token"]);
    let page = Page::read(context, 50, 100)?;
    let query = &context.call.query;
    let closed = match query.get("type") {
        None => None,
        Some("open") => Some(false),
        Some("closed") => Some(true),
        Some(_) => return Err(invalid_parameter(Version::V2, "type")),
    };
    let channel_id = query.get("channel_id");
    if !matches!(query.get("state"), None | Some("all" | "followed" | "not_followed")) {
        return Err(invalid_parameter(Version::V2, "state"));
    }
    let follows_none = query.get("state") == Some("not_followed");
    let user = caller_user(context);
    let knobs = &context.world.knobs.cliq;
    let cliq = &context.organization().cliq;
    if channel_id.is_some_and(|id| cliq.channel(id).is_none()) {
        return Err(invalid_parameter(Version::V2, "channel_id"));
    }
    let rows = cliq.threads.iter().enumerate().filter_map(|(place, chat_id)| {
        let chat = cliq.readable_chat(chat_id, &user)?;
        let thread = chat.thread.as_ref()?;
        let is_wanted = page.shows(thread.revision, thread.messages_revision, knobs)
            && closed.is_none_or(|closed| thread.closed == closed)
            && channel_id.is_none_or(|id| chat.channel_id == id)
            && !follows_none;
        is_wanted.then_some((place, (chat, thread)))
    });
    let (rows, next) = page.cut(rows.collect());
    let mut body = Map::new();
    let data = rows.into_iter().map(|(chat, thread)| shown(cliq, chat, thread, knobs));
    body.insert("data".to_owned(), data.collect());
    body.insert("has_more".to_owned(), next.is_some().into());
    if let Some(next) = next {
        body.insert("next_token".to_owned(), next.into());
    }
    body.insert("sync_token".to_owned(), page.sync_token().into());
    body.insert("type".to_owned(), "chat_thread".into());
    body.insert("url".to_owned(), "/api/v2/threads".into());
    Ok(Answer::json(200, &Value::Object(body)))
}

fn shown(cliq: &Cliq, chat: &Chat, thread: &Thread, knobs: &CliqKnobs) -> Value {
    let parent = cliq.chats.get(&thread.parent_chat_id);
    let root = parent.and_then(|parent| parent.message(thread.root));
    let mut shown = json!({
        "chat_id": chat.chat_id,
        "parent_chat_id": thread.parent_chat_id,
        "thread_message_id": thread.root.text(knobs.reference_id_form),
        "parent_message_sender": root.map(|root| root.sender.id.clone()),
        "title": thread.title,
        "message_count": chat.live().count(),
        "is_follower": true,
        "follower_count": cliq.channel_of(chat).map_or(0, |channel| channel.members.len()),
        "thread_state_info": {"thread_state": if thread.closed { "closed" } else { "open" }},
    });
    if let Some(last) = chat.live().next_back() {
        shown["last_message_information"] = json!({
            "sender_id": last.sender.id,
            "message_type": last.content.kind(),
            "time": crate::clock::iso_seconds(last.key.time_ms, chrono::Offset::fix(&chrono::Utc)),
            "text": last.content.words(),
        });
    }
    shown
}
