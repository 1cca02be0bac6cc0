//! Mappings, their syncs and the channels of an account through the API.

use api::Role;
use api::page::NameCursor;
use catalogue::actor::Actor;
use event_log::{Direction, Filter, GlobalPosition};
use gateway::sync::jobs;
use mappings::channel::{Change, MapRequest};
use reqwest::Method;
use serde_json::{Value, json};
use simulator::seed::CliqOptions;
use simulator::{Seed, Simulator};
use testkit::store::Backend;

use crate::server::{Answer, SECRET, Server, start, start_with};

testkit::on_both_databases! {
    #[actix_web::test]
    channel_is_mapped_once_and_who_holds_it_is_told_within_the_organization,
    mapping_is_configured_paused_resumed_and_removed_with_the_actor_in_the_log,
    bad_values_are_named_with_what_helps,
    mappings_of_others_are_not_there,
    of_many_requests_for_one_channel_one_wins,
    sync_is_asked_for_and_seen_and_what_failed_is_retried,
    channels_are_listed_with_the_rooms_that_have_them,
    rooms_of_the_organization_that_had_the_account_before_are_not_shown,
    a_cursor_of_channels_that_was_not_given_out_is_refused_as_any_other,
    channels_of_an_account_without_consent_are_a_matter_for_a_person,
}

const CHANNELS: &str = "/api/v1/accounts/org-a/channels";

fn mapping(room: &str) -> Value {
    json!({"account": "org-a", "channel_id": "O1", "chat_id": "CT_1", "channel_name": "#ops", "client_id": "c",
        "room_id": room})
}

async fn create(server: &Server, token: &str, body: Value) -> Answer {
    server.send(Method::POST, "/api/v1/mappings", Some(token), Some(body)).await
}

async fn change(server: &Server, token: &str, id: &str, what: &str, body: Value) -> Answer {
    server.send(Method::POST, &format!("/api/v1/mappings/{id}/{what}"), Some(token), Some(body)).await
}

fn id(answer: &Answer) -> String {
    answer.body["mapping_id"].as_str().unwrap().to_owned()
}

async fn channel_is_mapped_once_and_who_holds_it_is_told_within_the_organization(on: Backend) {
    let server = start(on).await;
    let manager = server.token(Role::Manager, Some("acme"));
    let first = create(&server, &manager, mapping("1")).await;
    assert_eq!((first.status, &first.body["state"]), (201, &json!("active")));
    let same = create(&server, &manager, mapping("1")).await;
    assert_eq!((same.status, &same.body["mapping_id"]), (200, &first.body["mapping_id"]));
    let other = create(&server, &manager, mapping("2")).await;
    assert_eq!((other.status, other.code()), (409, "channel_already_mapped"));
    assert_eq!(other.body["context"]["mapping"]["mapping_id"], first.body["mapping_id"]);
    let listed = server.get(&manager, "/api/v1/mappings?client_id=c&account=org-a").await;
    assert_eq!(listed.items("mapping_id"), [first.body["mapping_id"].clone()]);
    let operator = server.token(Role::Operator, Some("acme"));
    assert_eq!(create(&server, &operator, mapping("3")).await.status, 403);
    server.stop().await;
}

