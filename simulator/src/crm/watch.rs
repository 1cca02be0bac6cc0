//! `/actions/watch`: channels are made, replaced, changed, removed and listed (zoho.md section 2.7).

use serde_json::{Map, Value, json};

use super::channel::{Channel, WatchedEvent};
use super::dialect::{error, error_body, require};
use crate::answer::Answer;
use crate::clock::{Millis, iso_seconds, parse_iso};
use crate::context::Context;

/// Most channels in one call.
const CHANNELS: usize = 50;
const NOTIFY_URL_CHARS: usize = 255;

/// One channel refused, in CRM's words.
struct Refused {
    code: &'static str,
    details: Value,
}

fn invalid(api_name: &str) -> Refused {
    Refused {
        code: "INVALID_DATA",
        details: json!({"api_name": api_name, "json_path": format!("$.watch[*].{api_name}")}),
    }
}

fn missing(api_name: &str) -> Refused {
    Refused { code: "MANDATORY_NOT_FOUND", details: json!({"api_name": api_name}) }
}

/// `POST`: enables channels.
pub(crate) fn create(context: &mut Context<'_>) -> Answer {
    each(context, "CREATE", 201, |context, input| {
        let channel = whole(context, input)?;
        Ok(keep(context, channel))
    })
}

/// `PUT`: replaces everything about a channel; what is left out is reset.
pub(crate) fn replace(context: &mut Context<'_>) -> Answer {
    each(context, "UPDATE", 200, |context, input| {
        let channel = whole(context, input)?;
        live(context, &channel.channel_id)?;
        Ok(keep(context, channel))
    })
}

/// `PATCH`: changes what is named; `_delete_events` takes the named events away.
pub(crate) fn update(context: &mut Context<'_>) -> Answer {
    each(context, "UPDATE", 200, |context, input| {
        let id = channel_id(input).or_else(|| context.call.query.get("channel_id").map(str::to_owned));
        let mut channel = live(context, &id.ok_or_else(|| missing("channel_id"))?)?;
        if let Some(value) = input.get("events") {
            let named = events(context, Some(value))?;
            if input.get("_delete_events").and_then(Value::as_bool) == Some(true) {
                channel.events.retain(|event| !named.contains(event));
            } else {
                channel
                    .events
                    .extend(named.into_iter().filter(|event| !channel.events.contains(event)).collect::<Vec<_>>());
            }
        }
        if input.contains_key("channel_expiry") {
            channel.expires_ms = expiry(context, input)?;
        }
        optional(context, input, &mut channel)?;
        Ok(keep(context, channel))
    })
}

/// `DELETE ?channel_ids=1,2`.
pub(crate) fn delete(context: &mut Context<'_>) -> Answer {
    if let Err(answer) = require(context, &["ZohoCRM.notifications.DELETE"]) {
        return answer;
    }
    let Some(ids) = context.call.query.get("channel_ids") else {
        return error(
            400,
            "REQUIRED_PARAM_MISSING",
            json!({"param_name": "channel_ids"}),
            "One of the expected parameter is missing",
        );
    };
    let ids: Vec<String> = ids.split(',').map(|id| id.trim().to_owned()).collect();
    let results: Vec<Result<Value, Refused>> = ids
        .iter()
        .map(|id| {
            let channel = live(context, id)?;
            context.organization_mut().crm.channels.remove(id);
            let first = channel.events.first().map(|event| event.module.clone()).unwrap_or_default();
            Ok(json!({
                "resource_uri": resource_uri(context, &first), "resource_id": resource_id(context, &first), "channel_id": id,
            }))
        })
        .collect();
    answer(results, 200, "Successfully un-subscribed from actions-watch of the given module")
}

