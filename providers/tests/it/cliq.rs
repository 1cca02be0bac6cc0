use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use providers::clock::Clock;
use providers::error::{Error, ThrottleScope};
use providers::zoho::cliq::{ChannelFilter, Content, MessageId, PageFrom, Search};
use serde_json::{Value, json};

use crate::account::{client, client_with, granted, settings, store, token_reply};
use crate::server::{Reply, Request, Server};

const CHAT: &str = "CT_1234567890_64396901";

fn at(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).unwrap()
}

/// One chat that answers as the fact sheet says: newest first, up to `limit`, bounds included.
fn chat(times: Vec<i64>) -> impl Fn(&Request) -> Reply + Send + Sync {
    move |request| {
        let number = |name: &str| request.query(name).unwrap().parse::<i64>().unwrap();
        let (from, to, limit) = (number("fromtime"), number("totime"), number("limit"));
        let mut inside: Vec<(usize, i64)> =
            times.iter().copied().enumerate().filter(|(_, time)| (from..=to).contains(time)).collect();
        inside.sort_by_key(|(sequence, time)| std::cmp::Reverse((*time, *sequence)));
        inside.truncate(usize::try_from(limit).unwrap());
        // The three spellings of an id, and times as numbers and text, in turn.
        let row = |(sequence, time): (usize, i64)| {
            let spelling = ["_", " ", "%20"][sequence % 3];
            let time_value = if sequence % 2 == 0 { json!(time) } else { json!(time.to_string()) };
            json!({"id": format!("{time}{spelling}{sequence}"), "time": time_value, "type": "text",
                "sender": {"name": "Ann", "id": "1"}, "content": {"text": format!("m{sequence}")}})
        };
        let rows: Vec<Value> = inside.into_iter().map(row).collect();
        Reply::json(200, &json!({ "data": rows }))
    }
}

#[tokio::test]
async fn a_busy_window_is_walked_backwards_to_its_beginning() {
    let times: Vec<i64> = (0..450).map(|number| 1_768_471_500_000 + number * 700).collect();
    let (first, last) = (times[0], times[449]);
    let server = Server::start(granted(chat(times))).await;
    let client = client(&server.url);
    let mut walk = client.cliq().messages(CHAT, at(first), at(last), 100).unwrap();
    let (mut pages, mut seen) = (0, Vec::new());
    while let Some(page) = walk.next().await.unwrap() {
        assert!(page.is_sorted_by_key(|message| message.time));
        pages += 1;
        seen.extend(page);
    }
    assert_eq!((seen.len(), pages), (450, 5));
    let mut ids: Vec<MessageId> = seen.into_iter().map(|message| message.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 450);
    let request = &server.requests("/cliq/api/v2/chats/CT_1234567890_64396901/messages")[0];
    assert_eq!(request.query("limit").as_deref(), Some("100"));
    assert_eq!(request.header("authorization"), Some("Zoho-oauthtoken at1"));
}

#[tokio::test]
async fn messages_of_one_millisecond_at_the_edge_of_a_page_are_all_found() {
    // 10 messages in each millisecond, asked for in pages that end in the middle of one.
    let times: Vec<i64> = (0..300).map(|number| 1_768_471_500_000 + number / 10).collect();
    let server = Server::start(granted(chat(times))).await;
    let client = client(&server.url);
    let walk = client.cliq().messages(CHAT, at(1_768_471_500_000), at(1_768_471_500_029), 37).unwrap();
    assert_eq!(walk.all().await.unwrap().len(), 300);
}

#[tokio::test]
async fn a_millisecond_with_more_than_an_answer_holds_is_named() {
    let mut times = vec![1_768_471_500_000; 150];
    times.extend((1..50).map(|number| 1_768_471_500_000 + number * 5000));
    let server = Server::start(granted(chat(times))).await;
    let client = client(&server.url);
    let walk = client.cliq().messages(CHAT, at(1_768_471_400_000), at(1_768_472_500_000), 100).unwrap();
    let error = walk.all().await.unwrap_err();
    let Error::TooDense { at: moment, limit, .. } = error else { panic!("{error}") };
    assert_eq!((moment, limit), (at(1_768_471_500_000), 100));
}

#[tokio::test]
async fn only_what_lies_in_the_window_is_handed_out() {
    let server = Server::start(granted(chat((0..20).map(|number| 1_768_471_500_000 + number * 100).collect()))).await;
    let client = client(&server.url);
    let window = |from: i64, to: i64| {
        client.cliq().messages(CHAT, at(1_768_471_500_000 + from), at(1_768_471_500_000 + to), 100)
    };
    let times: Vec<i64> =
        window(300, 500).unwrap().all().await.unwrap().iter().map(|m| m.time.timestamp_millis()).collect();
    assert_eq!(times, [1_768_471_500_300, 1_768_471_500_400, 1_768_471_500_500]);
    assert!(window(500, 300).unwrap().all().await.unwrap().is_empty());
}

