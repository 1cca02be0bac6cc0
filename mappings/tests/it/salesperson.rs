//! What lists and contacts of Books lead to, whatever their order.

use std::collections::BTreeMap;
use std::time::Duration;

use catalogue::books::{ContactChanged, UserChanged, UserGone};
use catalogue::erp::AssignmentState;
use chrono::{DateTime, TimeDelta, Utc};
use event_log::{Direction, Filter, GlobalPosition, Log, RecordedEvent};
use mappings::salesperson::{
    ContactCounts, News, Story, UserCounts, contact_gone, record_contacts, record_users, what_it_tells,
};
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
    what_was_only_announced_counts_until_somebody_looks,
    an_answer_from_before_an_announcement_does_not_overrule_it,
    announcements_of_the_future_are_asked_about,
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

async fn announce(log: &Log, told: ContactChanged) -> ContactCounts {
    let recorded = log.write::<_, mappings::Error, _>(move |unit| {
        Box::pin(async move {
            let story = Story { source: "webhook", received_at: Some(unit.now()), ..story(None) };
            record_contacts(unit, &story, &books(), &[told], None).await
        })
    });
    recorded.await.unwrap()
}

async fn last_owner(log: &Log) -> Option<String> {
    let told = events(log, "books_contact.changed").await.pop().unwrap();
    told.decode::<ContactChanged>().unwrap().owner_id
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

async fn what_was_only_announced_counts_until_somebody_looks(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let look = async |owner: &str, modified: &str| {
        office.clock.advance(TimeDelta::seconds(5));
        let facts = see(&log, contact(Some(owner), modified), log.now()).await.facts;
        (facts, last_owner(&log).await.unwrap())
    };
    let tell = async |owner: &str, modified: &str| {
        office.clock.advance(TimeDelta::seconds(5));
        announce(&log, contact(Some(owner), modified)).await.facts
    };
    assert_eq!(look("1", "2026-01-01T00:00:00Z").await, (1, "1".to_owned()));
    assert_eq!(tell("2", "2030-01-01T00:00:00Z").await, 1);
    assert_eq!(look("1", "2026-01-01T00:00:00Z").await, (1, "1".to_owned()), "it never was otherwise");
    assert_eq!(look("1", "2026-01-01T00:00:00Z").await, (0, "1".to_owned()));
    assert_eq!(tell("3", "2026-02-01T00:00:00Z").await, 1, "what is newer than what was seen is news again");
    assert_eq!(look("3", "2026-02-01T00:00:00Z").await, (0, "3".to_owned()));
    assert_eq!(tell("1", "2026-01-15T00:00:00Z").await, 0, "what was looked at is not overruled by what is older");
    assert_eq!(look("1", "2026-01-15T00:00:00Z").await, (0, "3".to_owned()));
    assert_eq!(tell("2", "2030-01-01T00:00:00Z").await, 1, "and the same lie leads nowhere either");
    assert_eq!(look("3", "2026-02-01T00:00:00Z").await, (1, "3".to_owned()));
    assert_eq!(look("4", "2031-01-01T00:00:00Z").await, (1, "4".to_owned()));
}

async fn an_answer_from_before_an_announcement_does_not_overrule_it(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    see(&log, contact(Some("1"), "2026-01-01T00:00:00Z"), log.now()).await;
    office.clock.advance(TimeDelta::seconds(5));
    let asked_at = log.now();
    office.clock.advance(TimeDelta::seconds(5));
    announce(&log, contact(Some("2"), "2026-01-02T00:00:00Z")).await;
    assert_eq!(see(&log, contact(Some("1"), "2026-01-01T00:00:00Z"), asked_at).await.facts, 0);
    assert_eq!(last_owner(&log).await.as_deref(), Some("2"));
}

async fn announcements_of_the_future_are_asked_about(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let received_at: DateTime<Utc> = "2026-01-10T12:00:00Z".parse().unwrap();
    let tells = async |modified: &str| {
        let told = contact(Some("2"), modified);
        what_it_tells(log.database().readers(), "org-a", &books(), &told, received_at).await.unwrap()
    };
    assert_eq!(tells("2026-01-10T12:05:00Z").await, News::State, "clocks may be five minutes off");
    assert_eq!(tells("2026-01-10T12:05:01Z").await, News::Ask);
    see(&log, contact(Some("1"), "2026-01-01T00:00:00Z"), log.now()).await;
    assert_eq!(tells("2026-01-10T12:05:00Z").await, News::State);
    assert_eq!(tells("2026-01-10T12:05:01Z").await, News::Ask);
    assert_eq!(tells("2025-12-31T00:00:00Z").await, News::Old);
    announce(&log, contact(Some("2"), "2030-01-01T00:00:00Z")).await;
    assert_eq!(tells("2026-01-10T12:00:00Z").await, News::Ask, "what is known cannot be true");
}
