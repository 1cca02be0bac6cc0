//! What a notification of the CRM says. It carries ids and no state, in no order, and more than once.

use std::str::FromStr;

use providers::zoho::crm::RecordId;
use serde::Deserialize;
use serde_json::Value;

/// What happened to the records, as far as we act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Created or changed: the state must be fetched.
    Changed,
    /// Deleted: there is nothing to fetch.
    Deleted,
}

/// A notification, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notification {
    pub(crate) module: String,
    pub(crate) operation: Operation,
    /// Without repetition, in the order of the notification.
    pub(crate) ids: Vec<RecordId>,
}

#[derive(Debug, Deserialize)]
struct Body {
    module: String,
    operation: String,
    ids: Vec<Value>,
}

impl Notification {
    /// Reads the body of a delivery; `None` when it is no notification that we understand.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let body: Body = serde_json::from_slice(payload).ok()?;
        let operation = match body.operation.as_str() {
            "insert" | "update" => Operation::Changed,
            "delete" => Operation::Deleted,
            _ => return None,
        };
        let mut ids = Vec::with_capacity(body.ids.len());
        for id in &body.ids {
            let id = record_id(id)?;
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        (!ids.is_empty()).then_some(Notification { module: body.module, operation, ids })
    }
}

/// An id, which the provider sends as a string, and may send as a number.
fn record_id(value: &Value) -> Option<RecordId> {
    match value {
        Value::String(text) => RecordId::from_str(text).ok(),
        Value::Number(number) => RecordId::from_str(&number.to_string()).ok(),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn notification_in_the_documented_shape_is_read() {
        let body = br#"{"server_time":1768471500123,"query_params":{"conn":"7"},"module":"Deals",
            "resource_uri":"https://www.zohoapis.com/crm/v8/Deals","ids":["5200000000123456","5200000000123456",7],
            "affected_fields":[{"5200000000123456":["Docs_Moved"]}],"operation":"update",
            "channel_id":"1000000068001","token":"k8-opaque"}"#;
        let read = Notification::parse(body).unwrap();
        assert_eq!((read.module.as_str(), read.operation), ("Deals", Operation::Changed));
        let ids: Vec<&str> = read.ids.iter().map(RecordId::as_str).collect();
        assert_eq!(ids, ["5200000000123456", "7"]);
    }

    #[test]
    fn what_cannot_be_acted_on_is_refused() {
        for body in [
            r#"{"module":"Deals","ids":["1"],"operation":"merge"}"#,
            r#"{"module":"Deals","ids":[],"operation":"update"}"#,
            r#"{"module":"Deals","ids":["../x"],"operation":"update"}"#,
            r#"{"module":"Deals","ids":[1.5],"operation":"update"}"#,
            r#"{"ids":["1"],"operation":"update"}"#,
            r#"{"module":"Deals","operation":"update"}"#,
            "[]",
            "not json",
            "",
        ] {
            assert_eq!(Notification::parse(body.as_bytes()), None, "{body}");
        }
    }
}