/// `GET ?channel_id=&module=`: live channels only; 204 when there are none.
pub(crate) fn list(context: &mut Context<'_>) -> Answer {
    if let Err(answer) = require(context, &["ZohoCRM.notifications.READ"]) {
        return answer;
    }
    let query = &context.call.query;
    let (wanted_id, wanted_module) = (query.get("channel_id"), query.get("module"));
    let per_page = query.number("per_page", 200).unwrap_or(200).clamp(1, 200);
    let page = query.number("page", 1).unwrap_or(1).max(1);
    let now = context.now;
    let crm = &context.organization().crm;
    let rows: Vec<Value> = crm
        .channels
        .values()
        .filter(|channel| channel.expires_ms > now)
        .filter(|channel| wanted_id.is_none_or(|id| id == channel.channel_id))
        .filter(|channel| wanted_module.is_none_or(|module| channel.events.iter().any(|event| event.module == module)))
        .map(|channel| shown(context, channel))
        .collect();
    let shown: Vec<&Value> = rows.iter().skip((page - 1) * per_page).take(per_page).collect();
    if shown.is_empty() {
        return Answer::empty(204);
    }
    let info =
        json!({"per_page": per_page, "count": shown.len(), "page": page, "more_records": rows.len() > page * per_page});
    Answer::json(200, &json!({"watch": shown, "info": info}))
}

fn shown(context: &Context<'_>, channel: &Channel) -> Value {
    let module = channel.events.first().map(|event| event.module.as_str()).unwrap_or_default();
    json!({
        "notify_on_related_action": channel.notify_on_related_action,
        "channel_expiry": iso_seconds(channel.expires_ms, context.organization().crm.offset),
        "return_affected_field_values": channel.return_affected_field_values,
        "resource_uri": resource_uri(context, module),
        "resource_id": resource_id(context, module),
        "notify_url": channel.notify_url,
        "resource_name": module,
        "fields": null,
        "notification_condition": channel.notification_condition,
        "channel_id": channel.channel_id,
        "events": channel.events.iter().map(WatchedEvent::text).collect::<Vec<_>>(),
        "token": channel.token,
    })
}

fn each(
    context: &mut Context<'_>,
    operation: &str,
    status: u16,
    one: impl Fn(&mut Context<'_>, &Map<String, Value>) -> Result<Value, Refused>,
) -> Answer {
    if let Err(answer) = require(context, &[&format!("ZohoCRM.notifications.{operation}")]) {
        return answer;
    }
    let inputs = match inputs(context) {
        Ok(inputs) => inputs,
        Err(answer) => return answer,
    };
    let results = inputs.iter().map(|input| one(context, input)).collect();
    answer(results, status, "Successfully subscribed for actions-watch of the given module")
}

fn inputs(context: &Context<'_>) -> Result<Vec<Map<String, Value>>, Answer> {
    let body: Value = serde_json::from_slice(context.body)
        .map_err(|_| error(400, "INVALID_DATA", json!({"expected_data_type": "jsonobject"}), "body is not JSON"))?;
    // PATCH is also described with the channel itself as the body.
    let list = match (body.get("watch"), body.as_object()) {
        (Some(Value::Array(list)), _) => list.iter().filter_map(|item| item.as_object().cloned()).collect(),
        (None, Some(single)) if single.contains_key("channel_id") => vec![single.clone()],
        _ => Vec::new(),
    };
    if list.is_empty() {
        return Err(error(400, "MANDATORY_NOT_FOUND", json!({"api_name": "watch"}), "required field not found"));
    }
    if list.len() > CHANNELS {
        return Err(error(400, "LIMIT_REACHED", json!({"limit": CHANNELS}), "too many channels"));
    }
    Ok(list)
}

fn answer(results: Vec<Result<Value, Refused>>, status: u16, message: &str) -> Answer {
    let failed = results.iter().filter(|result| result.is_err()).count();
    let status = match failed {
        0 => status,
        _ if failed == results.len() => 400,
        _ => 207,
    };
    let rows: Vec<Value> = results
        .into_iter()
        .map(|result| match result {
            Ok(details) => json!({"code": "SUCCESS", "details": details, "message": message, "status": "success"}),
            Err(refused) => error_body(refused.code, &refused.details, "invalid data"),
        })
        .collect();
    Answer::json(status, &json!({"watch": rows}))
}

/// A channel read from nothing but the request.
fn whole(context: &mut Context<'_>, input: &Map<String, Value>) -> Result<Channel, Refused> {
    let channel_id = channel_id(input).ok_or_else(|| missing("channel_id"))?;
    if !channel_id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid("channel_id"));
    }
    if !input.contains_key("notify_url") {
        return Err(missing("notify_url"));
    }
    let mut channel = Channel {
        channel_id,
        events: events(context, input.get("events"))?,
        notify_url: String::new(),
        token: None,
        expires_ms: expiry(context, input)?,
        return_affected_field_values: false,
        notify_on_related_action: true,
        notification_condition: Value::Null,
    };
    optional(context, input, &mut channel)?;
    Ok(channel)
}

