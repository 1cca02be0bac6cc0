//! `/control/organizations/{name}/cliq/…`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Control, Refusal, read, shown};
use crate::control::StateQuery;
use crate::seed::{CliqMessageSeed, CliqThreadSeed};

/// Body of a post.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Messages {
    messages: Vec<CliqMessageSeed>,
}

/// Body of an edit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    text: String,
}

/// Body of a thread's start.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThreadStart {
    message_id: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    messages: Vec<CliqMessageSeed>,
}

/// Body of a change of a thread.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThreadChange {
    closed: bool,
}

pub(super) fn answer(
    control: &Control,
    method: &str,
    organization: &str,
    rest: &[&str],
    body: &[u8],
) -> Result<Value, Refusal> {
    match (method, rest) {
        ("GET", []) => {
            let query = StateQuery { organization: Some(organization.to_owned()), md5: false };
            let state = control.state(&query).organizations.into_iter().next();
            shown(&state.ok_or_else(|| Refusal(404, format!("organization {organization:?} does not exist")))?.cliq)
        }
        ("POST", ["channels"]) => Ok(json!({"channel_id": control.add_cliq_channel(organization, &read(body)?)?})),
        ("POST", ["generated"]) => Ok(json!({"channel_ids": control.generate_cliq(organization, &read(body)?)?})),
        ("PATCH", ["channels", channel]) => {
            control.change_cliq_channel(organization, channel, &read(body)?)?;
            Ok(json!({}))
        }
        ("POST", ["chats", chat, "messages"]) => {
            let Messages { messages } = read(body)?;
            Ok(json!({"ids": control.post_cliq_messages(organization, chat, &messages)?}))
        }
        ("PATCH", ["chats", chat, "messages", id]) => {
            let Edit { text } = read(body)?;
            control.edit_cliq_message(organization, chat, id, &text)?;
            Ok(json!({}))
        }
        ("DELETE", ["chats", chat, "messages", id]) => {
            control.delete_cliq_message(organization, chat, id)?;
            Ok(json!({}))
        }
        ("POST", ["chats", chat, "threads"]) => {
            let ThreadStart { message_id, title, messages } = read(body)?;
            let thread = CliqThreadSeed { title, messages, ..CliqThreadSeed::default() };
            Ok(json!({"chat_id": control.start_cliq_thread(organization, chat, &message_id, &thread)?}))
        }
        ("PATCH", ["chats", chat]) => {
            let ThreadChange { closed } = read(body)?;
            control.close_cliq_thread(organization, chat, closed)?;
            Ok(json!({}))
        }
        ("PUT", ["bot"]) => Ok(json!({"public_pem": control.set_cliq_bot(organization, &read(body)?)?})),
        _ => Err(Refusal(404, format!("there is no {method} cliq/{}", rest.join("/")))),
    }
}
