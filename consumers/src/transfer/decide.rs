//! From facts to requests: which changed record asks for a transfer.
//!
//! A record asks when its checkbox is false and its folder field is not empty. It gets one run at a time. A run that did
//! not succeed is tried again when the record changes, or when a poll still finds it pending.

use catalogue::crm::{self, Changed};
use catalogue::poll::{self, Completed};
use catalogue::transfer::{REQUESTED, Requested, stream};
use chrono::{DateTime, Utc};
use event_log::sql::{self, Connection};
use event_log::{Append, EventId, EventType, NewEvent, RecordedEvent, UnitOfWork};
use serde_json::Value;
use uuid::Uuid;

use super::request::Locate;
use super::settings::{Settings, Transfers};
use crate::Error;
use crate::ledger::{Kind, Planned, plan};

/// The events this decider follows.
pub const FOLLOWS: [EventType; 2] = [crm::CHANGED, poll::COMPLETED];

/// Where a record's transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Failed,
    Unchecked,
    Checking,
    Checked,
}

impl State {
    fn parse(text: &str) -> Self {
        match text {
            "open" => State::Open,
            "failed" => State::Failed,
            "unchecked" => State::Unchecked,
            "checking" => State::Checking,
            _ => State::Checked,
        }
    }
}

/// Where a record stands, and by which run.
pub(crate) struct Standing {
    pub(crate) run: i64,
    state: State,
    checked_at: Option<DateTime<Utc>>,
}

/// Handles one event inside the unit of work that also moves the checkpoint.
///
/// # Errors
/// Database failures; an event that does not decode.
pub async fn decide(unit: &mut UnitOfWork<'_>, transfers: &Transfers, event: &RecordedEvent) -> Result<(), Error> {
    if event.event_type == crm::CHANGED {
        let changed: Changed = event.decode()?;
        let account = event.account.clone().unwrap_or_default();
        for settings in transfers.driven_by(&account, &changed.module) {
            on_changed(unit, settings, event, &changed).await?;
        }
        return Ok(());
    }
    let completed: Completed = event.decode()?;
    let Ok(settings) = transfers.get(&completed.transfer) else { return Ok(()) };
    for record_id in &completed.pending {
        on_still_pending(unit, settings, event, record_id).await?;
    }
    Ok(())
}

async fn on_changed(
    unit: &mut UnitOfWork<'_>,
    settings: &Settings,
    event: &RecordedEvent,
    changed: &Changed,
) -> Result<(), Error> {
    let Some(folder_name) = wanted_folder(settings, changed) else { return Ok(()) };
    let standing = standing(unit.connection(), &settings.name, &changed.record_id).await?;
    let run = match &standing {
        None => 1,
        Some(now) if asks_again(now, changed.modified_time) => now.run + 1,
        Some(_) => return Ok(()),
    };
    request(unit, settings, Cause::from(event), &changed.record_id, folder_name, run, "changed").await
}

async fn on_still_pending(
    unit: &mut UnitOfWork<'_>,
    settings: &Settings,
    event: &RecordedEvent,
    record_id: &str,
) -> Result<(), Error> {
    let Some(now) = standing(unit.connection(), &settings.name, record_id).await? else { return Ok(()) };
    if !matches!(now.state, State::Failed | State::Unchecked) {
        return Ok(());
    }
    let Some(changed) = last_change(unit.connection(), settings, record_id).await? else { return Ok(()) };
    let Some(folder_name) = wanted_folder(settings, &changed) else { return Ok(()) };
    request(unit, settings, Cause::from(event), record_id, folder_name, now.run + 1, "retry").await
}

/// Whether a pending-looking state of the record starts another run.
fn asks_again(now: &Standing, modified_time: Option<DateTime<Utc>>) -> bool {
    match now.state {
        State::Open | State::Checking => false,
        State::Failed | State::Unchecked => true,
        // Older states of the record arrive late; only one after our own change means that a person unticked it.
        State::Checked => modified_time.zip(now.checked_at).is_some_and(|(modified, checked)| modified > checked),
    }
}

/// The folder a record asks for, if it asks.
#[must_use]
pub fn wanted_folder<'a>(settings: &Settings, changed: &'a Changed) -> Option<&'a str> {
    let checked = match changed.fields.get(settings.checkbox_field.as_str()) {
        Some(Value::Bool(checked)) => *checked,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    };
    let folder = changed.fields.get(settings.folder_field.as_str()).and_then(Value::as_str).unwrap_or_default().trim();
    (!checked && !folder.is_empty()).then_some(folder)
}

/// What a decision follows from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cause {
    /// The story.
    pub(crate) correlation_id: Uuid,
    /// The event that led here.
    pub(crate) causation_id: Option<EventId>,
}