#[tokio::test]
async fn no_messages_may_be_an_empty_list_or_status_204() {
    for reply in [Reply::text(204, ""), Reply::json(200, &json!({"data": []}))] {
        let server = Server::start(granted(move |_| reply.clone())).await;
        let client = client(&server.url);
        let walk = client.cliq().messages(CHAT, at(0), at(1_000_000), 100).unwrap();
        assert!(walk.all().await.unwrap().is_empty());
    }
}

fn locked() -> Reply {
    let message = "You have exceeded the URL throttle limits.";
    Reply::json(400, &json!({"code": "request_limit_exceeded", "message": message}))
}

#[tokio::test]
async fn a_lock_closes_everything_of_the_person_for_its_whole_length() {
    for reply in [locked(), Reply::json(429, &json!({"error": {"code": "rate_limit_exceeded", "message": "x"}}))] {
        let server = Server::start(granted(move |_| reply.clone())).await;
        let client = client(&server.url);
        let before = Clock::system().now();
        let error = client.cliq().messages(CHAT, at(0), at(1000), 100).unwrap().all().await.unwrap_err();
        let Error::Throttled(throttled) = error else { panic!("{error}") };
        assert_eq!(throttled.scope, ThrottleScope::User);
        assert!(throttled.until - before >= TimeDelta::minutes(10), "{}", throttled.until);
        let until = Some(throttled.until);
        let channels = client.cliq().channels(&ChannelFilter::default(), &PageFrom::Start).await;
        let users = client.cliq().users(&PageFrom::Start).await;
        let found = client.cliq().search(&Search::default(), &PageFrom::Start).await;
        let errors = [channels.unwrap_err(), users.unwrap_err(), found.unwrap_err()];
        assert!(errors.iter().all(|error| error.throttled_until() == until), "{errors:?}");
        assert_eq!((server.count("/messages"), server.count("/channels"), server.count("/users")), (1, 0, 0));
    }
}

#[tokio::test]
async fn the_length_of_a_lock_is_a_setting() {
    let server = Server::start(granted(|_| locked())).await;
    let mut settings = settings(&server.url);
    settings.limits.cliq_lock_seconds = 30;
    let client = client_with(settings, store());
    let before = Clock::system().now();
    let error = client.cliq().users(&PageFrom::Start).await.unwrap_err();
    let seconds = (error.throttled_until().unwrap() - before).num_seconds();
    assert!((30..=32).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn reading_messages_stops_by_itself_below_the_limit() {
    let server = Server::start(granted(|_| Reply::json(200, &json!({"data": []})))).await;
    let mut settings = settings(&server.url);
    settings.limits.cliq_messages_per_minute = providers::budget::Limits::default().cliq_messages_per_minute;
    let client = client_with(settings, store());
    let mut refused = 0;
    for _ in 0..20 {
        let read = client.cliq().messages(CHAT, at(0), at(1000), 100).unwrap().all().await;
        refused += usize::from(matches!(read, Err(Error::Throttled(_))));
    }
    assert_eq!((server.count("/messages"), refused), (14, 6));
    client.cliq().users(&PageFrom::Start).await.unwrap();
}

#[tokio::test]
async fn a_bad_token_is_replaced_once() {
    let refreshes = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        if request.path().ends_with("/token") {
            let number = refreshes.fetch_add(1, Ordering::SeqCst) + 1;
            return token_reply(request, &format!("at{number}")).unwrap();
        }
        match request.header("authorization") {
            Some("Zoho-oauthtoken at2") => Reply::json(200, &json!({"data": []})),
            _ => Reply::json(401, &json!({"code": "oauthtoken_invalid", "message": "x"})),
        }
    })
    .await;
    client(&server.url).cliq().users(&PageFrom::Start).await.unwrap();
    assert_eq!((server.count("/token"), server.count("/users")), (2, 2));
}

#[tokio::test]
async fn channels_are_walked_by_token_and_end_with_a_token_for_later() {
    let server = Server::start(granted(|request| {
        let number = request.query("next_token").map_or(0, |token| token.parse::<usize>().unwrap());
        let row = json!({"channel_id": format!("P{number}"), "chat_id": format!("CT_{number}"), "name": "#ops"});
        let mut body = json!({"channels": [row], "has_more": number < 2, "sync_token": format!("s{number}")});
        if number < 2 {
            body["next_token"] = json!((number + 1).to_string());
        }
        Reply::json(200, &body)
    }))
    .await;
    let client = client(&server.url);
    let filter = ChannelFilter { joined: Some(true), name: None };
    let all = client.cliq().all_channels(&filter).await.unwrap();
    assert_eq!(all.rows.iter().map(|channel| channel.chat_id.as_str()).collect::<Vec<_>>(), ["CT_0", "CT_1", "CT_2"]);
    assert_eq!((all.next, all.sync_token.as_deref()), (None, Some("s2")));
    client.cliq().channels(&filter, &PageFrom::Since("s2".to_owned())).await.unwrap();
    let last = server.requests("/cliq/api/v2/channels").pop().unwrap();
    assert_eq!((last.query("sync_token").as_deref(), last.query("next_token")), (Some("s2"), None));
    assert_eq!(last.query("joined").as_deref(), Some("true"));
}

