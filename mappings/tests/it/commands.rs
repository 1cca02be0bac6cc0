//! What becomes of a mapping, and what its events say.

use catalogue::actor::Actor;
use catalogue::channel::Settings;
use chrono::TimeDelta;
use event_log::StreamVersion;
use mappings::Error;
use mappings::channel::{Change, State, configure, current, get, map, pause, rename, resume, unmap};
use serde_json::{Value, json};
use testkit::on_both_databases;
use testkit::store::Backend;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::office::{Office, ada, events, request, told};

on_both_databases! {
    #[tokio::test]
    a_mapping_is_what_was_asked_for,
    events_say_who_asked_for_what_and_belong_to_the_account,
    pausing_and_resuming_twice_is_pausing_and_resuming_once,
    nothing_can_be_done_with_what_has_ended_or_never_was,
    a_change_of_settings_keeps_the_others,
    changes_at_the_same_time_are_all_kept,
    a_new_name_is_noted_once,
    the_row_is_what_the_stream_says,
    bad_values_are_refused_by_their_name_and_leave_no_event,
}

async fn a_mapping_is_what_was_asked_for(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let mut wanted = request(1, "Müller & Co");
    wanted.settings.schedule = Some(Some("0 6 * * 1-5".to_owned()));
    wanted.settings.timezone = Some("Europe/Berlin".to_owned());
    let mapping = office.map(&log, &wanted).await;
    let mut shown = serde_json::to_value(&mapping).unwrap();
    assert_eq!(shown.as_object_mut().unwrap().remove("mapping_id"), Some(json!(mapping.mapping_id)));
    assert_eq!(
        shown,
        json!({
            "account": "org-a", "organization": "acme", "channel_id": "P1", "chat_id": "CT_1_64396901-B1",
            "channel_name": "#channel 1", "client_id": "Müller & Co", "room_id": "support", "state": "active",
            "settings": {"schedule": "0 6 * * 1-5", "timezone": "Europe/Berlin", "threads": true},
            "version": 1, "created_at": "2026-06-01T12:00:00Z", "updated_at": "2026-06-01T12:00:00Z",
            "last_error": null, "last_sync_at": null, "last_message_at": null,
        })
    );
    assert_eq!(get(log.database().readers(), None, mapping.mapping_id).await.unwrap(), mapping);
}

async fn events_say_who_asked_for_what_and_belong_to_the_account(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let actor = Actor {
        roles: vec!["manager".to_owned()],
        organization: Some("acme".to_owned()),
        address: Some("192.0.2.7".to_owned()),
        ..Actor::of_command("bob")
    };
    let mapping = map(&log, &actor, &office.config, &request(1, "acme")).await.unwrap().mapping;
    pause(&log, &actor, mapping.mapping_id, "holidays").await.unwrap();
    for event in events(&log, 1).await {
        assert_eq!((event.account.as_deref(), event.organization.as_deref()), (Some("org-a"), Some("acme")));
        assert_eq!((event.source.as_str(), event.correlation_id), ("operator", actor.request_id));
        let metadata: Value = serde_json::from_str(&event.metadata).unwrap();
        let shown = json!({"subject": "cli:bob", "roles": ["manager"], "organization": "acme", "address": "192.0.2.7",
            "request_id": actor.request_id});
        assert_eq!(metadata, json!({"actor": shown}));
    }
    let paused: Value = serde_json::from_str(&events(&log, 1).await[1].data).unwrap();
    assert_eq!(paused, json!({"mapping_id": mapping.mapping_id, "reason": "holidays"}));
}

async fn pausing_and_resuming_twice_is_pausing_and_resuming_once(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let id = office.map(&log, &request(1, "acme")).await.mapping_id;
    assert_eq!(resume(&log, &ada(), id).await.unwrap().version, StreamVersion(1), "it was not paused");
    office.clock.advance(TimeDelta::minutes(1));
    let paused = pause(&log, &ada(), id, "").await.unwrap();
    assert_eq!((paused.state, paused.updated_at - paused.created_at), (State::Paused, TimeDelta::minutes(1)));
    assert_eq!(pause(&log, &ada(), id, "").await.unwrap(), paused);
    assert_eq!(resume(&log, &ada(), id).await.unwrap().state, State::Active);
    assert_eq!(resume(&log, &ada(), id).await.unwrap().state, State::Active);
    assert_eq!(told(&log, 1).await, ["channel.mapped", "channel.paused", "channel.resumed"]);
}

async fn nothing_can_be_done_with_what_has_ended_or_never_was(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let id = office.map(&log, &request(1, "acme")).await.mapping_id;
    unmap(&log, &ada(), id, "").await.unwrap();
    // Not even while the channel has another mapping.
    office.map(&log, &request(1, "globex")).await;
    for refused in [
        pause(&log, &ada(), id, "").await,
        resume(&log, &ada(), id).await,
        configure(&log, &ada(), id, &Change::default()).await,
        rename(&log, &ada(), id, "#new").await,
    ] {
        assert!(matches!(refused, Err(Error::WrongState { state: State::Ended, .. })), "{refused:?}");
    }
    let nobody = Uuid::now_v7();
    for missing in [pause(&log, &ada(), nobody, "").await, unmap(&log, &ada(), nobody, "").await] {
        assert!(matches!(missing, Err(Error::NotFound { mapping_id }) if mapping_id == nobody), "{missing:?}");
    }
    assert_eq!(told(&log, 1).await, ["channel.mapped", "channel.unmapped", "channel.mapped"]);
}

