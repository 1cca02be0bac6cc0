//! Setting a record's checkbox. An absolute value, so doing it again is harmless; still it is done once.

use catalogue::crm::{UPDATE_FAILED, UPDATED, UpdateFailed, Updated, stream};
use chrono::{DateTime, Utc};
use event_log::sql;
use event_log::{Append, NewEvent, UnitOfWork};
use providers::zoho::crm::{RecordId, UpdateOptions};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Error;
use crate::context::Context;
use crate::ledger::{Effect, Verdict};
use crate::transfer::completion::set_state;
use crate::transfer::decide;
use crate::transfer::request::UpdateRecord;
use crate::transfer::settings::Settings;
use crate::trouble::Trouble;

/// Result of `crm_record.update`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Set {
    modified_time: Option<DateTime<Utc>>,
}

/// Code of an update that was not made because the record names another folder by now.
const REPOINTED: &str = "record_repointed";

/// Does the effect. The record is read first: what a person has done meanwhile is respected, and a lost answer settled.
pub(crate) async fn run(context: &Context, effect: &Effect) -> Result<Verdict, Trouble> {
    let request: UpdateRecord = effect.request()?;
    let settings = context.settings.transfers.get(&request.transfer)?;
    let crm = context.zoho(&settings.crm)?.crm();
    let record_id: RecordId = request.record_id.parse().map_err(Trouble::Read)?;
    let fields = [settings.checkbox_field.clone(), settings.folder_field.clone()];
    let record = crm.record(&settings.module, &record_id, &fields).await.map_err(Trouble::Read)?;
    let Some(record) = record else {
        let error = "the record does not exist any more".to_owned();
        return Err(Trouble::Hopeless { code: "record_gone", error });
    };
    if record.is_ticked(&settings.checkbox_field) {
        return Ok(set(effect, settings, &request, record.modified_time, true));
    }
    if effect.unknown {
        return Ok(Verdict::NotDone);
    }
    let names_now = record.text(&settings.folder_field).map(str::trim);
    if let (Some(now), Some(copied)) = (names_now, &request.folder_name)
        && now != copied
    {
        return Ok(Verdict::Failed {
            code: REPOINTED.to_owned(),
            error: format!("the record names the folder {now:?} by now, and {copied:?} was copied"),
            events: Vec::new(),
            dead_letter: false,
        });
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
    let Ok(settings) = context.settings.transfers.get(&request.transfer) else { return Vec::new() };
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
    context: &Context,
    effect: &Effect,
    verdict: &Verdict,
) -> Result<(), Error> {
    let request: UpdateRecord = effect.request()?;
    match verdict {
        Verdict::Succeeded { result, .. } => {
            let set: Option<Set> = serde_json::from_value(result.clone()).ok();
            checked(unit, &request, effect.run, set.and_then(|set| set.modified_time)).await
        }
        Verdict::Failed { code, .. } => {
            set_state(unit, &request.transfer, &request.record_id, effect.run, "unchecked").await?;
            match code == REPOINTED {
                true => follow_record(unit, context, effect, &request).await,
                false => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Asks for the folder that the record names by now, if the log knows of it already; else its change will ask.
async fn follow_record(
    unit: &mut UnitOfWork<'_>,
    context: &Context,
    effect: &Effect,
    update: &UpdateRecord,
) -> Result<(), Error> {
    let Ok(settings) = context.settings.transfers.get(&update.transfer) else { return Ok(()) };
    let record_id = &update.record_id;
    let is_present_run =
        decide::standing(unit.connection(), &settings.name, record_id).await?.is_some_and(|now| now.run == effect.run);
    let latest = decide::last_change(unit.connection(), settings, record_id).await?;
    let wanted = latest.as_ref().and_then(|changed| decide::wanted_folder(settings, changed));
    let Some(folder) = wanted.filter(|folder| is_present_run && update.folder_name.as_deref() != Some(folder)) else {
        return Ok(());
    };
    let cause = decide::Cause { correlation_id: effect.correlation_id, causation_id: effect.causation_id };
    decide::request(unit, settings, cause, record_id, folder, effect.run + 1, "changed").await
}

/// The record's checkbox is set since `modified_time`.
///
/// # Errors
/// Database failures.
async fn checked(
    unit: &mut UnitOfWork<'_>,
    request: &UpdateRecord,
    run: i64,
    modified_time: Option<DateTime<Utc>>,
) -> Result<(), Error> {
    let checked_at = modified_time.unwrap_or(unit.now());
    set_state(unit, &request.transfer, &request.record_id, run, "checked").await?;
    sql::query("UPDATE transfer_runs SET checked_at = $1 WHERE transfer = $2 AND record_id = $3")
        .bind(checked_at)
        .bind(&request.transfer)
        .bind(&request.record_id)
        .execute(unit.connection())
        .await?;
    Ok(())
}

fn about(effect: &Effect, settings: &Settings, record_id: &str, event: NewEvent) -> Append {
    let event = event.in_story(effect.correlation_id, effect.causation_id).of(&effect.account, &effect.organization);
    Append::new(stream(&settings.crm, settings.module.as_str(), record_id), vec![event])
}
