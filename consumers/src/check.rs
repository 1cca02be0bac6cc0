//! From completed transfers to checked records.

use catalogue::crm;
use catalogue::transfer::{COMPLETED, Completed};
use event_log::sql;
use event_log::{EventType, RecordedEvent, UnitOfWork};

use crate::Error;
use crate::ledger::{Kind, Planned, plan, start_over};
use crate::transfer::completion::set_state;
use crate::transfer::decide::{Cause, last_change, request, standing, wanted_folder};
use crate::transfer::request::UpdateRecord;
use crate::transfer::settings::Transfers;

/// The events this decider follows.
pub const FOLLOWS: [EventType; 1] = [COMPLETED];

/// Handles one event inside the unit of work that also moves the checkpoint.
///
/// # Errors
/// Database failures; an event that does not decode.
pub async fn decide(unit: &mut UnitOfWork<'_>, transfers: &Transfers, event: &RecordedEvent) -> Result<(), Error> {
    let completed: Completed = event.decode()?;
    let Ok(settings) = transfers.get(&completed.transfer) else { return Ok(()) };
    let standing = standing(unit.connection(), &settings.name, &completed.record_id).await?;
    if standing.is_none_or(|now| now.run != completed.run) {
        // A file of an earlier run was sent on its way again; the record's present run decides about its checkbox.
        return Ok(());
    }
    let latest = last_change(unit.connection(), settings, &completed.record_id).await?;
    let wanted = latest.as_ref().and_then(|changed| wanted_folder(settings, changed));
    if let Some(folder) = wanted.filter(|folder| *folder != completed.folder_name) {
        // The record was pointed at another folder while its old one was being copied.
        let folder = folder.to_owned();
        return request(
            unit,
            settings,
            Cause::from(event),
            &completed.record_id,
            &folder,
            completed.run + 1,
            "changed",
        )
        .await;
    }
    if !completed.check {
        return Ok(());
    }
    let update = UpdateRecord {
        transfer: settings.name.clone(),
        record_id: completed.record_id.clone(),
        folder_name: Some(completed.folder_name.clone()),
    };
    let key = format!("crm_record.update:{}:{}:{}", settings.name, completed.record_id, completed.run);
    let planned = Planned {
        key: key.clone(),
        kind: Kind::UpdateRecord,
        stream: crm::stream(&settings.crm, settings.module.as_str(), &completed.record_id),
        run: completed.run,
        account: settings.crm.clone(),
        source_account: None,
        organization: settings.organization.clone(),
        once_key: None,
        sequence: None,
        bytes: None,
        request: Planned::encode(&update),
        correlation_id: event.correlation_id,
        causation_id: Some(event.id),
        not_before: None,
    };
    let now = unit.now();
    plan(unit.connection(), now, &[planned]).await?;
    let done: bool = sql::query_scalar("SELECT status = 'succeeded' FROM effects WHERE effect_key = $1")
        .bind(&key)
        .fetch_one(unit.connection())
        .await?;
    // A file that was sent on its way again has completed the run once more: its record is checked already, or the
    // check had been given up and gets another chance.
    if done {
        return set_state(unit, &settings.name, &completed.record_id, completed.run, "checked").await;
    }
    start_over(unit.connection(), now, &key).await?;
    Ok(())
}
