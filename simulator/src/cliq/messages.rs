//! `GET /api/v2/chats/{id}/messages` and one message of it: a window of time without a cursor (zoho.md section 5.2).

use serde_json::{Value, json};

use super::dialect::{Version, chat_not_found, error, invalid_time, limit, note_unknown, require};
use super::{Message, MessageKey, caller_user};
use crate::answer::Answer;
use crate::clock::Millis;
use crate::context::Context;
use crate::knobs::{CliqKnobs, MessageOrder};

/// Times that are this century in seconds and early 1970 in milliseconds.
const SECONDS: std::ops::Range<Millis> = 900_000_000..100_000_000_000;

pub(crate) fn list(context: &mut Context<'_>, chat_id: &str) -> Answer {
    match try_list(context, chat_id) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn try_list(context: &mut Context<'_>, chat_id: &str) -> Result<Answer, Answer> {
    require(context, Version::V2, &context.world.knobs.cliq.message_scope.clone())?;
    note_unknown(context, &["fromtime", "totime", "limit"]);
    let (from, to) = (time(context, "fromtime")?, time(context, "totime")?);
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        return Err(invalid_time(Version::V2));
    }
    let limit = limit(context, Version::V2, 50, 100)?;
    let user = caller_user(context);
    let knobs = &context.world.knobs.cliq;
    let cliq = &context.organization().cliq;
    let Some(chat) = cliq.readable_chat(chat_id, &user) else { return Err(chat_not_found(Version::V2)) };
    let visible: Vec<&Message> =
        chat.messages().iter().filter(|message| !message.deleted || knobs.deleted_messages_shown).collect();
    let unreadable = knobs.readable_messages.map_or(0, |most| visible.len().saturating_sub(most));
    let window: Vec<&Message> = visible
        .into_iter()
        .skip(unreadable)
        .filter(|message| is_inside(message.key.time_ms, from, to, knobs))
        .collect();
    let page = page(&window, limit, knobs.order);
    if page.is_empty() && knobs.empty_answers_204 {
        return Ok(Answer::empty(204));
    }
    let data: Vec<Value> = page.into_iter().map(|message| message.shown(knobs.list_id_form, knobs.time_form)).collect();
    Ok(Answer::json(200, &json!({"data": data})))
}

fn is_inside(at: Millis, from: Option<Millis>, to: Option<Millis>, knobs: &CliqKnobs) -> bool {
    let after = |from| if knobs.from_inclusive { at >= from } else { at > from };
    let before = |to| if knobs.to_inclusive { at <= to } else { at < to };
    from.is_none_or(after) && to.is_none_or(before)
}

/// The part of a window, which is oldest first, that one answer holds.
fn page<'a>(window: &[&'a Message], limit: usize, order: MessageOrder) -> Vec<&'a Message> {
    let newest = &window[window.len().saturating_sub(limit)..];
    match order {
        MessageOrder::NewestFirst => newest.iter().rev().copied().collect(),
        MessageOrder::NewestAscending => newest.to_vec(),
        MessageOrder::OldestFirst => window.iter().take(limit).copied().collect(),
    }
}

fn time(context: &mut Context<'_>, name: &'static str) -> Result<Option<Millis>, Answer> {
    let Some(text) = context.call.query.get(name) else { return Ok(None) };
    let Some(at) = text.parse::<Millis>().ok().filter(|at| *at >= 0) else { return Err(invalid_time(Version::V2)) };
    if SECONDS.contains(&at) {
        context.misdeed("time_in_seconds", || format!("{name}={at}"));
    }
    Ok(Some(at))
}

/// One message. An id that was encoded twice is not found (section 5.2).
pub(crate) fn single(context: &mut Context<'_>, chat_id: &str, message_id: &str) -> Answer {
    if let Err(answer) = require(context, Version::V2, &context.world.knobs.cliq.message_scope.clone()) {
        return answer;
    }
    if message_id.contains("%20") {
        context.misdeed("message_id_encoded_twice", || format!("{message_id} after one decoding"));
    }
    let user = caller_user(context);
    let knobs = &context.world.knobs.cliq;
    let Some(chat) = context.organization().cliq.readable_chat(chat_id, &user) else {
        return chat_not_found(Version::V2);
    };
    let message = MessageKey::parse(message_id).and_then(|key| chat.message(key)).filter(|message| !message.deleted);
    match message {
        Some(message) => Answer::json(200, &message.shown(knobs.single_id_form, knobs.time_form)),
        None => error(Version::V2, 404, "message_not_found", "Requested message could not be found."),
    }
}
