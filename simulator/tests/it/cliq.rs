//! Cliq: lists, windows of messages, threads, search, and the two error dialects.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use simulator::control::{CliqChannelChange, CliqChannelState, CliqState};
use simulator::seed::{CliqChannelSeed, CliqLevel, CliqMessageSeed, CliqStatus, CliqThreadSeed};
use simulator::{CliqOptions, Fault, FaultRule, Seed};

use crate::fixture::{Fixture, json_of};

const ORG: &str = "org-a";

pub(crate) fn cliq(fixture: &Fixture) -> CliqState {
    fixture.state(ORG).cliq
}

/// A call of Cliq's v2, given with its query.
pub(crate) async fn get(fixture: &Fixture, path: &str) -> (StatusCode, Value) {
    let answer = fixture.a(Method::GET, &format!("/cliq/api/{path}")).send().await.unwrap();
    let status = answer.status();
    (status, answer.json().await.unwrap_or_default())
}

/// Four channels of 40 messages and nothing that limits.
pub(crate) async fn unlimited() -> Fixture {
    let options = CliqOptions { channels: 4, messages_per_channel: 40, ..CliqOptions::default() };
    let fixture = Fixture::start(Seed::cliq(&options)).await;
    let off = json!({"cliq": {"messages_per_minute": 0, "single_message_per_minute": 0, "channels_per_minute": 0,
        "threads_per_minute": 0, "users_per_minute": 0, "search_per_minute": 0}});
    fixture.control.set_knobs(off).unwrap();
    fixture
}

/// A channel with one message at each of these times, given in milliseconds; returns it as it is then.
pub(crate) fn channel_with(fixture: &Fixture, times_ms: &[i64]) -> CliqChannelState {
    let at = |ms: &i64| chrono::DateTime::from_timestamp_millis(*ms).unwrap().to_rfc3339();
    let messages = times_ms.iter().map(|ms| CliqMessageSeed::text(format!("at {ms}")).at(at(ms))).collect();
    let channel = CliqChannelSeed { name: "#times".to_owned(), messages, ..CliqChannelSeed::default() };
    fixture.control.add_cliq_channel(ORG, &channel).unwrap();
    cliq(fixture).channel("#times").unwrap().clone()
}

