//! Notifications: which channels hear of a change, and what they are told (zoho.md section 2.7).

mod sender;

use serde_json::{Map, Value, json};

use crate::clock::Millis;
use crate::crm::{Channel, Crm};
use crate::world::World;

pub(crate) use sender::run;

/// Notifications waiting for the sender; more are lost and counted.
pub(crate) const QUEUE: usize = 10_000;

/// A callback ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Notification {
    pub(crate) url: String,
    /// Content type, signature and whatever else the sender puts into its header.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

/// As one public client saw it (zoho.md section 2.7, unsure).
const USER_AGENT: &str = "Zoho CRM Notification/v8";

/// The three things that happen to records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Insert,
    Update,
    Delete,
}

impl Operation {
    /// The word in `events` when subscribing.
    fn action(self) -> &'static str {
        match self {
            Self::Insert => "create",
            Self::Update => "edit",
            Self::Delete => "delete",
        }
    }

    /// The word in callbacks, which is another one.
    fn text(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// Records of one module that changed together, each with its changed fields.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) module: &'a str,
    pub(crate) operation: Operation,
    pub(crate) records: &'a [(u64, Vec<String>)],
}

/// Puts a notification for every live channel that hears of the change into the outbox.
pub(crate) fn raise(world: &mut World, organization: usize, change: &Change<'_>, base: &str, now: Millis) {
    let crm = &world.organizations[organization].crm;
    let heard = crm
        .channels
        .values()
        .filter(|channel| channel.expires_ms > now && channel.hears(change.module, change.operation.action()));
    let raised: Vec<Notification> = heard.filter_map(|channel| notification(crm, channel, change, base, now)).collect();
    world.journal.webhooks.raised += raised.len() as u64;
    world.outbox.extend(raised);
}

fn notification(crm: &Crm, channel: &Channel, change: &Change<'_>, base: &str, now: Millis) -> Option<Notification> {
    let interesting = |fields: &[String]| change.operation != Operation::Update || channel.is_interested(fields);
    let records: Vec<&(u64, Vec<String>)> = change.records.iter().filter(|(_, fields)| interesting(fields)).collect();
    if records.is_empty() {
        return None;
    }
    let mut body = json!({
        "server_time": now,
        "query_params": query_params(&channel.notify_url),
        "module": change.module,
        "resource_uri": format!("{base}/api/crm/v8/{}", change.module),
        "ids": records.iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>(),
        "operation": change.operation.text(),
        "channel_id": channel.channel_id,
        "token": channel.token,
    });
    if change.operation == Operation::Update {
        body["affected_fields"] = records.iter().map(|(id, fields)| json!({id.to_string(): fields})).collect();
        if channel.return_affected_field_values {
            body["affected_values"] =
                records.iter().map(|(id, fields)| affected_values(crm, change.module, *id, fields)).collect();
        }
    }
    let headers = vec![("content-type", "application/json".to_owned()), ("user-agent", USER_AGENT.to_owned())];
    Some(Notification { url: channel.notify_url.clone(), headers, body: body.to_string() })
}

fn affected_values(crm: &Crm, module: &str, id: u64, fields: &[String]) -> Value {
    let record = crm.module(module).and_then(|module| module.records.get(&id));
    let values: Map<String, Value> = fields
        .iter()
        .filter(|field| *field != "Modified_Time")
        .filter_map(|field| Some((field.clone(), record?.value(field, crm.offset))))
        .collect();
    json!({"record_id": id.to_string(), "values": values})
}

fn query_params(url: &str) -> Map<String, Value> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    crate::call::Query::parse(query).pairs().map(|(name, value)| (name.to_owned(), value.into())).collect()
}
