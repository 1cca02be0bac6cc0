//! What a bot in a channel tells: a new message brings the channel's sync forward; edits and deletions, which no list ever
//! shows, are facts of their own.

use std::sync::Arc;
use std::time::Duration;

use catalogue::message::{self, DELETED, Deleted, EDITED, Edited, Sender};
use chrono::TimeDelta;
use event_log::sql::Connection;
use event_log::{Append, GlobalPosition, Leadership, NewEvent, RecordedEvent, Subscription};
use mappings::channel::{Filter, LARGEST_PAGE, Mapping, State, list};
use providers::zoho::cliq::MessageId;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::chats;
use super::jobs::{self, Kind, Trigger, Wish, channel_subject};
use crate::intake::pause::Patience;
use crate::intake::{Error, Intake, only_as_leader};

/// What deliveries of such bots are verified with.
const VERIFY: &str = "zoho-cliq";
/// Positions of the log looked at in one stretch.
const WINDOW: u32 = 256;
/// How long a burst of messages is waited for before the channel is read.
const BURST: TimeDelta = TimeDelta::seconds(3);
/// How long a checkpoint may stay behind while nothing for us arrives.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// Follows what a bot tells that reports to one account.
pub(crate) struct Lane {
    pub(super) intake: Arc<Intake>,
    pub(super) leadership: Leadership,
    /// The account that deliveries come to.
    pub(super) deliveries_to: String,
    /// The account in whose channels the bot is.
    pub(super) account: String,
}

/// An event of a bot, as far as it matters (providers' documentation of bot handlers, read 2026-11).
#[derive(Debug, Deserialize)]
struct Told {
    operation: String,
    #[serde(default)]
    data: Data,
    #[serde(default)]
    user: User,
    chat: Chat,
}

#[derive(Debug, Default, Deserialize)]
struct Data {
    #[serde(default)]
    time: Value,
    #[serde(default)]
    message: Value,
}

#[derive(Debug, Default, Deserialize)]
struct User {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
}

#[derive(Debug, Deserialize)]
struct Chat {
    id: String,
    #[serde(default)]
    channel_id: Option<String>,
}

impl Lane {
    /// Follows the account's deliveries until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let mut patience = Patience::default();
        while !stop.is_cancelled() {
            let followed = self.follow(&stop).await;
            patience.survive("reading what bots tell", followed, &stop).await?;
        }
        Ok(())
    }

    async fn follow(&self, stop: &CancellationToken) -> Result<(), Error> {
        let types = vec![catalogue::delivery::RECEIVED];
        let subscription = Subscription::open(&self.intake.log, self.subscription_name(), types, WINDOW).await?;
        let mut subscription = subscription.of_account(&self.deliveries_to).with_payload();
        let mut saved = subscription.position();
        let mut save_at = Instant::now() + SAVE_EVERY;
        loop {
            let next = async {
                tokio::select! {
                    batch = subscription.next_batch() => Some(batch),
                    () = tokio::time::sleep_until(save_at) => None,
                }
            };
            let Some(next) = stop.run_until_cancelled(next).await else { return Ok(()) };
            let position = subscription.position();
            let events = next.transpose()?.map(|batch| batch.events).unwrap_or_default();
            let is_save_due = Instant::now() >= save_at && position != saved;
            if !events.is_empty() || is_save_due {
                self.handle(events, position).await?;
                saved = position;
            }
            if Instant::now() >= save_at {
                save_at = Instant::now() + SAVE_EVERY;
            }
        }
    }

    fn subscription_name(&self) -> String {
        format!("cliq-hints:{}", self.deliveries_to)
    }

    /// Facts, wishes and checkpoint in one unit of work.
    async fn handle(&self, deliveries: Vec<RecordedEvent>, up_to: GlobalPosition) -> Result<(), Error> {
        let (leadership, name) = (self.leadership.clone(), self.subscription_name());
        let account = self.account.clone();
        let organization = self.intake.settings.organization_of(&account).map(str::to_owned);
        self.intake
            .log
            .write(move |unit| {
                Box::pin(async move {
                    only_as_leader(unit, &leadership).await?;
                    let mapped = match deliveries.is_empty() {
                        true => Vec::new(),
                        false => mapped(unit.connection(), &account).await?,
                    };
                    for delivery in &deliveries {
                        let Some(told) = read(delivery) else { continue };
                        let is_ours =
                            |one: &Mapping| one.account == account && Some(&one.organization) == organization.as_ref();
                        let is_meant = |one: &&Mapping| is_ours(one) && told.is_about(one);
                        let Some(mapping) = mapped.iter().find(is_meant) else { continue };
                        if let Some(fact) = told.fact(mapping, delivery) {
                            let stream = message::stream(&mapping.account, &told.chat.id);
                            unit.append(Append::new(stream, vec![fact])).await?;
                        }
                        // Who goes on later finds what was told meanwhile; a list would never show it.
                        if mapping.state == State::Paused {
                            continue;
                        }
                        let now = unit.now();
                        chats::tell(unit.connection(), now, mapping, &told.chat.id).await?;
                        let not_before = Some(now + BURST);
                        jobs::want(unit, &wish(mapping, delivery, not_before)).await?;
                    }
                    unit.save_checkpoint(&name, up_to).await?;
                    Ok(())
                })
            })
            .await
    }
}

