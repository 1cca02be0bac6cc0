//! Channels that belong to rooms, what is said in them, and what the receiver has of it.

use catalogue::channel;
use catalogue::message::{
    Attachment, DELETED, Deleted, EDITED, Edited, POSTED, Posted, Sender, changed_id, posted_id, stream,
};
use catalogue::sync::{self, Completed};
use chrono::{DateTime, Utc};
use consumers::ingest::{Counts, delivered};
use event_log::{Append, NewEvent, sql};
use serde_json::{Value, json};
use simulator::control::IngestState;
use uuid::Uuid;

use crate::database::On;
use crate::stage::{Plan, Stage};

/// Half past two in the afternoon of 15 January 2024, UTC.
pub(crate) const START_MS: i64 = 1_705_329_000_000;

/// A channel that belongs to a room.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    pub(crate) mapping_id: Uuid,
    pub(crate) channel_id: String,
}

/// A stage whose receiver asks for no token, with consumers running.
pub(crate) async fn stage(on: On, ingest: &'static str, knobs: Value) -> Stage {
    let mut stage = waiting_stage(on, ingest, knobs).await;
    stage.start();
    stage
}

/// The same before the consumers run.
pub(crate) async fn waiting_stage(on: On, ingest: &'static str, mut knobs: Value) -> Stage {
    knobs.as_object_mut().unwrap().entry("auth").or_insert_with(|| json!("none"));
    let plan = Plan { folders: Vec::new(), ingest: Some(ingest), knobs: json!({"ingest": knobs}), ..Plan::default() };
    Stage::new(on, plan).await
}

/// Settings of mappings as they usually are.
pub(crate) fn usual() -> channel::Settings {
    channel::Settings { schedule: None, timezone: "UTC".to_owned(), since: None, threads: true }
}

impl Channel {
    /// Maps a channel to a room.
    pub(crate) async fn map(stage: &Stage, channel_id: &str, settings: channel::Settings) -> Self {
        Channel::map_at(stage, channel_id, settings, stage.log.now()).await
    }

    pub(crate) async fn map_at(
        stage: &Stage,
        channel_id: &str,
        settings: channel::Settings,
        created_at: DateTime<Utc>,
    ) -> Self {
        let channel = Channel { mapping_id: Uuid::now_v7(), channel_id: channel_id.to_owned() };
        let (of, settings) = (channel.clone(), serde_json::to_string(&settings).unwrap());
        let mapping = stage.log.write::<_, consumers::Error, _>(move |unit| {
            Box::pin(async move {
                sql::query(
                    "INSERT INTO channel_mappings (mapping_id, account, organization, channel_id, chat_id, channel_name, \
                     client_id, room_id, state, settings, version, created_at, updated_at) \
                     VALUES ($1, 'org-a', 'acme', $2, $3, $4, 'client-1', 'room-1', 'active', $5, 1, $6, $6)",
                )
                .bind(of.mapping_id)
                .bind(&of.channel_id)
                .bind(of.chat_id())
                .bind(format!("#{}", of.channel_id))
                .bind(sql::json(settings))
                .bind(created_at)
                .execute(unit.connection())
                .await?;
                Ok(())
            })
        });
        mapping.await.unwrap();
        channel
    }

    /// Somebody changes the settings of the mapping.
    pub(crate) async fn configure(&self, stage: &Stage, settings: channel::Settings) {
        let (mapping_id, settings) = (self.mapping_id, serde_json::to_string(&settings).unwrap());
        let changing = stage.log.write::<_, consumers::Error, _>(move |unit| {
            Box::pin(async move {
                sql::query("UPDATE channel_mappings SET settings = $2 WHERE mapping_id = $1")
                    .bind(mapping_id)
                    .bind(sql::json(settings))
                    .execute(unit.connection())
                    .await?;
                Ok(())
            })
        });
        changing.await.unwrap();
    }

    /// The channel belongs to no room any more.
    pub(crate) async fn unmap(&self, stage: &Stage) {
        let mapping_id = self.mapping_id;
        let ending = stage.log.write::<_, consumers::Error, _>(move |unit| {
            Box::pin(async move {
                sql::query("UPDATE channel_mappings SET state = 'ended' WHERE mapping_id = $1")
                    .bind(mapping_id)
                    .execute(unit.connection())
                    .await?;
                Ok(())
            })
        });
        ending.await.unwrap();
    }

    pub(crate) fn chat_id(&self) -> String {
        format!("CT_{}", self.channel_id)
    }

    /// A thread of the channel, which the sync has found.
    pub(crate) async fn thread(&self, stage: &Stage, number: u32) -> String {
        let chat_id = format!("{}-T-{number}", self.chat_id());
        let (of, thread) = (self.clone(), chat_id.clone());
        let finding = stage.log.write::<_, consumers::Error, _>(move |unit| {
            Box::pin(async move {
                let now = unit.now();
                sql::query(
                    "INSERT INTO chat_cursors (mapping_id, chat_id, account, channel_id, parent_chat_id, newest_ms, \
                     updated_at) VALUES ($1, $2, 'org-a', $3, $4, 0, $5)",
                )
                .bind(of.mapping_id)
                .bind(thread)
                .bind(&of.channel_id)
                .bind(of.chat_id())
                .bind(now)
                .execute(unit.connection())
                .await?;
                Ok(())
            })
        });
        finding.await.unwrap();
        chat_id
    }

