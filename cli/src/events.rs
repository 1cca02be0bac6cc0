//! `events list | show | tail`: looking into the log.

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use event_log::sql;
use event_log::{Direction, EventId, Filter, GlobalPosition, Log, RecordedEvent, Sighting, Subscription, sightings};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::args::{EventFilter, EventsList, EventsShow, EventsTail};
use crate::output::Output;
use crate::time::moment;

/// `events list`
pub async fn list(log: &Log, arguments: &EventsList, output: Output) -> anyhow::Result<()> {
    if arguments.rejected {
        return crate::rejected::list(log, arguments, output).await;
    }
    let filter = filter(&arguments.filter, log.now())?;
    let before = GlobalPosition(arguments.before.unwrap_or(0));
    let events = log.list(&filter, before, Direction::Backward, arguments.limit).await?;
    output.list(&events, &["position", "recorded", "type", "stream", "source", "account"], |event| {
        vec![
            event.global_position.0.to_string(),
            event.recorded_at.format("%Y-%m-%d %H:%M:%S%.3f").to_string(),
            event.event_type.to_string(),
            event.stream_name.to_string(),
            event.source.clone(),
            event.account.clone().unwrap_or_default(),
        ]
    })?;
    Ok(())
}

/// `events tail`
pub async fn tail(log: &Log, arguments: &EventsTail, output: Output) -> anyhow::Result<()> {
    let filter = filter(&arguments.filter, log.now())?;
    let head = log.high_water_mark().await?;
    let mut after = GlobalPosition(arguments.after.unwrap_or(if arguments.follow { head.0 } else { 0 }));
    let mut follower = Subscription::open(log, "cli-tail", Vec::new(), 1_000).await?.starting_after(after);
    loop {
        loop {
            let events = log.list(&filter, after, Direction::Forward, 500).await?;
            for event in &events {
                output.item(event, || one_line(event))?;
            }
            match events.last() {
                Some(last) => after = last.global_position,
                None => break,
            }
        }
        if !arguments.follow {
            return Ok(());
        }
        tokio::select! {
            woken = follower.next_batch() => { woken?; }
            interrupted = tokio::signal::ctrl_c() => { interrupted?; return Ok(()); }
        }
    }
}

fn one_line(event: &RecordedEvent) -> String {
    format!(
        "{:>8}  {}  {:<26} {}  {}",
        event.global_position.0,
        event.recorded_at.format("%H:%M:%S%.3f"),
        event.event_type.as_str(),
        event.stream_name,
        event.data
    )
}

/// An event with everything that is known about it.
#[derive(Debug, Serialize)]
struct Whole {
    #[serde(flatten)]
    event: RecordedEvent,
    /// The body as received, as text where it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_hex: Option<String>,
    sightings: Vec<Sighting>,
}

/// A story: evidence, facts, decisions, outcomes and the effects between them.
#[derive(Debug, Serialize)]
struct Story {
    correlation_id: Uuid,
    events: Vec<RecordedEvent>,
    effects: Vec<StoryEffect>,
}

#[derive(Debug, Serialize)]
struct StoryEffect {
    effect_key: String,
    kind: String,
    status: String,
    attempt: i64,
    error_code: Option<String>,
    error: Option<String>,
}

/// `events show`
pub async fn show(log: &Log, arguments: &EventsShow, output: Output) -> anyhow::Result<()> {
    match (&arguments.event, arguments.story) {
        (_, Some(story)) => show_story(log, story, output).await,
        (Some(event), None) => show_event(log, event, output).await,
        (None, None) => bail!("name an event, or a story with --story"),
    }
}

async fn show_event(log: &Log, name: &str, output: Output) -> anyhow::Result<()> {
    let event = match (name.parse::<i64>(), name.parse::<Uuid>()) {
        (Ok(position), _) => log.event_at(GlobalPosition(position)).await?,
        (_, Ok(id)) => log.event(EventId(id)).await?,
        _ => bail!("{name:?} is neither an event id nor a position"),
    };
    let Some(event) = event else { bail!("there is no event {name}") };
    let payload = event.payload.clone();
    let text = payload.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok()).map(str::to_owned);
    let whole = Whole {
        sightings: sightings(log.database().readers(), event.id).await?,
        payload_hex: payload.as_deref().filter(|_| text.is_none()).map(hex_of),
        payload_text: text,
        event,
    };
    output.document(&whole, || pretty(&whole))?;
    Ok(())
}

async fn show_story(log: &Log, story: Uuid, output: Output) -> anyhow::Result<()> {
    let filter = Filter { correlation_id: Some(story), ..Filter::default() };
    let mut events: Vec<RecordedEvent> = Vec::new();
    loop {
        let after = events.last().map_or(GlobalPosition(0), |event| event.global_position);
        let more = log.list(&filter, after, Direction::Forward, 1_000).await?;
        if more.is_empty() {
            break;
        }
        events.extend(more);
    }
    if events.is_empty() {
        bail!("there is no story {story}; `events list` shows correlation ids with --json");
    }
    let story = Story { correlation_id: story, effects: story_effects(log, story).await?, events };
    output.document(&story, || {
        let events = story.events.iter().map(one_line);
        let effects = story.effects.iter().map(|effect| {
            let error = effect.error.as_deref().unwrap_or_default();
            format!("  {:<9} {}  attempt {}  {error}", effect.status, effect.effect_key, effect.attempt)
        });
        let heading = (!story.effects.is_empty()).then(|| "effects:".to_owned());
        events.chain(heading).chain(effects).collect::<Vec<_>>().join("\n")
    })?;
    Ok(())
}

async fn story_effects(log: &Log, story: Uuid) -> anyhow::Result<Vec<StoryEffect>> {
    let rows = sql::query(
        "SELECT effect_key, kind, status, attempt, error_code, error FROM effects \
         WHERE correlation_id = $1 ORDER BY planned_at, effect_key",
    )
    .bind(story)
    .fetch_all(log.database().readers())
    .await
    .context("reading effects")?;
    rows.into_iter()
        .map(|row| {
            Ok(StoryEffect {
                effect_key: row.try_get("effect_key")?,
                kind: row.try_get("kind")?,
                status: row.try_get("status")?,
                attempt: row.try_get("attempt")?,
                error_code: row.try_get("error_code")?,
                error: row.try_get("error")?,
            })
        })
        .collect()
}

fn filter(arguments: &EventFilter, now: DateTime<Utc>) -> anyhow::Result<Filter> {
    let time = |text: &Option<String>| text.as_deref().map(|text| moment(text, now)).transpose();
    Ok(Filter {
        event_types: arguments.types.clone(),
        account: arguments.account.clone(),
        organization: None,
        stream: arguments.stream.clone(),
        correlation_id: arguments.story,
        source: arguments.source.clone(),
        since: time(&arguments.since)?,
        until: time(&arguments.until)?,
        with_payload: false,
    })
}

fn pretty(value: &impl Serialize) -> String {
    let value: Value = serde_json::to_value(value).unwrap_or_default();
    serde_json::to_string_pretty(&value).unwrap_or_default()
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
