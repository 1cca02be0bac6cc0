//! What the facts about Cliq leave open, each way round.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::cliq::{channel_with, cliq, get, ids, unlimited};
use crate::fixture::{Fixture, json_of};

#[tokio::test]
async fn bounds_of_a_window_are_inclusive_or_not_by_knob() {
    let fixture = unlimited().await;
    let channel = channel_with(&fixture, &[1_768_471_500_000, 1_768_471_500_001, 1_768_471_500_002]);
    let window = format!("v2/chats/{}/messages?fromtime=1768471500000&totime=1768471500002", channel.chat_id);
    for (from, to, expected) in [(true, true, 3), (false, true, 2), (true, false, 2), (false, false, 1)] {
        fixture.control.set_knobs(json!({"cliq": {"from_inclusive": from, "to_inclusive": to}})).unwrap();
        assert_eq!(ids(&get(&fixture, &window).await.1).len(), expected);
    }
}

#[tokio::test]
async fn order_and_empty_windows_follow_their_knobs() {
    let fixture = unlimited().await;
    let channel = channel_with(&fixture, &[1_768_471_500_000, 1_768_471_501_000, 1_768_471_502_000]);
    let path = format!("v2/chats/{}/messages?limit=2", channel.chat_id);
    let all: Vec<String> = channel.messages.iter().map(|message| message.id.clone()).collect();
    for (order, expected) in [
        ("newest_first", vec![&all[2], &all[1]]),
        ("newest_ascending", vec![&all[1], &all[2]]),
        ("oldest_first", vec![&all[0], &all[1]]),
    ] {
        fixture.control.set_knobs(json!({"cliq": {"order": order}})).unwrap();
        assert_eq!(ids(&get(&fixture, &path).await.1).iter().collect::<Vec<_>>(), expected);
    }
    let empty = format!("v2/chats/{}/messages?fromtime=1868471500000", channel.chat_id);
    assert_eq!(get(&fixture, &empty).await, (StatusCode::OK, json!({"data": []})));
    fixture.control.set_knobs(json!({"cliq": {"empty_answers_204": true}})).unwrap();
    assert_eq!(get(&fixture, &empty).await.0, StatusCode::NO_CONTENT);
    fixture.control.set_knobs(json!({"cliq": {"readable_messages": 1, "order": "newest_first"}})).unwrap();
    assert_eq!(ids(&get(&fixture, &path).await.1), [all[2].clone()]);
}

#[tokio::test]
async fn ids_and_times_are_spelled_as_told() {
    let fixture = unlimited().await;
    let channel = channel_with(&fixture, &[1_768_471_500_000, 1_768_471_501_000]);
    let path = format!("v2/chats/{}/messages", channel.chat_id);
    for (form, between) in [("underscore", "_"), ("space", " "), ("percent", "%20")] {
        let knobs = json!({"cliq": {"list_id_form": form, "reference_id_form": form, "search_id_form": form}});
        fixture.control.set_knobs(knobs).unwrap();
        let expected = channel.messages[1].id.replace('_', between);
        assert_eq!(ids(&get(&fixture, &path).await.1)[0], expected);
        let (_, list) = get(&fixture, "v2/channels?name=times").await;
        assert_eq!(list["channels"][0]["last_message_info"]["message_id"], expected.as_str());
        let (_, found) = get(&fixture, &format!("v3/messages/search?chat_ids={}", channel.chat_id)).await;
        assert_eq!(found["messages"][0]["message_id"], expected.as_str());
    }
    let times = async |form: &str| {
        fixture.control.set_knobs(json!({"cliq": {"time_form": form}})).unwrap();
        let (_, body) = get(&fixture, &path).await;
        body["data"].as_array().unwrap().iter().map(|each| each["time"].clone()).collect::<Vec<Value>>()
    };
    assert_eq!(times("number").await, [1_768_471_501_000_i64, 1_768_471_500_000]);
    assert_eq!(times("text").await, ["1768471501000", "1768471500000"]);
}

#[tokio::test]
async fn private_channel_of_others_is_listed_or_hidden() {
    let fixture = Fixture::demo().await;
    let board = async || {
        let list = json_of(fixture.a(Method::GET, "/cliq/api/v2/channels?name=board").send().await.unwrap()).await;
        list["channels"].as_array().unwrap().clone()
    };
    let shown = board().await;
    assert_eq!((&shown[0]["joined"], &shown[0]["level"]), (&json!(false), &json!("private")));
    let chat = cliq(&fixture).channel("#board").unwrap().chat_id.clone();
    assert_eq!(get(&fixture, &format!("v2/chats/{chat}/messages")).await.0, StatusCode::NOT_FOUND);
    fixture.control.set_knobs(json!({"cliq": {"hide_unjoined_private": true}})).unwrap();
    assert!(board().await.is_empty());
}