async fn a_change_of_settings_keeps_the_others(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let mut wanted = request(1, "acme");
    wanted.settings.schedule = Some(Some("0 6 * * *".to_owned()));
    let id = office.map(&log, &wanted).await.mapping_id;
    let zone = Change { timezone: Some("Asia/Kolkata".to_owned()), ..Change::default() };
    let since = "2026-01-01T00:00:00Z".parse().unwrap();
    let others = Change { schedule: Some(None), since: Some(Some(since)), threads: Some(false), ..Change::default() };
    configure(&log, &ada(), id, &zone).await.unwrap();
    let changed = configure(&log, &ada(), id, &others).await.unwrap();
    let expected = Settings { schedule: None, timezone: "Asia/Kolkata".to_owned(), since: Some(since), threads: false };
    assert_eq!(changed.settings, expected);
    assert_eq!(configure(&log, &ada(), id, &others).await.unwrap(), changed, "nothing is different");
    assert_eq!(told(&log, 1).await, ["channel.mapped", "channel.configured", "channel.configured"]);
}

async fn changes_at_the_same_time_are_all_kept(on: Backend) {
    let office = Office::new(on).await;
    let (one, other) = (office.start().await, office.start().await);
    let id = office.map(&one, &request(1, "acme")).await.mapping_id;
    let changes = [
        Change { timezone: Some("Asia/Kolkata".to_owned()), ..Change::default() },
        Change { schedule: Some(Some("0 6 * * *".to_owned())), ..Change::default() },
        Change { threads: Some(false), ..Change::default() },
        Change { since: Some(Some("2026-01-01T00:00:00Z".parse().unwrap())), ..Change::default() },
    ];
    let mut callers = JoinSet::new();
    for (log, change) in [&one, &other, &one, &other].into_iter().zip(changes) {
        let log = log.clone();
        callers.spawn(async move { configure(&log, &ada(), id, &change).await.unwrap() });
    }
    callers.join_all().await;
    let mapping = get(one.database().readers(), None, id).await.unwrap();
    let Settings { schedule, timezone, since, threads } = mapping.settings;
    assert_eq!((schedule.as_deref(), timezone.as_str(), threads), (Some("0 6 * * *"), "Asia/Kolkata", false));
    assert!(since.is_some());
    assert_eq!(mapping.version, StreamVersion(5));
}

async fn a_new_name_is_noted_once(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let id = office.map(&log, &request(1, "acme")).await.mapping_id;
    for _ in 0..2 {
        assert_eq!(rename(&log, &ada(), id, "#neu 👩‍🚀").await.unwrap().channel_name, "#neu 👩‍🚀");
    }
    assert_eq!(told(&log, 1).await, ["channel.mapped", "channel.renamed"]);
    assert!(matches!(rename(&log, &ada(), id, " ").await, Err(Error::Invalid { field: "channel_name", .. })));
}

async fn the_row_is_what_the_stream_says(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let id = office.map(&log, &request(1, "acme")).await.mapping_id;
    for step in 0..40 {
        office.clock.advance(TimeDelta::milliseconds(1_500));
        match step % 4 {
            0 => drop(pause(&log, &ada(), id, "").await.unwrap()),
            1 => drop(rename(&log, &ada(), id, &format!("#{step}")).await.unwrap()),
            2 => drop(resume(&log, &ada(), id).await.unwrap()),
            _ => {
                let change = Change { threads: Some(step % 8 == 3), ..Change::default() };
                configure(&log, &ada(), id, &change).await.unwrap();
            }
        }
        let row = get(log.database().readers(), None, id).await.unwrap();
        assert_eq!(current(&log, "org-a", "P1").await.unwrap(), Some(row), "after step {step}");
    }
}

async fn bad_values_are_refused_by_their_name_and_leave_no_event(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let good = request(1, "acme");
    let with = |change: fn(&mut mappings::channel::MapRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    for (field, says, request) in [
        ("account", "did you mean `org-a`?", with(|request| request.account = "org_a".to_owned())),
        ("account", "its provider is generic", with(|request| request.account = "partner".to_owned())),
        ("channel_id", "letters and digits", with(|request| request.channel_id = "P-1".to_owned())),
        ("chat_id", "letters and digits", with(|request| request.chat_id.clear())),
        ("channel_name", "empty", with(|request| request.channel_name.clear())),
        ("client_id", "1 to 200", with(|request| request.client_id = "ü".repeat(201))),
        ("room_id", "printable", with(|request| request.room_id = "a\u{200b}b".to_owned())),
        ("room_id", "spaces around", with(|request| request.room_id = " a".to_owned())),
        ("schedule", "never comes", with(|request| request.settings.schedule = Some(Some("0 0 30 2 *".to_owned())))),
        ("schedule", "no cron pattern", with(|request| request.settings.schedule = Some(Some("hourly".to_owned())))),
        ("timezone", "`Europe/Berlin`", with(|request| request.settings.timezone = Some("Europe/Berln".to_owned()))),
    ] {
        match map(&log, &ada(), &office.config, &request).await {
            Err(Error::Invalid { field: refused, reason }) => {
                assert_eq!(refused, field);
                assert!(reason.contains(says), "{reason}");
            }
            other => panic!("{field}: {other:?}"),
        }
    }
    assert!(told(&log, 1).await.is_empty());
    let longest = with(|request| request.client_id = "ü".repeat(200));
    assert!(map(&log, &ada(), &office.config, &longest).await.is_ok());
}