/// The client chooses the id; it is a number or a text of digits.
fn channel_id(input: &Map<String, Value>) -> Option<String> {
    match input.get("channel_id")? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn events(context: &Context<'_>, value: Option<&Value>) -> Result<Vec<WatchedEvent>, Refused> {
    let texts = value.and_then(Value::as_array).filter(|list| !list.is_empty()).ok_or_else(|| missing("events"))?;
    texts
        .iter()
        .map(|text| {
            let event = text.as_str().and_then(WatchedEvent::parse).ok_or_else(|| invalid("events"))?;
            context.organization().crm.module(&event.module).map(|_| event).ok_or_else(|| invalid("events"))
        })
        .collect()
}

/// Missing or too far ahead gives the default life, not the longest one.
fn expiry(context: &Context<'_>, input: &Map<String, Value>) -> Result<Millis, Refused> {
    let knobs = &context.world.knobs.crm;
    let default = context.now + i64::from(knobs.watch_default_seconds) * 1000;
    let longest = context.now + i64::from(knobs.watch_longest_seconds) * 1000;
    let Some(value) = input.get("channel_expiry").filter(|value| !value.is_null()) else { return Ok(default) };
    let wanted = value.as_str().and_then(parse_iso).ok_or_else(|| invalid("channel_expiry"))?;
    Ok(if wanted <= context.now || wanted > longest { default } else { wanted })
}

fn optional(context: &mut Context<'_>, input: &Map<String, Value>, channel: &mut Channel) -> Result<(), Refused> {
    let most_chars = context.world.knobs.crm.watch_token_chars;
    if let Some(value) = input.get("notify_url") {
        let url = value.as_str().filter(|url| url.starts_with("http") && url.chars().count() <= NOTIFY_URL_CHARS);
        channel.notify_url = url.ok_or_else(|| invalid("notify_url"))?.to_owned();
    }
    if let Some(value) = input.get("token") {
        let token = value.as_str().filter(|token| token.chars().count() <= most_chars);
        channel.token = Some(token.ok_or_else(|| invalid("token"))?.to_owned());
    }
    if let Some(value) = input.get("return_affected_field_values") {
        channel.return_affected_field_values =
            value.as_bool().ok_or_else(|| invalid("return_affected_field_values"))?;
    }
    if let Some(value) = input.get("notify_on_related_action") {
        channel.notify_on_related_action = value.as_bool().ok_or_else(|| invalid("notify_on_related_action"))?;
    }
    if let Some(value) = input.get("notification_condition") {
        let few = value.is_null() || value.as_array().is_some_and(|conditions| conditions.len() <= 2);
        if !few {
            return Err(invalid("notification_condition"));
        }
        channel.notification_condition = value.clone();
    }
    Ok(())
}

fn live(context: &Context<'_>, id: &str) -> Result<Channel, Refused> {
    let channel = context.organization().crm.channels.get(id).filter(|channel| channel.expires_ms > context.now);
    channel.cloned().ok_or_else(|| Refused { code: "NOT_SUBSCRIBED", details: json!({"channel_id": id}) })
}

fn keep(context: &mut Context<'_>, channel: Channel) -> Value {
    let offset = context.organization().crm.offset;
    let details: Vec<Value> = channel
        .events
        .iter()
        .map(|event| {
            json!({
                "channel_expiry": iso_seconds(channel.expires_ms, offset),
                "resource_uri": resource_uri(context, &event.module),
                "resource_id": resource_id(context, &event.module),
                "resource_name": event.module,
                "channel_id": channel.channel_id,
            })
        })
        .collect();
    context.organization_mut().crm.channels.insert(channel.channel_id.clone(), channel);
    json!({"events": details})
}

fn resource_uri(context: &Context<'_>, module: &str) -> String {
    format!("{}/api/crm/v8/{module}", context.base)
}

fn resource_id(context: &Context<'_>, module: &str) -> String {
    context.organization().crm.module(module).map(|module| module.id.to_string()).unwrap_or_default()
}