impl From<&RecordedEvent> for Cause {
    fn from(event: &RecordedEvent) -> Self {
        Cause { correlation_id: event.correlation_id, causation_id: Some(event.id) }
    }
}

/// Starts a run: the decision, where the record stands now, and the first effect.
///
/// # Errors
/// Database failures.
pub(crate) async fn request(
    unit: &mut UnitOfWork<'_>,
    settings: &Settings,
    cause: Cause,
    record_id: &str,
    folder_name: &str,
    run: i64,
    reason: &str,
) -> Result<(), Error> {
    let data = Requested {
        transfer: settings.name.clone(),
        module: settings.module.to_string(),
        record_id: record_id.to_owned(),
        folder_name: folder_name.to_owned(),
        run,
        reason: reason.to_owned(),
    };
    let event = NewEvent::new(REQUESTED, "decision", &data)
        .in_story(cause.correlation_id, cause.causation_id)
        .of(&settings.crm, &settings.organization);
    let stream = stream(&settings.name, record_id);
    let locate = Planned {
        key: format!("folder.locate:{}:{record_id}:{run}", settings.name),
        kind: Kind::Locate,
        stream: stream.clone(),
        run,
        account: settings.destination.clone(),
        source_account: Some(settings.source.clone()),
        organization: settings.organization.clone(),
        once_key: None,
        sequence: None,
        bytes: None,
        request: Planned::encode(&Locate {
            transfer: settings.name.clone(),
            record_id: record_id.to_owned(),
            folder_name: folder_name.to_owned(),
        }),
        correlation_id: event.correlation_id,
        causation_id: Some(event.id),
        not_before: None,
    };
    let now = unit.now();
    unit.append(Append::new(stream, vec![event])).await?;
    sql::query(
        "INSERT INTO transfer_runs (transfer, record_id, run, state, folder_name, requested_at, updated_at) \
         VALUES ($1, $2, $3, 'open', $4, $5, $5) ON CONFLICT (transfer, record_id) DO UPDATE SET run = excluded.run, \
         state = excluded.state, folder_name = excluded.folder_name, requested_at = excluded.requested_at, \
         updated_at = excluded.updated_at",
    )
    .bind(&settings.name)
    .bind(record_id)
    .bind(run)
    .bind(folder_name)
    .bind(now)
    .execute(unit.connection())
    .await?;
    plan(unit.connection(), now, &[locate]).await
}

pub(crate) async fn standing(
    connection: &mut Connection,
    transfer: &str,
    record_id: &str,
) -> Result<Option<Standing>, Error> {
    let row = sql::query("SELECT run, state, checked_at FROM transfer_runs WHERE transfer = $1 AND record_id = $2")
        .bind(transfer)
        .bind(record_id)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let state: String = row.try_get("state")?;
    Ok(Some(Standing { run: row.try_get("run")?, state: State::parse(&state), checked_at: row.try_get("checked_at")? }))
}

/// The newest state of a record that the log knows, by the provider's clock.
///
/// # Errors
/// Database failures, or data that does not decode.
pub(crate) async fn last_change(
    connection: &mut Connection,
    settings: &Settings,
    record_id: &str,
) -> Result<Option<Changed>, Error> {
    let stream = crm::stream(&settings.crm, settings.module.as_str(), record_id);
    let data: Option<String> = sql::query_scalar(
        "SELECT data FROM events WHERE stream_name = $1 AND event_type = 'crm_record.changed' \
         ORDER BY occurred_at DESC NULLS LAST, stream_version DESC LIMIT 1",
    )
    .bind(stream.as_str())
    .fetch_optional(connection)
    .await?;
    data.map(|data| {
        serde_json::from_str(&data)
            .map_err(|source| Error::Undecodable { effect_key: stream.as_str().to_owned(), source })
    })
    .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(state: State, checked_at: Option<&str>) -> Standing {
        Standing { run: 1, state, checked_at: checked_at.map(|at| at.parse().expect("a time")) }
    }

    #[test]
    fn record_asks_again_only_when_nothing_is_under_way() {
        let later = Some("2026-01-01T00:00:02Z".parse().expect("a time"));
        for (state, expected) in
            [(State::Open, false), (State::Checking, false), (State::Failed, true), (State::Unchecked, true)]
        {
            assert_eq!(asks_again(&standing(state, None), later), expected, "{state:?}");
        }
    }

    #[test]
    fn unticked_record_asks_again_but_a_late_old_state_does_not() {
        let checked = standing(State::Checked, Some("2026-01-01T00:00:01Z"));
        assert!(asks_again(&checked, Some("2026-01-01T00:00:02Z".parse().expect("a time"))));
        assert!(!asks_again(&checked, Some("2026-01-01T00:00:00Z".parse().expect("a time"))));
        assert!(!asks_again(&checked, None));
    }
}
