//! Events of a Cliq bot, as the simulator sends them and as strangers would.

use catalogue::delivery;
use serde_json::{Value, json};
use simulator::control::StateQuery;
use simulator::seed::constants::ORG_A;
use simulator::seed::{CliqBotSeed, CliqMessageSeed};
use simulator::{CliqOptions, Options, Seed, Simulator};
use testkit::wait::until_true;

use super::client::{Answer, post};
use super::gateway::{Gateway, start, start_over};
use super::operator::{bind, with_sources};
use crate::store::{Backend, on_both_databases};

on_both_databases! {
    #[actix_web::test]
    what_a_bot_hears_is_recorded_once_however_often_it_is_sent,
    a_bot_is_answered_as_cliq_expects_and_strangers_are_refused_with_the_cause,
}

const PUBLIC_KEY: &str = include_str!("../../cliq/rsa-2048.pem");
const EVENT: &[u8] = include_bytes!("../../cliq/event.json");
const SIGNATURE: &str = include_str!("../../cliq/event.signature");

const BOT: &str = r#"
[accounts.org-a]
provider = "zoho"
client_id = "1"
client_secret = "s"
[accounts.bot]
provider = "generic"
[accounts.bot.webhook]
verify = "zoho-cliq"
account = "org-a"
"#;

fn settings(public_key: &str) -> String {
    format!("{BOT}public_key = \"\"\"\n{public_key}\"\"\"\n")
}

/// Waits until so many attempts of the simulator were answered 2xx.
async fn delivered(simulator: &Simulator, expected: u64) {
    let control = simulator.control();
    until_true("the events are accepted", async || control.counts().webhooks.delivered == expected).await;
}

async fn what_a_bot_hears_is_recorded_once_however_often_it_is_sent(on: Backend) {
    let options =
        CliqOptions { channels: 1, messages_per_channel: 1, threads_per_channel: 0, ..CliqOptions::default() };
    let simulator = simulator::start(&Seed::cliq(&options), Options::default()).unwrap();
    let control = simulator.control();
    // The key exists with the bot: one that nothing hears makes it, and stays when the bot moves to the gateway.
    control.set_webhooks(json!({"enabled": false})).unwrap();
    let nowhere = CliqBotSeed { url: "http://127.0.0.1:9".to_owned(), channels: Some(Vec::new()) };
    let public_key = control.set_cliq_bot(ORG_A, &nowhere).unwrap();
    let gateway = start(on, &settings(&public_key)).await;
    control.set_webhooks(json!({"enabled": true})).unwrap();
    let query = StateQuery { organization: Some(ORG_A.to_owned()), md5: false };
    let channel = control.state(&query).organizations.remove(0).cliq.channels.remove(0);
    let url = format!("http://{}/webhooks/bot", gateway.address);
    let bot = CliqBotSeed { url, channels: Some(vec![channel.channel_id]) };
    control.set_cliq_bot(ORG_A, &bot).unwrap();
    delivered(&simulator, 1).await;

    let chat = channel.chat_id.as_str();
    control.set_webhooks(json!({"duplicate_probability": 1.0})).unwrap();
    let message = CliqMessageSeed::text("Grüße \"<&>\" 🚀");
    let id = control.post_cliq_messages(ORG_A, chat, &[message]).unwrap().remove(0);
    control.edit_cliq_message(ORG_A, chat, &id, "second").unwrap();
    control.advance(std::time::Duration::from_secs(1));
    control.edit_cliq_message(ORG_A, chat, &id, "second").unwrap();
    control.delete_cliq_message(ORG_A, chat, &id).unwrap();
    delivered(&simulator, 9).await;
    assert_eq!(control.counts().webhooks.attempts, 9, "no attempt was refused");
    simulator.stop().await;

    let events = gateway.events().await;
    let mut heard = Vec::new();
    for event in &events {
        let received: delivery::Received = event.decode().unwrap();
        assert_eq!((received.verify.as_str(), received.json, received.flagged), ("zoho-cliq", true, false));
        let body: Value = serde_json::from_slice(event.payload.as_deref().unwrap()).unwrap();
        heard.push(body["operation"].as_str().unwrap().to_owned());
    }
    heard.sort_unstable();
    assert_eq!(heard, ["added", "message_deleted", "message_edited", "message_edited", "message_sent"]);
    gateway.stop().await;
}

async fn send(gateway: &Gateway, signature: Option<&str>, body: &[u8]) -> Answer {
    let headers: Vec<(&str, &str)> = signature.map(|text| ("x-cliq-signature", text)).into_iter().collect();
    post(gateway.address, "/webhooks/bot", &headers, body).await
}

async fn a_bot_is_answered_as_cliq_expects_and_strangers_are_refused_with_the_cause(on: Backend) {
    let gateway = start(on, &settings(PUBLIC_KEY)).await;
    for _ in 0..2 {
        let answer = send(&gateway, Some(SIGNATURE), EVENT).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        assert_eq!(answer.json(), json!({"output": {"text": ""}}));
        assert_eq!(gateway.events().await.len(), 1, "it is answered after it is recorded, and recorded once");
    }
    let mut changed = EVENT.to_vec();
    *changed.last_mut().unwrap() = b' ';
    assert_eq!(send(&gateway, None, EVENT).await.status, 401);
    assert_eq!(send(&gateway, Some("not base64!"), EVENT).await.status, 401);
    assert_eq!(send(&gateway, Some(SIGNATURE), &changed).await.status, 401);
    let rejected = gateway.rejected(3).await;
    let causes: Vec<&str> = rejected.iter().rev().map(|rejected| rejected.cause.as_str()).collect();
    assert_eq!(causes, ["signature_missing", "signature_malformed", "signature_mismatch"]);
    assert_eq!(gateway.events().await.len(), 1);
    gateway.stop().await;
}

#[actix_web::test]
async fn keys_that_cannot_verify_stop_the_start_with_the_remedy() {
    for (key, remedy) in [
        (include_str!("../../cliq/rsa-1024.pem"), "has 1024 bits, and from 2048 to 4096 are accepted"),
        (include_str!("../../cliq/ec-p256.pem"), "is not an RSA key"),
        ("hunter2\n", "is not a public key in PEM"),
    ] {
        let message = with_sources(&bind(&settings(key)).await.unwrap_err());
        assert!(message.contains("accounts.bot.webhook"), "{message}");
        assert!(message.contains(&format!("public_key {remedy}")), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[actix_web::test]
async fn a_key_is_read_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bot.pem");
    std::fs::write(&file, PUBLIC_KEY).unwrap();
    let settings = format!("{BOT}public_key = 'file:{}'\n", file.display());
    let store = Backend::Sqlite.store().await;
    let gateway = start_over(&store.url, &settings).await;
    assert_eq!(send(&gateway, Some(SIGNATURE), EVENT).await.status, 200);
    gateway.stop().await;
}
