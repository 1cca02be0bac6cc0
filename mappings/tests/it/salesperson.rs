//! What lists and contacts of Books lead to, whatever their order.

use std::collections::BTreeMap;
use std::time::Duration;

use catalogue::books::{ContactChanged, UserChanged, UserGone};
use catalogue::erp::AssignmentState;
use chrono::{DateTime, TimeDelta, Utc};
use event_log::{Direction, Filter, GlobalPosition, Log, RecordedEvent};
use mappings::salesperson::{ContactCounts, Story, UserCounts, contact_gone, record_contacts, record_users};
use service::config::Schedule;
use service::config::account::Books;
use testkit::on_both_databases;
use testkit::store::Backend;
use uuid::Uuid;

use crate::office::Office;

on_both_databases! {
    #[tokio::test]
    user_that_two_lists_in_a_row_do_not_have_is_gone,
    empty_list_is_no_list,
    answer_that_was_overtaken_brings_nobody_back,
    older_state_changes_nothing,
}

fn books() -> Books {
    Books {
        organization_id: "10".to_owned(),
        schedule: Schedule::Every(Duration::from_secs(86_400)),
        full_every: Duration::from_secs(86_400),
        contact_type: "customer".to_owned(),
        roles: BTreeMap::new(),
        default_role: Some("sales".to_owned()),
        write_owners: false,
    }
}

fn story(asked_at: Option<DateTime<Utc>>) -> Story {
    Story {
        account: "org-a".to_owned(),
        organization: "acme".to_owned(),
        source: "poll",
        correlation_id: Uuid::now_v7(),
        causation_id: None,
        asked_at,
        received_at: None,
        actor: None,
    }
}

fn user(id: &str) -> UserChanged {
    UserChanged {
        user_id: id.to_owned(),
        name: format!("User {id}"),
        email: None,
        role: Some("staff".to_owned()),
        status: "active".to_owned(),
    }
}

fn contact(owner: Option<&str>, modified: &str) -> ContactChanged {
    ContactChanged {
        contact_id: "7".to_owned(),
        name: "Bowman".to_owned(),
        kind: Some("customer".to_owned()),
        status: Some("active".to_owned()),
        owner_id: owner.map(str::to_owned),
        owner_name: None,
        email: None,
        last_modified_time: Some(modified.parse().unwrap()),
    }
}

async fn list(log: &Log, users: &[&str]) -> UserCounts {
    let listed: Vec<UserChanged> = users.iter().map(|id| user(id)).collect();
    let recorded = log.write::<_, mappings::Error, _>(move |unit| {
        Box::pin(async move { record_users(unit, &story(None), &books(), &listed).await })
    });
    recorded.await.unwrap()
}

async fn see(log: &Log, seen: ContactChanged, asked_at: DateTime<Utc>) -> ContactCounts {
    let recorded = log.write::<_, mappings::Error, _>(move |unit| {
        Box::pin(async move { record_contacts(unit, &story(Some(asked_at)), &books(), &[seen], None).await })
    });
    recorded.await.unwrap()
}

async fn events(log: &Log, event_type: &str) -> Vec<RecordedEvent> {
    let filter = Filter { event_types: vec![event_type.to_owned()], ..Filter::default() };
    log.list(&filter, GlobalPosition(0), Direction::Forward, 100).await.unwrap()
}

async fn last_state(log: &Log) -> AssignmentState {
    let told = events(log, "customer_assignment.changed").await.pop().unwrap();
    told.decode::<catalogue::erp::Assignment>().unwrap().state
}

async fn user_that_two_lists_in_a_row_do_not_have_is_gone(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    list(&log, &["1", "2"]).await;
    list(&log, &["1"]).await;
    list(&log, &["1", "2"]).await;
    list(&log, &["1"]).await;
    assert!(events(&log, "books_user.gone").await.is_empty(), "a page may lose one");
    list(&log, &["1"]).await;
    list(&log, &["1"]).await;
    let gone: Vec<UserGone> =
        events(&log, "books_user.gone").await.iter().map(|event| event.decode().unwrap()).collect();
    assert_eq!(gone, [UserGone { user_id: "2".to_owned(), reason: "missing".to_owned() }]);
}

async fn empty_list_is_no_list(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    list(&log, &["1"]).await;
    for _ in 0..3 {
        list(&log, &[]).await;
    }
    assert!(events(&log, "books_user.gone").await.is_empty());
}

async fn answer_that_was_overtaken_brings_nobody_back(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    list(&log, &["1"]).await;
    let (asked_at, state) = (log.now(), contact(Some("1"), "2026-01-01T00:00:00Z"));
    see(&log, state.clone(), asked_at).await;
    assert_eq!(last_state(&log).await, AssignmentState::Assigned);
    office.clock.advance(TimeDelta::seconds(5));
    let gone = log.write::<_, mappings::Error, _>(move |unit| {
        Box::pin(async move { contact_gone(unit, &story(None), &books(), "7", None).await })
    });
    assert_eq!(gone.await.unwrap().facts, 1);
    assert_eq!(see(&log, state.clone(), asked_at).await.facts, 0);
    assert_eq!(last_state(&log).await, AssignmentState::Gone);
    office.clock.advance(TimeDelta::seconds(5));
    assert_eq!(see(&log, state, log.now()).await.facts, 1, "somebody asked later and it was there");
    assert_eq!(last_state(&log).await, AssignmentState::Assigned);
}

async fn older_state_changes_nothing(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    see(&log, contact(Some("1"), "2026-01-02T00:00:00Z"), log.now()).await;
    see(&log, contact(None, "2026-01-01T00:00:00Z"), log.now()).await;
    assert_eq!(last_state(&log).await, AssignmentState::UnmappedOwner);
    assert_eq!(events(&log, "books_contact.changed").await.len(), 1);
}