async fn mapping_is_configured_paused_resumed_and_removed_with_the_actor_in_the_log(on: Backend) {
    let server = start(on).await;
    let manager = server.token(Role::Manager, Some("acme"));
    let id = id(&create(&server, &manager, mapping("1")).await);
    let path = format!("/api/v1/mappings/{id}");
    let settings = json!({"schedule": "0 3 * * *", "timezone": "Europe/Berlin", "threads": false});
    let changed = server.send(Method::PATCH, &path, Some(&manager), Some(settings)).await;
    assert_eq!(changed.body["settings"]["timezone"], "Europe/Berlin");
    let back = server.send(Method::PATCH, &path, Some(&manager), Some(json!({"account_schedule": true}))).await;
    assert_eq!((&back.body["settings"]["schedule"], &back.body["settings"]["threads"]), (&Value::Null, &json!(false)));
    let reason = json!({"reason": "holidays"});
    assert_eq!(change(&server, &manager, &id, "pause", reason.clone()).await.body["state"], "paused");
    let synced = change(&server, &manager, &id, "sync", json!({})).await;
    assert_eq!((synced.status, synced.code()), (409, "mapping_not_synced"));
    assert_eq!(server.post(&manager, &format!("{path}/resume")).await.body["state"], "active");
    let removed = server.send(Method::DELETE, &path, Some(&manager), Some(reason.clone())).await;
    assert_eq!((removed.status, &removed.body["state"]), (200, &json!("ended")));
    let late = change(&server, &manager, &id, "pause", reason).await;
    assert_eq!((late.status, late.code()), (409, "mapping_ended"));
    assert_eq!(create(&server, &manager, mapping("2")).await.status, 201, "the channel can be mapped anew");
    let filter = Filter { stream: Some("channel-org-a-O1".to_owned()), ..Filter::default() };
    let events = server.log.list(&filter, GlobalPosition(0), Direction::Forward, 100).await.unwrap();
    let types: Vec<&str> = events.iter().map(|event| event.event_type.as_str()).collect();
    assert_eq!(
        types,
        [
            "channel.mapped",
            "channel.configured",
            "channel.configured",
            "channel.paused",
            "channel.resumed",
            "channel.unmapped",
            "channel.mapped",
        ]
    );
    for event in events {
        let metadata: Value = serde_json::from_str(&event.metadata).unwrap();
        assert_eq!(
            (&metadata["actor"]["subject"], &metadata["actor"]["organization"]),
            (&json!("ada"), &json!("acme"))
        );
        assert!(metadata["actor"]["request_id"].is_string());
    }
    server.stop().await;
}

async fn bad_values_are_named_with_what_helps(on: Backend) {
    let server = start(on).await;
    let manager = server.token(Role::Manager, Some("acme"));
    for (field, value, said) in [
        ("timezone", json!("Europe/Berln"), "Europe/Berlin"),
        ("schedule", json!("0 0 30 2 *"), "never"),
        ("schedule", json!("every day"), ""),
    ] {
        let mut body = mapping("1");
        body["settings"] = json!({ field: value });
        let refused = create(&server, &manager, body).await;
        assert_eq!((refused.status, refused.code()), (422, "mapping_invalid"), "{}", refused.body);
        assert_eq!(refused.body["errors"][0]["field"], field);
        assert!(refused.body.to_string().contains(said), "{}", refused.body);
    }
    let mut unknown = mapping("1");
    unknown["account"] = json!("org-z");
    assert_eq!(create(&server, &manager, unknown).await.body["errors"][0]["field"], "account");
    let mut odd = mapping("1");
    odd["colour"] = json!("red");
    assert_eq!(create(&server, &manager, odd).await.code(), "invalid_request");
    server.stop().await;
}

async fn mappings_of_others_are_not_there(on: Backend) {
    let server = start(on).await;
    let manager = server.token(Role::Manager, Some("acme"));
    let id = id(&create(&server, &manager, mapping("1")).await);
    let stranger = server.token(Role::Admin, Some("umbrella"));
    assert_eq!(server.get(&stranger, &format!("/api/v1/mappings/{id}")).await.status, 404);
    assert_eq!(change(&server, &stranger, &id, "pause", json!({"reason": "r"})).await.status, 404);
    assert_eq!(change(&server, &stranger, &id, "sync", json!({})).await.status, 404);
    assert!(server.get(&stranger, "/api/v1/mappings").await.items("mapping_id").is_empty());
    // Neither the account nor the holder shows.
    let refused = create(&server, &stranger, mapping("2")).await;
    assert_eq!((refused.status, refused.body["errors"][0]["field"].as_str()), (422, Some("account")));
    assert!(!refused.body.to_string().contains(&id));
    let everybody = server.token(Role::SuperAdmin, None);
    assert_eq!(server.get(&everybody, &format!("/api/v1/mappings/{id}")).await.status, 200);
    server.stop().await;
}