pub(crate) fn ids(messages: &Value) -> Vec<String> {
    messages["data"].as_array().unwrap().iter().map(|each| each["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn channels_have_the_documented_shape() {
    let fixture = unlimited().await;
    let (status, body) = get(&fixture, "v2/channels").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["has_more"], false);
    assert!(body.get("next_token").is_none() && body["sync_token"].is_string());
    let state = cliq(&fixture);
    let (shown, channel) = (&body["channels"][0], &state.channels[0]);
    let last = channel.messages.last().unwrap();
    assert_eq!(shown["name"], "#client-1");
    assert_eq!(shown["unique_name"], "client1");
    assert_eq!(
        (shown["channel_id"].as_str(), shown["chat_id"].as_str()),
        (Some(&*channel.channel_id), Some(&*channel.chat_id))
    );
    assert!(channel.channel_id.starts_with('O') && channel.chat_id.starts_with("CT_"));
    assert_eq!((shown["level"].as_str(), shown["status"].as_str()), (Some("organization"), Some("created")));
    assert_eq!(
        (&shown["participant_count"], &shown["joined"], &shown["pinned"]),
        (&json!(4), &json!(true), &json!(false))
    );
    assert_eq!(shown["creation_time"], "2026-01-14T08:00:00Z");
    assert_eq!(shown["total_message_count"], "40");
    let expected = json!({"message_id": last.id.replace('_', "%20"), "sender_id": last.sender_id, "time": last.time_ms.to_string()});
    assert_eq!(shown["last_message_info"], expected);
}

#[tokio::test]
async fn channel_pages_follow_next_token_and_sync_token_gives_what_changed() {
    let fixture = unlimited().await;
    let mut names = Vec::new();
    let mut path = "v2/channels?limit=3".to_owned();
    let sync = loop {
        let (_, body) = get(&fixture, &path).await;
        names.extend(body["channels"].as_array().unwrap().iter().map(|each| each["name"].as_str().unwrap().to_owned()));
        match body["next_token"].as_str() {
            Some(token) => path = format!("v2/channels?limit=3&next_token={token}"),
            None => break body["sync_token"].as_str().unwrap().to_owned(),
        }
    };
    assert_eq!(names, ["#client-1", "#client-2", "#client-3", "#client-4"]);
    let delta = async |token: &str| {
        let (_, body) = get(&fixture, &format!("v2/channels?sync_token={token}")).await;
        let names = body["channels"].as_array().unwrap().iter().map(|each| each["name"].as_str().unwrap().to_owned());
        (names.collect::<Vec<_>>(), body["sync_token"].as_str().unwrap().to_owned())
    };
    let state = cliq(&fixture);
    let rename = CliqChannelChange { name: Some("#renamed".to_owned()), ..CliqChannelChange::default() };
    fixture.control.change_cliq_channel(ORG, &state.channels[1].channel_id, &rename).unwrap();
    fixture.control.post_cliq_messages(ORG, &state.channels[3].chat_id, &[CliqMessageSeed::text("new")]).unwrap();
    let (changed, next) = delta(&sync).await;
    assert_eq!(changed, ["#renamed", "#client-4"]);
    assert!(delta(&next).await.0.is_empty());
    fixture.control.set_knobs(json!({"cliq": {"messages_in_sync": false}})).unwrap();
    assert_eq!(delta(&sync).await.0, ["#renamed"], "whether messages count is not documented");
    let (status, body) = get(&fixture, &format!("v2/channels?sync_token={sync}&next_token={next}")).await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid_parameters")));
    assert_eq!(fixture.misdeed("next_token_with_sync_token"), 1);
}

#[tokio::test]
async fn channels_are_filtered_and_ordered() {
    let fixture = unlimited().await;
    let state = cliq(&fixture);
    let id = |index: usize| state.channels[index].channel_id.clone();
    let change =
        |index, change: CliqChannelChange| fixture.control.change_cliq_channel(ORG, &id(index), &change).unwrap();
    change(0, CliqChannelChange { status: Some(CliqStatus::Archived), ..CliqChannelChange::default() });
    change(1, CliqChannelChange { level: Some(CliqLevel::Private), ..CliqChannelChange::default() });
    change(2, CliqChannelChange { leave: vec!["64396901".to_owned()], ..CliqChannelChange::default() });
    for (query, expected) in [
        ("status=archived", vec!["#client-1"]),
        ("level=private", vec!["#client-2"]),
        ("joined=false", vec!["#client-3"]),
        ("name=CLIENT-4", vec!["#client-4"]),
        (&format!("channel_ids={},{}", id(0), id(3)), vec!["#client-1", "#client-4"]),
        ("order_by=-creation_time&status=created", vec!["#client-4", "#client-3", "#client-2"]),
    ] {
        let (_, body) = get(&fixture, &format!("v2/channels?{query}")).await;
        let names: Vec<&str> =
            body["channels"].as_array().unwrap().iter().map(|each| each["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{query}");
    }
    for query in ["level=secret", "joined=perhaps", "order_by=name", "limit=101", "limit=0", "next_token=zz"] {
        let (status, body) = get(&fixture, &format!("v2/channels?{query}")).await;
        assert_eq!((status, body["code"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid_parameters")), "{query}");
    }
    assert_eq!(fixture.misdeed("page_limit_too_large"), 1);
    get(&fixture, "v2/channels?per_page=5").await;
    assert_eq!(fixture.misdeed("unknown_parameter"), 1);
}

#[tokio::test]
async fn messages_come_newest_first_and_a_full_page_hides_the_older_part() {
    let fixture = unlimited().await;
    let channel = cliq(&fixture).channels[0].clone();
    let expected: Vec<String> = channel.messages.iter().rev().map(|message| message.id.clone()).collect();
    let (_, page) = get(&fixture, &format!("v2/chats/{}/messages?limit=15", channel.chat_id)).await;
    assert_eq!(ids(&page), expected[..15]);
    let mut seen: Vec<String> = Vec::new();
    let mut to = channel.messages.last().unwrap().time_ms;
    loop {
        let (_, page) = get(&fixture, &format!("v2/chats/{}/messages?totime={to}&limit=15", channel.chat_id)).await;
        let page = ids(&page);
        let new: Vec<String> = page.iter().filter(|id| !seen.contains(id)).cloned().collect();
        to = page.last().unwrap().split('_').next().unwrap().parse().unwrap();
        seen.extend(new);
        if page.len() < 15 {
            break;
        }
    }
    assert_eq!(seen, expected, "walking backwards with the oldest time seen finds every message");
}

#[tokio::test]
async fn text_and_file_messages_have_the_documented_shapes() {
    let fixture = unlimited().await;
    let channel = cliq(&fixture).channels[0].clone();
    let (_, body) = get(&fixture, &format!("v2/chats/{}/messages?limit=100", channel.chat_id)).await;
    let all = body["data"].as_array().unwrap();
    let by_id = |id: &str| all.iter().find(|each| each["id"] == id).unwrap();
    let text = &channel.messages[1];
    assert_eq!(by_id(&text.id)["type"], "text");
    assert_eq!(by_id(&text.id)["content"], json!({"text": text.text}));
    assert_eq!(by_id(&text.id)["sender"], json!({"name": text.sender_name, "id": text.sender_id}));
    let file = by_id(&channel.messages[5].id);
    assert_eq!((file["type"].as_str(), file["content"]["comment"].as_str()), (Some("file"), Some("5. see")));
    assert_eq!(file["content"]["file"]["name"], "photo 5.png");
    assert_eq!(file["content"]["file"]["type"], "image/png");
    assert!(file["content"]["file"]["dimensions"]["size"].is_u64());
    assert!(by_id(&channel.messages[8].id)["content"].get("comment").is_none());
    let mention = by_id(&channel.messages[4].id);
    assert_eq!(mention["mentions"][0]["id"], channel.messages[4].mentions[0].as_str());
    assert!(channel.messages[2].text.contains("\n\n"), "some have several lines");
    assert!(all.iter().any(|each| each["time"].is_string()) && all.iter().any(|each| each["time"].is_i64()));
}

#[tokio::test]
async fn generated_messages_share_seconds_and_milliseconds_and_repeat_for_a_seed() {
    let fixture = unlimited().await;
    let state = cliq(&fixture);
    let again = cliq(&unlimited().await);
    assert_eq!(state.channels[0].messages, again.channels[0].messages);
    let times: Vec<i64> = state.channels[0].messages.iter().map(|message| message.time_ms).collect();
    assert!(times.windows(2).any(|pair| pair[0] == pair[1]), "the very same millisecond");
    assert!(times.windows(2).any(|pair| pair[0] != pair[1] && pair[1] - pair[0] < 1000), "the same second");
    let ids: BTreeSet<&String> =
        state.channels.iter().flat_map(|each| &each.messages).map(|message| &message.id).collect();
    assert_eq!(ids.len(), 160);
    let written: usize = state.chats().map(|(_, messages)| messages.len()).sum();
    assert_eq!(written, 160 + 4 * 3, "with the threads");
}

#[tokio::test]
async fn senseless_windows_are_refused() {
    let fixture = unlimited().await;
    let chat = cliq(&fixture).channels[0].chat_id.clone();
    for query in ["fromtime=yesterday", "fromtime=2&totime=1", "fromtime=-1"] {
        let (status, body) = get(&fixture, &format!("v2/chats/{chat}/messages?{query}")).await;
        assert_eq!(
            (status, body["code"].as_str()),
            (StatusCode::BAD_REQUEST, Some("invalid.time.submitted")),
            "{query}"
        );
    }
    let (status, body) = get(&fixture, &format!("v2/chats/{chat}/messages?limit=101")).await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid_parameters")));
    get(&fixture, &format!("v2/chats/{chat}/messages?fromtime=1768471500")).await;
    assert_eq!(fixture.misdeed("time_in_seconds"), 1);
}

#[tokio::test]
async fn chat_of_strangers_and_channel_id_in_its_place_are_not_found() {
    let fixture = unlimited().await;
    let channel = cliq(&fixture).channels[0].clone();
    let leave = CliqChannelChange { leave: vec!["64396901".to_owned()], ..CliqChannelChange::default() };
    fixture.control.change_cliq_channel(ORG, &channel.channel_id, &leave).unwrap();
    for chat in [&channel.chat_id, &channel.channel_id] {
        let (status, body) = get(&fixture, &format!("v2/chats/{chat}/messages")).await;
        assert_eq!((status, body["code"].as_str()), (StatusCode::NOT_FOUND, Some("chat_not_found")));
    }
    let join = CliqChannelChange { join: vec!["64396901".to_owned()], ..CliqChannelChange::default() };
    fixture.control.change_cliq_channel(ORG, &channel.channel_id, &join).unwrap();
    assert_eq!(get(&fixture, &format!("v2/chats/{}/messages", channel.chat_id)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn one_message_is_found_by_every_spelling_but_not_when_encoded_twice() {
    let fixture = unlimited().await;
    let channel = cliq(&fixture).channels[0].clone();
    let id = &channel.messages[0].id;
    for spelling in [id.clone(), id.replace('_', "%20")] {
        let (status, body) = get(&fixture, &format!("v2/chats/{}/messages/{spelling}", channel.chat_id)).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(body["id"].as_str().unwrap(), id.replace('_', " "), "a single message spells its id with a space");
    }
    let (status, body) =
        get(&fixture, &format!("v2/chats/{}/messages/{}", channel.chat_id, id.replace('_', "%2520"))).await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::NOT_FOUND, Some("message_not_found")));
    assert_eq!(fixture.misdeed("message_id_encoded_twice"), 1);
}

#[tokio::test]
async fn edited_message_changes_and_deleted_message_leaves() {
    let fixture = unlimited().await;
    let channel = channel_with(&fixture, &[1_768_471_500_000, 1_768_471_501_000]);
    let path = format!("v2/chats/{}/messages", channel.chat_id);
    fixture.control.edit_cliq_message(ORG, &channel.chat_id, &channel.messages[0].id, "better").unwrap();
    let deleted = channel.messages[1].id.replace('_', "%20");
    fixture.control.delete_cliq_message(ORG, &channel.chat_id, &deleted).unwrap();
    let (_, body) = get(&fixture, &path).await;
    assert_eq!(ids(&body), [channel.messages[0].id.clone()]);
    assert_eq!(body["data"][0]["content"]["text"], "better");
    let state = cliq(&fixture).channel("#times").unwrap().clone();
    assert_eq!((state.messages[0].revision, state.messages[1].deleted), (1, true), "the state keeps what is gone");
    let (_, list) = get(&fixture, "v2/channels?name=times").await;
    assert_eq!(list["channels"][0]["total_message_count"], "1");
    fixture.control.set_knobs(json!({"cliq": {"deleted_messages_shown": true}})).unwrap();
    let (_, body) = get(&fixture, &path).await;
    assert_eq!((body["data"][0]["type"].as_str(), body["data"][0].get("content")), (Some("deleted"), None));
    assert!(fixture.control.delete_cliq_message(ORG, &channel.chat_id, &deleted).is_err());
}

#[tokio::test]
async fn thread_is_a_chat_of_its_own() {
    let fixture = unlimited().await;
    let channel = channel_with(&fixture, &[1_768_471_500_000]);
    let (_, before) = get(&fixture, "v2/threads").await;
    assert_eq!(before["data"].as_array().unwrap().len(), 4, "the generated ones");
    let thread = CliqThreadSeed {
        title: "Details".to_owned(),
        messages: vec![CliqMessageSeed::text("one"), CliqMessageSeed::text("two")],
        ..CliqThreadSeed::default()
    };
    let chat = fixture.control.start_cliq_thread(ORG, &channel.chat_id, &channel.messages[0].id, &thread).unwrap();
    assert!(chat.starts_with(&format!("{}-T-", channel.chat_id)));
    assert_eq!(ids(&get(&fixture, &format!("v2/chats/{}/messages", channel.chat_id)).await.1).len(), 1);
    assert_eq!(ids(&get(&fixture, &format!("v2/chats/{chat}/messages")).await.1).len(), 2);
    let sync = before["sync_token"].as_str().unwrap();
    let (_, delta) = get(&fixture, &format!("v2/threads?sync_token={sync}")).await;
    let shown = &delta["data"][0];
    assert_eq!(delta["data"].as_array().unwrap().len(), 1);
    assert_eq!((shown["chat_id"].as_str(), shown["title"].as_str()), (Some(&*chat), Some("Details")));
    assert_eq!(shown["parent_chat_id"], channel.chat_id.as_str());
    assert_eq!(shown["thread_message_id"], channel.messages[0].id.replace('_', "%20"));
    assert_eq!((&shown["message_count"], &shown["thread_state_info"]["thread_state"]), (&json!(2), &json!("open")));
    let (_, of_channel) = get(&fixture, &format!("v2/threads?channel_id={}", channel.channel_id)).await;
    assert_eq!(of_channel["data"].as_array().unwrap().len(), 1);
    fixture.control.close_cliq_thread(ORG, &chat, true).unwrap();
    let (_, closed) = get(&fixture, "v2/threads?type=closed").await;
    assert_eq!(closed["data"][0]["chat_id"], chat.as_str());
}

#[tokio::test]
async fn users_are_listed_in_pages_and_searched() {
    let fixture = unlimited().await;
    let (_, first) = get(&fixture, "v2/users?limit=3").await;
    assert_eq!((first["data"].as_array().unwrap().len(), first["has_more"].as_bool()), (3, Some(true)));
    let (_, second) =
        get(&fixture, &format!("v2/users?limit=3&next_token={}", first["next_token"].as_str().unwrap())).await;
    assert_eq!((second["data"].as_array().unwrap().len(), second.get("next_token")), (2, None));
    let (_, found) = get(&fixture, "v2/users?search=doe").await;
    let user = &found["data"][0];
    assert_eq!((user["id"].as_str(), user["zuid"].as_str()), (Some("64396903"), Some("64396903")));
    assert_eq!((user["display_name"].as_str(), user["name"].as_str()), (Some("John"), Some("John Doe")));
    assert_eq!(user["zoid"], cliq(&fixture).organization_id.as_str());
    let (_, inactive) = get(&fixture, "v2/users?status=inactive").await;
    assert_eq!(inactive["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn search_spans_chats_and_leaves_bots_out() {
    let fixture = unlimited().await;
    let state = cliq(&fixture);
    let chats = format!("{},{}", state.channels[0].chat_id, state.channels[0].threads[0].chat_id);
    let all = async |query: &str| {
        let (mut messages, mut path) = (Vec::new(), format!("v3/messages/search?{query}"));
        loop {
            let (status, body) = get(&fixture, &path).await;
            assert_eq!(status, StatusCode::OK, "{body}");
            messages.extend(body["messages"].as_array().unwrap().clone());
            let Some(token) = body["next_token"].as_u64() else { break messages };
            path = format!("v3/messages/search?{query}&next_token={token}");
        }
    };
    let people = all(&format!("chat_ids={chats}&limit=7")).await;
    let by_people = state.channels[0].messages.iter().filter(|message| !message.by_bot).count();
    assert_eq!(people.len(), by_people + 3, "with the three of the thread");
    let everything = all(&format!("chat_ids={chats}&include_bot_messages=true")).await;
    assert_eq!(everything.len(), 43);
    let thread = all("chat_type=threads").await;
    assert_eq!(thread[0]["parent_chat_id"], state.channels[3].chat_id.as_str());
    assert!(thread[0]["thread_message_id"].as_str().unwrap().contains("%20"));
    let files = all("message_type=file&limit=50").await;
    assert!(files.iter().all(|each| each["content"]["file_name"].is_string()));
    let first = &state.channels[0].messages[0];
    let at =
        chrono::DateTime::from_timestamp_millis(first.time_ms).unwrap().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    assert_eq!(people.last().unwrap()["time"], at.as_str());
}

#[tokio::test]
async fn search_speaks_the_other_dialect_and_lags() {
    let fixture = unlimited().await;
    for query in ["limit=51", "chat_ids=1,2,3,4,5,6", "message_type=call", "from_time=soon"] {
        let (status, body) = get(&fixture, &format!("v3/messages/search?{query}")).await;
        assert_eq!(
            (status, body["error"]["code"].as_str()),
            (StatusCode::BAD_REQUEST, Some("invalid_parameters")),
            "{query}"
        );
    }
    let (_, body) = get(&fixture, "v3/messages/search?from_time=1768471500000&to_time=1768471500000").await;
    assert_eq!(body["error"]["code"], "invalid.time.submitted");
    fixture.control.set_knobs(json!({"cliq": {"v3_bare_message": true}})).unwrap();
    let (_, body) = get(&fixture, "v3/messages/search?limit=51").await;
    assert!(body["message"].is_string() && body.get("error").is_none());
    fixture.control.set_knobs(json!({"cliq": {"search_lag_ms": 60_000}})).unwrap();
    let chat = cliq(&fixture).channels[0].chat_id.clone();
    fixture.control.post_cliq_messages(ORG, &chat, &[CliqMessageSeed::text("needle")]).unwrap();
    let found = async || get(&fixture, "v3/messages/search?query=needle").await.1["messages"].as_array().unwrap().len();
    assert_eq!(found().await, 0);
    fixture.control.advance(std::time::Duration::from_secs(61));
    assert_eq!(found().await, 1);
}

#[tokio::test]
async fn token_and_scope_are_refused_in_the_dialect_of_the_version() {
    let fixture = unlimited().await;
    let call = async |scheme: &str, path: &str| {
        let request =
            fixture.client.get(fixture.url(path)).header("authorization", format!("{scheme} {}", fixture.token_a));
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!(call("Bearer", "/cliq/api/v2/channels").await.0, StatusCode::OK);
    assert_eq!(call("Zoho-oauthtoken", "/cliq/company/640/api/v2/channels").await.0, StatusCode::OK);
    let (status, body) = call("Token", "/cliq/api/v2/channels").await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::UNAUTHORIZED, Some("oauthtoken_invalid")));
    assert_eq!(fixture.misdeed("wrong_authorization_scheme"), 1);
    fixture.control.add_fault(FaultRule::once("cliq.search", Fault::ExpiredToken {})).unwrap();
    let (status, body) = get(&fixture, "v3/messages/search").await;
    assert_eq!((status, body["error"]["code"].as_str()), (StatusCode::UNAUTHORIZED, Some("oauthtoken_invalid")));
    let (status, body) = get(&fixture, "v2/rooms").await;
    assert_eq!((status, body["code"].is_string()), (StatusCode::NOT_FOUND, true));

    let mut seed = Seed::cliq(&CliqOptions::default());
    seed.organizations[0].clients[0].scopes = vec!["ZohoCliq.Channels.READ".to_owned()];
    let narrow = Fixture::start(seed).await;
    assert_eq!(get(&narrow, "v2/channels").await.0, StatusCode::OK);
    let chat = cliq(&narrow).channels[0].chat_id.clone();
    for path in [format!("v2/chats/{chat}/messages"), "v2/users".to_owned(), "v2/threads".to_owned()] {
        let (status, body) = get(&narrow, &path).await;
        assert_eq!(
            (status, body["code"].as_str()),
            (StatusCode::UNAUTHORIZED, Some("oauthtoken_scope_invalid")),
            "{path}"
        );
    }
    narrow.control.set_knobs(json!({"cliq": {"message_scope": "ZohoCliq.Channels.READ"}})).unwrap();
    assert_eq!(get(&narrow, &format!("v2/chats/{chat}/messages")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn faults_meet_cliq_like_every_other_product() {
    let fixture = unlimited().await;
    fixture.control.add_fault(FaultRule::once("cliq.channels", Fault::Status { code: 500, html_body: false })).unwrap();
    assert_eq!(get(&fixture, "v2/channels").await.1["code"], "operation_failed");
    fixture.control.add_fault(FaultRule::once("cliq.*", Fault::CutAfter {})).unwrap();
    assert!(fixture.a(Method::GET, "/cliq/api/v2/users").send().await.is_err());
    fixture.control.add_fault(FaultRule::once("cliq.*", Fault::TruncatedJson {})).unwrap();
    let text = fixture.a(Method::GET, "/cliq/api/v2/users").send().await.unwrap().text().await.unwrap();
    assert!(serde_json::from_str::<Value>(&text).is_err());
    let throttle = Fault::Throttle { retry_after_seconds: Some(30) };
    fixture.control.add_fault(FaultRule::once("cliq.users", throttle)).unwrap();
    let answer = fixture.a(Method::GET, "/cliq/api/v2/users").send().await.unwrap();
    assert!(answer.headers().get("retry-after").is_none(), "Cliq never says how long");
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], "request_limit_exceeded");
    assert_eq!(get(&fixture, "v2/users").await.0, StatusCode::BAD_REQUEST, "the time given is a lock");
    fixture.control.advance(std::time::Duration::from_secs(31));
    assert_eq!(get(&fixture, "v2/users").await.0, StatusCode::OK);
}

#[tokio::test]
async fn everything_is_changed_over_http_too() {
    let fixture = unlimited().await;
    let call = async |method: Method, path: &str, body: Value| {
        let url = fixture.url(&format!("/control/organizations/org-a/cliq{path}"));
        let answer = fixture.client.request(method, url).json(&body).send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    let (_, made) = call(Method::POST, "/channels", json!({"name": "#new", "level": "private"})).await;
    let channel_id = made["channel_id"].as_str().unwrap().to_owned();
    assert!(channel_id.starts_with('P'));
    let chat = cliq(&fixture).channel("#new").unwrap().chat_id.clone();
    let (_, posted) =
        call(Method::POST, &format!("/chats/{chat}/messages"), json!({"messages": [{"text": "a"}, {"text": "b"}]}))
            .await;
    let ids: Vec<&str> = posted["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    call(Method::PATCH, &format!("/chats/{chat}/messages/{}", ids[0]), json!({"text": "A"})).await;
    call(Method::DELETE, &format!("/chats/{chat}/messages/{}", ids[1]), json!({})).await;
    let (_, thread) =
        call(Method::POST, &format!("/chats/{chat}/threads"), json!({"message_id": ids[0], "title": "T"})).await;
    call(Method::PATCH, &format!("/chats/{}", thread["chat_id"].as_str().unwrap()), json!({"closed": true})).await;
    call(Method::PATCH, &format!("/channels/{channel_id}"), json!({"status": "archived", "name": "#old"})).await;
    let (_, many) =
        call(Method::POST, "/generated", json!({"channels": 2, "messages_per_channel": 3, "prefix": "#more-"})).await;
    assert_eq!(many["channel_ids"].as_array().unwrap().len(), 2);
    let (_, state) = call(Method::GET, "", json!({})).await;
    let state: CliqState = serde_json::from_value(state).unwrap();
    let channel = state.channel("#old").unwrap();
    assert_eq!((channel.messages[0].text.as_str(), channel.messages[1].deleted), ("A", true));
    assert_eq!((channel.status, channel.threads[0].closed), (CliqStatus::Archived, true));
    let (status, refused) =
        call(Method::POST, &format!("/chats/{chat}/messages"), json!({"messages": [{"text": "x"}]})).await;
    assert_eq!((status, refused["error"].as_str().unwrap().contains("archived")), (StatusCode::BAD_REQUEST, true));
    let (status, refused) = call(Method::POST, "/channels", json!({"nam": "#x"})).await;
    assert_eq!((status, refused["error"].as_str().unwrap().contains("nam")), (StatusCode::BAD_REQUEST, true));
    assert_eq!(call(Method::DELETE, "/chats/CT_1/messages/1_1", json!({})).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn seed_is_written_in_toml() {
    let seed = Seed::from_toml(
        r##"
        [[organizations]]
        name = "org-a"
        [[organizations.cliq.users]]
        id = "7"
        first_name = "Ann"
        [[organizations.cliq.channels]]
        name = "#ops"
        id = "O1"
        chat_id = "CT_1_7"
        messages = [{ text = "hello", at = "2026-01-15T10:05:00.123Z" }]
        threads = [{ title = "T", on_message = 0, messages = [{ text = "reply" }] }]
        [[organizations.cliq.generated]]
        channels = 2
        messages_per_channel = 5
        "##,
    )
    .unwrap();
    let simulator = simulator::start(&seed, simulator::Options::default()).unwrap();
    let state = simulator.control().state(&Default::default()).organizations.remove(0).cliq;
    assert_eq!((state.channels.len(), state.channels[0].messages[0].time_ms), (3, 1_768_471_500_123));
    assert_eq!(state.channels[0].threads[0].messages[0].text, "reply");

    let broken = Seed::from_toml(
        "[[organizations]]\nname = \"o\"\n[[organizations.cliq.channels]]\nname = \"#a\"\nmessages = [{ text = \"x\" }]",
    );
    let error = simulator::start(&broken.unwrap(), simulator::Options::default()).unwrap_err();
    assert!(error.to_string().contains("nobody who could write"), "{error}");
}

#[tokio::test]
async fn other_organisations_see_nothing_of_it() {
    let fixture = Fixture::demo().await;
    let body = json_of(fixture.b(Method::GET, "/cliq/api/v2/channels").send().await.unwrap()).await;
    assert_eq!(body["channels"], json!([]));
}