    /// Somebody says something in the channel, so many seconds after the start. Returns the message's id.
    pub(crate) async fn say(&self, stage: &Stage, seconds: i64, name: &str, text: &str) -> String {
        self.say_in(stage, &self.chat_id(), seconds, name, text, None).await
    }

    pub(crate) async fn say_in(
        &self,
        stage: &Stage,
        chat_id: &str,
        seconds: i64,
        name: &str,
        text: &str,
        attachment: Option<Attachment>,
    ) -> String {
        let time_ms = START_MS + seconds * 1000;
        let message_id =
            format!("{time_ms}_{name}").replace(|one: char| !one.is_ascii_alphanumeric() && one != '_', "-");
        let data = Posted {
            chat_id: chat_id.to_owned(),
            channel_id: self.channel_id.clone(),
            parent_chat_id: (chat_id != self.chat_id()).then(|| self.chat_id()),
            message_id: message_id.clone(),
            time_ms,
            sender: sender(name),
            kind: if attachment.is_some() { "file" } else { "text" }.to_owned(),
            text: text.to_owned(),
            attachment,
        };
        let event = NewEvent::new(POSTED, "poll", &data).with_id(posted_id("org-a", chat_id, &message_id));
        append(stage, chat_id, event).await;
        message_id
    }

    pub(crate) async fn edit(&self, stage: &Stage, message_id: &str, seconds: i64, name: &str, text: &str) {
        let data = Edited {
            chat_id: self.chat_id(),
            channel_id: self.channel_id.clone(),
            message_id: message_id.to_owned(),
            time_ms: START_MS + seconds * 1000,
            sender: sender(name),
            text: text.to_owned(),
        };
        let id = changed_id("org-a", &data.chat_id, message_id, "edited", data.time_ms);
        append(stage, &data.chat_id, NewEvent::new(EDITED, "webhook", &data).with_id(id)).await;
    }

    pub(crate) async fn delete(&self, stage: &Stage, message_id: &str, seconds: i64, name: &str) {
        let data = Deleted {
            chat_id: self.chat_id(),
            channel_id: self.channel_id.clone(),
            message_id: message_id.to_owned(),
            time_ms: START_MS + seconds * 1000,
            sender: sender(name),
        };
        let id = changed_id("org-a", &data.chat_id, message_id, "deleted", data.time_ms);
        append(stage, &data.chat_id, NewEvent::new(DELETED, "webhook", &data).with_id(id)).await;
    }

    /// A sync of the channel is done.
    pub(crate) async fn sync(&self, stage: &Stage) {
        let subject = format!("channel:{}", self.mapping_id);
        let data = Completed {
            job_id: Uuid::now_v7(),
            kind: "channel".to_owned(),
            subject: subject.clone(),
            counts: std::collections::BTreeMap::new(),
            processing_ms: 1,
        };
        let event = NewEvent::new(sync::COMPLETED, "poll", &data).of("org-a", "acme");
        stage.log.append(Append::new(sync::stream(&subject), vec![event])).await.unwrap();
    }

    pub(crate) async fn counts(&self, stage: &Stage) -> Counts {
        delivered(stage.log.database().readers(), self.mapping_id).await.unwrap()
    }

    /// What the receiver has of the channel.
    pub(crate) fn lines(&self, stage: &Stage) -> Vec<String> {
        received(stage).lines(&self.channel_id).into_iter().map(str::to_owned).collect()
    }

    /// What people said, as the receiver has it: without times and names.
    pub(crate) fn words(&self, stage: &Stage) -> Vec<String> {
        let words = |line: &String| line.split_once(": ").map(|(_, words)| words.to_owned()).unwrap();
        self.lines(stage).iter().map(words).collect()
    }
}

/// Everything the receiver has; nothing of it twice, and nothing against the contract.
pub(crate) fn received(stage: &Stage) -> IngestState {
    let state = stage.control().ingest();
    assert_eq!(state.repeated_messages, Vec::<String>::new());
    assert_eq!((state.counts.invalid, state.counts.key_reused), (0, 0));
    state
}

/// Sizes of the batches the receiver has, in their order.
pub(crate) fn sizes(stage: &Stage) -> Vec<usize> {
    received(stage).batches.iter().map(|one| one.batch.messages.len()).collect()
}

fn sender(name: &str) -> Sender {
    Sender { id: Some(format!("id-{name}")), name: name.to_owned() }
}

async fn append(stage: &Stage, chat_id: &str, event: NewEvent) {
    let append = Append::new(stream("org-a", chat_id), vec![event.of("org-a", "acme")]);
    stage.log.append(append).await.unwrap();
}