async fn of_many_requests_for_one_channel_one_wins(on: Backend) {
    let server = start(on).await;
    let manager = server.token(Role::Manager, Some("acme"));
    let rooms: Vec<String> = (0..200).map(|room| room.to_string()).collect();
    let requests = rooms.iter().map(|room| create(&server, &manager, mapping(room)));
    let answers = futures::future::join_all(requests).await;
    let won: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(won.len(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(answer.code(), "channel_already_mapped");
        assert_eq!(answer.body["context"]["mapping"]["mapping_id"], won[0].body["mapping_id"]);
    }
    server.stop().await;
}

async fn sync_is_asked_for_and_seen_and_what_failed_is_retried(on: Backend) {
    let server = start(on).await;
    let manager = server.token(Role::Manager, Some("acme"));
    let mapping_id = id(&create(&server, &manager, mapping("1")).await);
    let operator = server.token(Role::Operator, Some("acme"));
    let asked = change(&server, &operator, &mapping_id, "sync", json!({"full": true})).await;
    assert_eq!((asked.status, &asked.body["state"], &asked.body["full"]), (202, &json!("pending"), &json!(true)));
    let again = change(&server, &operator, &mapping_id, "sync", json!({})).await;
    assert_eq!(again.body["job_id"], asked.body["job_id"], "one open job at a time");
    let job_id = asked.body["job_id"].as_str().unwrap().to_owned();
    let retried = server.post(&operator, &format!("/api/v1/jobs/{job_id}/retry")).await;
    assert_eq!((retried.status, retried.code()), (409, "job_not_failed"));
    let failing: uuid::Uuid = job_id.parse().unwrap();
    let failed = server.log.write::<_, event_log::Error, _>(move |unit| {
        Box::pin(async move { jobs::give_up(unit, failing, "denied", "the provider says no").await })
    });
    failed.await.unwrap();
    let job = server.get(&operator, &format!("/api/v1/jobs/{job_id}")).await;
    assert_eq!((&job.body["state"], &job.body["error_code"]), (&json!("failed"), &json!("denied")));
    let retried = server.post(&operator, &format!("/api/v1/jobs/{job_id}/retry")).await;
    assert_eq!((retried.status, &retried.body["retry_of"]), (202, &json!(job_id)));
    let listed = server.get(&operator, &format!("/api/v1/jobs?mapping_id={mapping_id}&limit=1")).await;
    assert_eq!(listed.items("job_id"), [retried.body["job_id"].clone()]);
    let cursor = listed.body["next_cursor"].as_str().unwrap();
    let rest = server.get(&operator, &format!("/api/v1/jobs?mapping_id={mapping_id}&limit=1&cursor={cursor}")).await;
    assert_eq!(rest.items("job_id"), [json!(job_id)]);
    assert_eq!(server.get(&operator, "/api/v1/jobs?state=failed").await.items("job_id"), [json!(job_id)]);
    let stranger = server.token(Role::Admin, Some("umbrella"));
    assert_eq!(server.get(&stranger, &format!("/api/v1/jobs/{job_id}")).await.status, 404);
    assert!(server.get(&stranger, "/api/v1/jobs").await.items("job_id").is_empty());
    server.stop().await;
}

/// An account with channels at a simulated provider, and one that has none.
async fn with_channels(on: Backend) -> (Simulator, Server) {
    let simulator = simulator::start(&Seed::cliq(&CliqOptions::default()), simulator::Options::default()).unwrap();
    let base = simulator.base_url();
    let settings = format!(
        "[auth]\nsecret = '{SECRET}'\n[accounts.org-a]\nprovider = \"zoho\"\norganization = \"acme\"\n\
         client_id = \"1000.SIMULATORORGA\"\nclient_secret = \"simulated-secret-a\"\n\
         refresh_token = \"1000.simulated.refresh.a\"\n[accounts.org-a.endpoints]\naccounts = \"{base}/accounts\"\n\
         cliq = \"{base}/cliq\"\n[accounts.partner]\nprovider = \"generic\"\norganization = \"acme\"\n\
         webhook = {{ verify = \"hmac\", secret = \"s\", header = \"X-Signature\" }}\n"
    );
    (simulator, start_with(on, &settings).await)
}

async fn channels_are_listed_with_the_rooms_that_have_them(on: Backend) {
    let (_simulator, server) = with_channels(on).await;
    let manager = server.token(Role::Manager, Some("acme"));
    let seen = server.get(&manager, CHANNELS).await;
    assert_eq!(seen.items("channel_id").len(), 6);
    let chosen = seen.body["items"][2].clone();
    let mut body = mapping("1");
    for field in ["channel_id", "chat_id"] {
        body[field] = chosen[field].clone();
    }
    let mapped = create(&server, &manager, body).await;
    let seen = server.get(&manager, CHANNELS).await;
    let held: Vec<&Value> =
        seen.body["items"].as_array().unwrap().iter().filter(|one| !one["mapping_id"].is_null()).collect();
    assert_eq!((held.len(), &held[0]["mapping_id"]), (1, &mapped.body["mapping_id"]));
    assert_eq!((&held[0]["channel_id"], &held[0]["room_id"]), (&chosen["channel_id"], &json!("1")));
    let none = server.get(&manager, "/api/v1/accounts/partner/channels").await;
    assert_eq!((none.status, none.code()), (409, "account_without_channels"));
    let stranger = server.token(Role::Admin, Some("umbrella"));
    assert_eq!(server.get(&stranger, CHANNELS).await.status, 404);
    server.stop().await;
}

async fn rooms_of_the_organization_that_had_the_account_before_are_not_shown(on: Backend) {
    let (_simulator, server) = with_channels(on).await;
    let manager = server.token(Role::Manager, Some("acme"));
    let chosen = server.get(&manager, CHANNELS).await.body["items"][0].clone();
    let mut before = (*server.config).clone();
    before.accounts.get_mut("org-a").unwrap().organization = "umbrella".to_owned();
    let request = MapRequest {
        account: "org-a".to_owned(),
        channel_id: chosen["channel_id"].as_str().unwrap().to_owned(),
        chat_id: chosen["chat_id"].as_str().unwrap().to_owned(),
        channel_name: "#ops".to_owned(),
        client_id: "theirs".to_owned(),
        room_id: "1".to_owned(),
        settings: Change::default(),
    };
    mappings::channel::map(&server.log, &Actor::of_command("test"), &before, &request).await.unwrap();
    for caller in [manager, server.token(Role::SuperAdmin, None)] {
        let seen = server.get(&caller, CHANNELS).await;
        assert!(seen.items("client_id").iter().all(Value::is_null), "{}", seen.body);
    }
    server.stop().await;
}

async fn a_cursor_of_channels_that_was_not_given_out_is_refused_as_any_other(on: Backend) {
    let (simulator, server) = with_channels(on).await;
    let manager = server.token(Role::Manager, Some("acme"));
    let lists = || simulator.control().journal(0).iter().filter(|entry| entry.route == "cliq.channels").count();
    for (token, asked) in [("abc", 1), ("\u{fffd}", 1), ("a\nb", 1)] {
        let cursor = NameCursor::written(token);
        let answer = server.get(&manager, &format!("{CHANNELS}?cursor={cursor}")).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_request"), "{token:?}: {}", answer.body);
        let error = &answer.body["errors"][0];
        assert_eq!((&error["in"], &error["field"]), (&json!("query"), &json!("cursor")), "{token:?}");
        assert_eq!(lists(), asked, "what cannot be a token costs no call");
    }
    server.stop().await;
}

async fn channels_of_an_account_without_consent_are_a_matter_for_a_person(on: Backend) {
    let (_simulator, server) = with_channels(on).await;
    let admin = server.token(Role::Admin, Some("acme"));
    assert_eq!(server.post(&admin, "/api/v1/accounts/org-a/disconnect").await.status, 200);
    let answer = server.get(&server.token(Role::Manager, Some("acme")), CHANNELS).await;
    assert_eq!((answer.status, answer.code()), (409, "needs_consent"), "{}", answer.body);
    assert!(answer.body["detail"].as_str().unwrap().contains("connect the account"), "{}", answer.body);
    server.stop().await;
}