#[tokio::test]
async fn a_list_that_goes_in_circles_is_unreadable() {
    let server = Server::start(granted(|_| Reply::json(200, &json!({"channels": [], "next_token": "a"})))).await;
    let error = client(&server.url).cliq().all_channels(&ChannelFilter::default()).await.unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");
}

#[tokio::test]
async fn a_single_message_is_asked_for_in_the_spelling_of_paths() {
    let row = json!({"id": "1768471500000%2040288830613", "time": "1768471500000", "type": "text",
        "content": {"text": "hello"}});
    for body in [row.clone(), json!({ "data": row })] {
        let server = Server::start(granted(move |_| Reply::json(200, &body))).await;
        let id: MessageId = "1768471500000%2040288830613".parse().unwrap();
        let message = client(&server.url).cliq().message(CHAT, &id).await.unwrap().unwrap();
        assert_eq!(message.content, Content::Text("hello".to_owned()));
        assert_eq!(server.count("/messages/1768471500000%2040288830613"), 1);
    }
    let server = Server::start(granted(|_| Reply::text(404, ""))).await;
    let gone = client(&server.url).cliq().message(CHAT, &"1_1".parse().unwrap()).await.unwrap();
    assert_eq!(gone, None);
}

#[tokio::test]
async fn threads_are_chats_of_their_own() {
    let server = Server::start(granted(|_| {
        Reply::json(
            200,
            &json!({"data": [{"chat_id": "CT_1-T-2", "parent_chat_id": "CT_1", "title": "x",
            "thread_message_id": "1727333520582%2047588994306224"}], "sync_token": "s"}),
        )
    }))
    .await;
    let client = client(&server.url);
    for page in [
        client.cliq().threads(&PageFrom::Start).await.unwrap(),
        client.cliq().channel_threads("P1", &PageFrom::Start).await.unwrap(),
    ] {
        let thread = &page.rows[0];
        assert_eq!((thread.chat_id.as_str(), thread.parent_chat_id.as_deref()), ("CT_1-T-2", Some("CT_1")));
        assert_eq!(thread.main_message.as_ref().unwrap().as_str(), "1727333520582_47588994306224");
    }
    assert_eq!((server.count("/api/v2/threads"), server.count("/api/v2/channels/P1/threads")), (1, 1));
}

#[tokio::test]
async fn a_search_covers_five_chats_and_goes_on_by_token() {
    let server = Server::start(granted(|request| {
        let row = json!({"message_id": "1710934200000", "time": "2025-03-20T14:30:00.000Z", "sender": "711622",
            "chat_id": "CT_1", "type": "text", "content": {"text": "hello"}});
        let mut body = json!({ "messages": [row] });
        if request.query("next_token").is_none() {
            body["next_token"] = json!(1_710_920_099_000_i64);
        }
        Reply::json(200, &body)
    }))
    .await;
    let client = client(&server.url);
    let search = Search {
        chat_ids: (1..=5).map(|number| format!("CT_{number}")).collect(),
        from: Some(at(1000)),
        to: Some(at(2000)),
        with_bots: true,
    };
    let first = client.cliq().search(&search, &PageFrom::Start).await.unwrap();
    assert_eq!((first.rows[0].chat_id.as_str(), first.next.as_deref()), ("CT_1", Some("1710920099000")));
    let second = client.cliq().search(&search, &PageFrom::Next(first.next.unwrap())).await.unwrap();
    assert_eq!(second.next, None);
    let request = &server.requests("/cliq/api/v3/messages/search")[1];
    for (name, value) in [
        ("chat_ids", "CT_1,CT_2,CT_3,CT_4,CT_5"),
        ("from_time", "1000"),
        ("to_time", "2000"),
        ("include_bot_messages", "true"),
        ("next_token", "1710920099000"),
    ] {
        assert_eq!(request.query(name).as_deref(), Some(value));
    }
    let six = Search { chat_ids: vec!["CT_1".to_owned(); 6], ..search };
    assert!(matches!(client.cliq().search(&six, &PageFrom::Start).await, Err(Error::Rejected { .. })));
}

#[tokio::test]
async fn an_id_that_could_change_a_path_is_refused_before_asking() {
    let server = Server::start(granted(|_| Reply::Cut)).await;
    let client = client(&server.url);
    for bad in ["", "../x", "a/b", "a b"] {
        assert!(client.cliq().messages(bad, at(0), at(1), 100).is_err());
        assert!(client.cliq().channel_threads(bad, &PageFrom::Start).await.is_err());
    }
}
