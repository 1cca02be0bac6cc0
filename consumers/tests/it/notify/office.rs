//! An office whose users change, and what its receivers have heard of it.

use std::collections::BTreeSet;

use catalogue::erp::{USER_CHANGED, User, UserState, user_id, user_stream};
use consumers::notify::request::id;
use event_log::{Append, NewEvent, RecordedEvent, sql};
use serde_json::Value;
use simulator::control::ReceiverState;

use crate::database::On;
use crate::stage::{Plan, Stage};

/// The secret that receivers know when nothing else is said.
pub(crate) const SECRET: &str = "whsec_c2ltdWxhdGVkIHNlY3JldCBvZiBub2JvZHk=";

/// Settings of an endpoint of the organisation `acme`, whose receiver has the same name; `more` in lines.
pub(crate) fn endpoint(name: &str, more: &str) -> String {
    let default = |key: &str, line: &str| if more.contains(key) { String::new() } else { format!("{line}\n") };
    format!(
        "[notify.{name}]\n{}{}{}{}{}{}{more}\n",
        default("url", &format!("url = \"BASE/receiver/{name}\"")),
        default("secrets", &format!("secrets = [\"{SECRET}\"]")),
        default("organization", "organization = \"acme\""),
        default("events", "events = [\"erp_user.*\"]"),
        default("retry_base_ms", "retry_base_ms = 20"),
        default("allow_private", "allow_private = true"),
    )
}

/// A stage with these endpoints before the consumers run.
pub(crate) async fn waiting_office(on: On, endpoints: &[String], knobs: Value) -> Stage {
    let plan = Plan {
        folders: Vec::new(),
        notify: endpoints.concat(),
        knobs: serde_json::json!({ "receiver": knobs }),
        ..Plan::default()
    };
    Stage::new(on, plan).await
}

/// The same with consumers that know the endpoints.
pub(crate) async fn office(on: On, endpoints: &[String], knobs: Value) -> Stage {
    let mut stage = waiting_office(on, endpoints, knobs).await;
    open(&mut stage, endpoints.len()).await;
    stage
}

/// Starts the consumers and waits until they know so many endpoints.
pub(crate) async fn open(stage: &mut Stage, endpoints: usize) {
    stage.start();
    stage
        .until("the endpoints to be known", async || {
            (count(stage, "SELECT count(*) FROM notify_endpoints").await == endpoints).then_some(())
        })
        .await;
}

/// What a query counts.
pub(crate) async fn count(stage: &Stage, query: &'static str) -> usize {
    let counted: i64 = sql::query_scalar(query).fetch_one(stage.log.database().readers()).await.unwrap();
    usize::try_from(counted).unwrap()
}

/// A user of `acme` changes.
pub(crate) async fn change(stage: &Stage, user: usize) -> RecordedEvent {
    change_of(stage, "org-a", "acme", user).await
}

/// A user of an account and an organisation changes.
pub(crate) async fn change_of(stage: &Stage, account: &str, organization: &str, user: usize) -> RecordedEvent {
    let zoho_user_id = user.to_string();
    let data = User {
        erp_user_id: user_id(account, &zoho_user_id),
        zoho_user_id: zoho_user_id.clone(),
        name: format!("user {user}"),
        email: None,
        zoho_role: None,
        erp_role: None,
        state: UserState::Active,
        needs_invitation: true,
        merged_into: None,
    };
    let mut event = NewEvent::new(USER_CHANGED, "decision", &data)
        .of(account, organization)
        .with_metadata(&serde_json::json!({"hidden": "metadata"}));
    event.payload = Some("hidden bytes".into());
    let id = event.id;
    stage.log.append(Append::new(user_stream(account, &zoho_user_id), vec![event])).await.unwrap();
    stage.log.event(id).await.unwrap().unwrap()
}

/// What a receiver has.
pub(crate) fn heard(stage: &Stage, name: &str) -> ReceiverState {
    stage.control().receiver(name)
}

/// Waits until a receiver has so many notifications.
pub(crate) async fn until_heard(stage: &Stage, name: &str, notifications: usize) -> ReceiverState {
    stage
        .until(&format!("{name} to hear of {notifications} events"), async || {
            let state = heard(stage, name);
            (state.notifications.len() >= notifications).then_some(state)
        })
        .await
}

/// A receiver has exactly these events, each under its id and with one body.
pub(crate) fn assert_heard(state: &ReceiverState, name: &str, events: &[&RecordedEvent]) {
    let ids: BTreeSet<String> = state.notifications.iter().map(|one| one.id.clone()).collect();
    let expected: BTreeSet<String> = events.iter().map(|event| id(name, event.id).to_string()).collect();
    assert_eq!(ids, expected);
    assert_eq!(state.notifications.len(), expected.len());
    assert_eq!((state.refused, state.changed), (0, 0));
}
