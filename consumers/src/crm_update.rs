//! Setting a record's checkbox. An absolute value, so doing it again is harmless; still it is done once.

use catalogue::crm::{UPDATED, UPDATE_FAILED, UpdateFailed, Updated, stream};
use chrono::{DateTime, Utc};
use event_log::sqlx;
use event_log::{Append, NewEvent, UnitOfWork};
use providers::zoho::crm::{RecordId, UpdateOptions};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Error;
use crate::context::Context;
use crate::ledger::{Effect, Verdict};
use crate::transfer::completion::set_state;
use crate::transfer::request::UpdateRecord;
use crate::transfer::settings::Settings;
use crate::trouble::Trouble;

/// Result of `crm_record.update`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Set {
    modified_time: Option<DateTime<Utc>>,
}

/// Does the effect.
pub(crate) async fn run(context: &Context, effect: &Effect) -> Result<Verdict, Trouble> {
    let request: UpdateRecord = effect.request()?;
    let settings = context.transfers.get(&request.transfer)?;
    let crm = context.zoho(&settings.crm)?.crm();
    let record_id: RecordId = request.record_id.parse()?;
    if effect.unknown {
        let Some(record) = crm.record(&settings.module, &record_id, std::slice::from_ref(&settings.checkbox_field)).await? else {
            return Err(Trouble::Hopeless { code: "record_gone", error: "the record does not exist any more".to_owned() });
        };
        if !record.is_ticked(&settings.checkbox_field) {
            return Ok(Verdict::NotDone);
        }
        return Ok(set(effect, settings, &request, record.modified_time, true));
    }
    let fields = Map::from_iter([(settings.checkbox_field.to_string(), Value::Bool(true))]);
    let updated = crm.update(&settings.module, &record_id, fields, UpdateOptions::default()).await?;
    Ok(set(effect, settings, &request, updated.modified_time, false))
}

fn set(
    effect: &Effect,
    settings: &Settings,
    request: &UpdateRecord,
    modified_time: Option<DateTime<Utc>>,
    settled: bool,
) -> Verdict {
    let data = Updated {
        module: settings.module.to_string(),
        record_id: request.record_id.clone(),
        fields: Map::from_iter([(settings.checkbox_field.to_string(), Value::Bool(true))]),
        modified_time,
        transfer: settings.name.clone(),
        run: effect.run,
        settled,
    };
    let event = NewEvent::new(UPDATED, "effect", &data).at(modified_time);
    Verdict::Succeeded {
        result: serde_json::json!(Set { modified_time }),
        bytes: None,
        events: vec![about(effect, settings, &request.record_id, event)],
        plan: Vec::new(),
    }
}

/// What is told about an update that is given up.
pub(crate) fn given_up(context: &Context, effect: &Effect, code: &str, error: &str) -> Vec<Append> {
    let Ok(request) = effect.request::<UpdateRecord>() else { return Vec::new() };
    let Ok(settings) = context.transfers.get(&request.transfer) else { return Vec::new() };
    let data = UpdateFailed {
        module: settings.module.to_string(),
        record_id: request.record_id.clone(),
        transfer: settings.name.clone(),
        run: effect.run,
        code: code.to_owned(),
        error: error.to_owned(),
    };
    vec![about(effect, settings, &request.record_id, NewEvent::new(UPDATE_FAILED, "effect", &data))]
}

/// Called in the unit of work that finished the effect: where the record's transfer stands now.
///
/// # Errors
/// Database failures.
pub(crate) async fn settle_standing(
    unit: &mut UnitOfWork<'_>,
    request: &UpdateRecord,
    run: i64,
    verdict: &Verdict,
) -> Result<(), Error> {
    match verdict {
        Verdict::Succeeded { result, .. } => {
            let set: Option<Set> = serde_json::from_value(result.clone()).ok();
            checked(unit, request, run, set.and_then(|set| set.modified_time)).await
        }
        Verdict::Failed { .. } => set_state(unit, &request.transfer, &request.record_id, run, "unchecked").await,
        _ => Ok(()),
    }
}

/// The record's checkbox is set since `modified_time`.
///
/// # Errors
/// Database failures.
pub(crate) async fn checked(
    unit: &mut UnitOfWork<'_>,
    request: &UpdateRecord,
    run: i64,
    modified_time: Option<DateTime<Utc>>,
) -> Result<(), Error> {
    let checked_at = modified_time.unwrap_or(unit.now());
    set_state(unit, &request.transfer, &request.record_id, run, "checked").await?;
    sqlx::query("UPDATE transfer_runs SET checked_at = $1 WHERE transfer = $2 AND record_id = $3")
        .bind(checked_at)
        .bind(&request.transfer)
        .bind(&request.record_id)
        .execute(unit.connection())
        .await?;
    Ok(())
}

fn about(effect: &Effect, settings: &Settings, record_id: &str, event: NewEvent) -> Append {
    let event = event
        .in_story(effect.correlation_id, effect.causation_id)
        .of(&effect.account, &effect.organization);
    Append::new(stream(&settings.crm, settings.module.as_str(), record_id), vec![event])
}
