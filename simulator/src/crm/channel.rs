//! A watch channel: where CRM promises to send notifications until the channel's time is up.

use serde_json::Value;

use crate::clock::Millis;

/// What a channel hears of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WatchedEvent {
    pub(crate) module: String,
    /// `create`, `edit`, `delete` or `all`.
    pub(crate) action: String,
}

impl WatchedEvent {
    /// Reads `{Module}.{action}`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (module, action) = text.rsplit_once('.')?;
        let known = matches!(action, "create" | "edit" | "delete" | "all");
        known.then(|| Self { module: module.to_owned(), action: action.to_owned() })
    }

    pub(crate) fn text(&self) -> String {
        format!("{}.{}", self.module, self.action)
    }
}

/// A channel.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    pub(crate) channel_id: String,
    pub(crate) events: Vec<WatchedEvent>,
    pub(crate) notify_url: String,
    pub(crate) token: Option<String>,
    pub(crate) expires_ms: Millis,
    pub(crate) return_affected_field_values: bool,
    pub(crate) notify_on_related_action: bool,
    pub(crate) notification_condition: Value,
}

impl Channel {
    /// True when an event of the module concerns this channel. `action` is the word used in `events`.
    pub(crate) fn hears(&self, module: &str, action: &str) -> bool {
        self.events.iter().any(|event| event.module == module && (event.action == "all" || event.action == action))
    }

    /// True when the channel has no condition on fields, or one of them is met by the changed fields.
    pub(crate) fn is_interested(&self, changed: &[String]) -> bool {
        let Some(conditions) = self.notification_condition.as_array().filter(|list| !list.is_empty()) else {
            return true;
        };
        conditions.iter().any(|condition| {
            let selection = &condition["field_selection"];
            let names: Vec<&str> = selected_fields(selection);
            match selection["group_operator"].as_str() {
                Some("and") => names.iter().all(|name| changed.iter().any(|field| field == name)),
                _ => names.iter().any(|name| changed.iter().any(|field| field == name)),
            }
        })
    }
}

/// Fields of a selection: `{"field": {"api_name"}}` items in a group, or a single one.
fn selected_fields(selection: &Value) -> Vec<&str> {
    match selection["group"].as_array() {
        Some(group) => group.iter().filter_map(field_name).collect(),
        None => field_name(selection).into_iter().collect(),
    }
}

fn field_name(item: &Value) -> Option<&str> {
    item["field"]["api_name"].as_str().or_else(|| item["api_name"].as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn channel(condition: Value) -> Channel {
        Channel {
            channel_id: "1".to_owned(),
            events: vec![WatchedEvent { module: "Deals".to_owned(), action: "edit".to_owned() }],
            notify_url: String::new(),
            token: None,
            expires_ms: 0,
            return_affected_field_values: false,
            notify_on_related_action: true,
            notification_condition: condition,
        }
    }

    #[test]
    fn field_selection_filters_by_any_or_all() {
        let group = json!([{"field": {"api_name": "A"}}, {"field": {"api_name": "B"}}]);
        let any = channel(json!([{"field_selection": {"group_operator": "or", "group": group}}]));
        let all = channel(json!([{"field_selection": {"group_operator": "and", "group": group}}]));
        let changed = ["A".to_owned(), "Modified_Time".to_owned()];
        assert!(any.is_interested(&changed));
        assert!(!all.is_interested(&changed));
        assert!(channel(Value::Null).is_interested(&changed));
    }

    #[test]
    fn all_hears_every_action_of_its_module() {
        let mut channel = channel(Value::Null);
        assert!(!channel.hears("Deals", "create"));
        channel.events[0].action = "all".to_owned();
        assert!(channel.hears("Deals", "create"));
        assert!(!channel.hears("Leads", "create"));
        assert_eq!(WatchedEvent::parse("Deals.shout"), None);
    }
}
