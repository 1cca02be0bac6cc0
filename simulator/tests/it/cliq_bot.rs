//! A webhook bot: what it hears, and whether the signature over the raw bytes holds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::pkcs8::DecodePublicKey;
use serde_json::{Value, json};
use simulator::control::CliqChannelState;
use simulator::seed::{CliqBotSeed, CliqMessageSeed, CliqThreadSeed};
use simulator::{CliqOptions, Seed};

use crate::cliq::cliq;
use crate::fixture::Fixture;
use crate::receiver::{Received, Receiver};

const ORG: &str = "org-a";

struct Bot {
    fixture: Fixture,
    receiver: Receiver,
    public_pem: String,
    channels: Vec<CliqChannelState>,
}

/// A bot in the first of two channels, its `added` taken note of.
async fn bot() -> Bot {
    let options =
        CliqOptions { channels: 2, messages_per_channel: 3, threads_per_channel: 0, ..CliqOptions::default() };
    let fixture = Fixture::start(Seed::cliq(&options)).await;
    let receiver = Receiver::start(&[]).await;
    let channels = cliq(&fixture).channels;
    let seed = CliqBotSeed { url: receiver.url.clone(), channels: Some(vec![channels[0].channel_id.clone()]) };
    let public_pem = fixture.control.set_cliq_bot(ORG, &seed).unwrap();
    assert_eq!(receiver.wait_for(1).await[0]["operation"], "added");
    Bot { fixture, receiver, public_pem, channels }
}

impl Bot {
    fn post(&self, channel: usize, text: &str) -> String {
        let message = CliqMessageSeed::text(text).by("64396902");
        self.fixture.control.post_cliq_messages(ORG, &self.channels[channel].chat_id, &[message]).unwrap().remove(0)
    }
}

fn holds(received: &Received, public_pem: &str) -> bool {
    let key = rsa::RsaPublicKey::from_public_key_pem(public_pem).unwrap().to_pkcs1_der().unwrap();
    let signature = STANDARD.decode(received.header("x-cliq-signature").unwrap()).unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.as_bytes());
    key.verify(&received.body, &signature).is_ok()
}

#[tokio::test]
async fn event_has_the_documented_parts_and_a_signature_over_its_bytes() {
    let bot = bot().await;
    let id = bot.post(0, "Grüße \"<&>\" 🚀");
    let body = bot.receiver.wait_for(2).await.remove(1);
    assert_eq!(body["operation"], "message_sent");
    assert_eq!(body["data"]["message"]["id"], id.replace('_', " "), "events spell ids with a space");
    assert_eq!(body["data"]["message"]["text"], "Grüße \"<&>\" 🚀");
    assert_eq!(body["data"]["time"].as_i64().unwrap().to_string(), id.split('_').next().unwrap());
    assert_eq!((body["user"]["id"].as_str(), body["user"]["last_name"].as_str()), (Some("64396902"), Some("O'Neill")));
    assert_eq!(body["chat"]["id"], bot.channels[0].chat_id.as_str());
    assert_eq!(body["chat"]["channel_id"], bot.channels[0].channel_id.as_str());
    assert_eq!(body["chat"]["channel_unique_name"], "client1");
    assert!(bot.public_pem.starts_with("-----BEGIN PUBLIC KEY-----"));
    let received = bot.receiver.received().remove(1);
    assert!(holds(&received, &bot.public_pem));
    let mut changed = received.clone();
    changed.body[10] ^= 1;
    assert!(!holds(&changed, &bot.public_pem));
    assert_eq!(cliq(&bot.fixture).bot_public_pem.as_deref(), Some(bot.public_pem.as_str()));
}

#[tokio::test]
async fn edits_deletes_and_threads_are_told_and_other_channels_are_not() {
    let bot = bot().await;
    let (control, chat) = (&bot.fixture.control, bot.channels[0].chat_id.as_str());
    bot.post(1, "not for the bot");
    let id = bot.post(0, "first");
    control.edit_cliq_message(ORG, chat, &id, "second").unwrap();
    let thread = CliqThreadSeed {
        title: "T".to_owned(),
        messages: vec![CliqMessageSeed::text("reply")],
        ..CliqThreadSeed::default()
    };
    let thread = control.start_cliq_thread(ORG, chat, &id, &thread).unwrap();
    control.close_cliq_thread(ORG, &thread, true).unwrap();
    control.delete_cliq_message(ORG, chat, &id).unwrap();
    let bodies = bot.receiver.wait_for(7).await;
    let mut operations: Vec<&str> = bodies.iter().map(|body| body["operation"].as_str().unwrap()).collect();
    operations.sort_unstable();
    let expected = [
        "added",
        "auto_followed_thread",
        "message_deleted",
        "message_edited",
        "message_sent",
        "message_sent",
        "thread_closed",
    ];
    assert_eq!(operations, expected);
    let of = |operation: &str| -> Vec<&Value> { bodies.iter().filter(|body| body["operation"] == operation).collect() };
    assert_eq!(of("message_edited")[0]["data"]["message"]["text"], "second");
    assert!(of("message_deleted")[0]["data"]["message"].get("text").is_none());
    assert!(of("message_sent").iter().any(|body| body["chat"]["id"] == thread.as_str()));
}

#[tokio::test]
async fn events_are_dropped_and_repeated_on_demand() {
    let bot = bot().await;
    bot.fixture.control.set_webhooks(json!({"drop_next": 1, "duplicate_next": 1})).unwrap();
    bot.post(0, "lost");
    bot.post(0, "twice");
    let bodies = bot.receiver.wait_for(3).await;
    assert!(bodies[1..].iter().all(|body| body["data"]["message"]["text"] == "twice"));
    let counts = bot.fixture.control.counts().webhooks;
    assert_eq!((counts.raised, counts.dropped, counts.duplicated), (3, 1, 1));
}

#[tokio::test]
async fn key_stays_when_the_bot_moves() {
    let bot = bot().await;
    let elsewhere = Receiver::start(&[]).await;
    let seed = CliqBotSeed { url: elsewhere.url.clone(), channels: None };
    assert_eq!(bot.fixture.control.set_cliq_bot(ORG, &seed).unwrap(), bot.public_pem);
    assert_eq!(bot.receiver.wait_for(2).await[1]["operation"], "removed");
    bot.post(1, "every channel now");
    assert_eq!(elsewhere.wait_for(1).await[0]["data"]["message"]["text"], "every channel now");
    assert!(holds(&elsewhere.received()[0], &bot.public_pem));
    let stranger = CliqBotSeed { url: elsewhere.url.clone(), channels: Some(vec!["O0".to_owned()]) };
    assert!(bot.fixture.control.set_cliq_bot(ORG, &stranger).unwrap_err().to_string().contains("O0"));
}