/// The mappings of an account, paused ones too.
async fn mapped(connection: &mut Connection, account: &str) -> Result<Vec<Mapping>, Error> {
    let filter = Filter { account: Some(account.to_owned()), ..Filter::default() };
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = list(&mut *connection, &filter, after, LARGEST_PAGE).await?;
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

/// Reads a delivery of a bot; anything else leads to nothing.
fn read(delivery: &RecordedEvent) -> Option<Told> {
    let data: catalogue::delivery::Received = delivery.decode().ok()?;
    if data.verify != VERIFY {
        return None;
    }
    let told = serde_json::from_slice(delivery.payload.as_deref().unwrap_or_default());
    if told.is_err() {
        metrics::counter!("hints_skipped_total", "reason" => "malformed").increment(1);
        tracing::warn!(event.id = %delivery.id, "a webhook was kept but leads to nothing: it is no event of a bot");
    }
    told.ok()
}

impl Told {
    fn is_about(&self, mapping: &Mapping) -> bool {
        self.chat.id == mapping.chat_id || self.chat.channel_id.as_ref() == Some(&mapping.channel_id)
    }

    /// What no list shows.
    fn fact(&self, mapping: &Mapping, delivery: &RecordedEvent) -> Option<NewEvent> {
        let message = &self.data.message;
        let message_id: MessageId = text(&message["id"])?.parse().ok()?;
        let (chat_id, channel_id) = (self.chat.id.clone(), mapping.channel_id.clone());
        let time_ms = milliseconds(&self.data.time).or(delivery.received_at.map(|at| at.timestamp_millis()))?;
        let (message_id, sender) = (message_id.as_str().to_owned(), self.sender());
        let id = |word| message::changed_id(&mapping.account, &self.chat.id, &message_id, word, time_ms);
        let event = match self.operation.as_str() {
            "message_edited" => {
                let said = text(&message["text"]).or_else(|| text(&message["content"]["text"])).unwrap_or_default();
                let id = id("edited");
                let data = Edited { chat_id, channel_id, message_id, time_ms, sender, text: said };
                NewEvent::new(EDITED, "webhook", &data).with_id(id)
            }
            "message_deleted" => {
                let id = id("deleted");
                let data = Deleted { chat_id, channel_id, message_id, time_ms, sender };
                NewEvent::new(DELETED, "webhook", &data).with_id(id)
            }
            _ => return None,
        };
        let event = event.of(&mapping.account, &mapping.organization).caused_by(delivery);
        let event = event.at(chrono::DateTime::from_timestamp_millis(time_ms));
        Some(NewEvent { received_at: delivery.received_at, ..event })
    }

    fn sender(&self) -> Sender {
        let name = format!("{} {}", self.user.first_name, self.user.last_name).trim().to_owned();
        let id = text(&self.user.id);
        let name = if name.is_empty() { id.clone().unwrap_or_else(|| "unknown".to_owned()) } else { name };
        Sender { id, name }
    }
}

fn wish(mapping: &Mapping, delivery: &RecordedEvent, not_before: Option<chrono::DateTime<chrono::Utc>>) -> Wish {
    Wish {
        kind: Kind::Channel,
        subject: channel_subject(mapping.mapping_id),
        account: mapping.account.clone(),
        organization: mapping.organization.clone(),
        trigger: Trigger::Webhook,
        is_full: false,
        retry_of: None,
        not_before,
        actor: None,
        cause: Some((delivery.correlation_id, delivery.id)),
    }
}

/// A text, or a number as text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Milliseconds since 1970 as a number or as text, or a time as RFC 3339.
fn milliseconds(value: &Value) -> Option<i64> {
    let said = text(value)?;
    said.parse().ok().or_else(|| Some(chrono::DateTime::parse_from_rfc3339(&said).ok()?.timestamp_millis()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn event_of_a_bot_is_read_however_its_time_and_ids_are_spelled() {
        for time in [json!(1_768_471_500_000_i64), json!("1768471500000"), json!("2026-01-15T10:05:00Z")] {
            let body = json!({"operation": "message_edited", "data": {"time": time, "message":
                {"id": "1768471400000%2040288830613", "type": "text", "text": "new"}},
                "user": {"id": 64_396_901, "first_name": "Ann", "last_name": ""},
                "chat": {"id": "CT_1", "channel_id": "O1"}, "environment": {"x": 1}});
            let told: Told = serde_json::from_value(body).unwrap();
            assert_eq!(milliseconds(&told.data.time), Some(1_768_471_500_000));
            assert_eq!(told.sender(), Sender { id: Some("64396901".to_owned()), name: "Ann".to_owned() });
        }
    }
}
