//! What people read in the log file while effects run: which record, which folders, and how each file and batch fared.
//!
//! Written after the outcome is durable, so a line never tells more than the event log.

use catalogue::transfer::{FileCompleted, Verification};
use event_log::Append;

use crate::contact_update::request::AssignContact;
use crate::ingest::request::PostBatch;
use crate::ledger::{Effect, Kind, Verdict};
use crate::notify::request::PostNotification;
use crate::transfer::request::{CopiedFile, CopyFile, CopyFolder, Locate, UpdateRecord};

/// Tells how an effect ended, if it ended.
pub(crate) fn tell(effect: &Effect, verdict: &Verdict) {
    match effect.kind {
        Kind::Locate => located(effect, verdict),
        Kind::CopyFolder => folder(effect, verdict),
        Kind::CopyFile => file(effect, verdict),
        Kind::UpdateRecord => record(effect, verdict),
        Kind::PostBatch => batch(effect, verdict),
        Kind::AssignContact => contact(effect, verdict),
        Kind::PostNotification => notification(effect, verdict),
    }
}

fn located(effect: &Effect, verdict: &Verdict) {
    let Ok(Locate { record_id, folder_name, .. }) = effect.request() else { return };
    if let Verdict::Succeeded { result, .. } = verdict {
        let folder_id = result["source_folder_id"].as_str().unwrap_or_default();
        tracing::info!(
            record.id = record_id,
            folder.id = folder_id,
            "record {record_id}: copying folder {folder_name:?} ({folder_id})"
        );
    }
}

fn folder(effect: &Effect, verdict: &Verdict) {
    let Ok(CopyFolder { record_id, path, source_folder_id, .. }) = effect.request() else { return };
    match verdict {
        Verdict::Succeeded { result, .. } => {
            let id = result["destination_folder_id"].as_str().unwrap_or_default();
            let how = if result["created"] == true { "made" } else { "was there" };
            tracing::info!(
                record.id = record_id,
                folder.id = source_folder_id,
                "record {record_id}: folder {path:?} ({source_folder_id}) has its counterpart {id}, which {how}"
            );
        }
        Verdict::Failed { error, .. } => {
            tracing::warn!(
                record.id = record_id,
                folder.id = source_folder_id,
                "record {record_id}: folder {path:?} failed: {error}"
            );
        }
        _ => {}
    }
}

fn file(effect: &Effect, verdict: &Verdict) {
    let Ok(CopyFile { record_id, path, .. }) = effect.request() else { return };
    match verdict {
        Verdict::Succeeded { result, events, .. } => {
            let Ok(copied) = serde_json::from_value::<CopiedFile>(result.clone()) else { return };
            let CopiedFile { name, bytes, .. } = copied;
            let how = how(events, copied.verification);
            tracing::info!(
                record.id = record_id,
                "record {record_id}: file {path:?} copied as {name:?}, {bytes} bytes, {how}"
            );
        }
        Verdict::Failed { error, .. } => {
            tracing::warn!(record.id = record_id, "record {record_id}: file {path:?} failed: {error}");
        }
        _ => {}
    }
}

fn how(events: &[Append], verification: Verification) -> &'static str {
    let reused = events
        .iter()
        .flat_map(|append| &append.events)
        .filter_map(|event| serde_json::from_str::<FileCompleted>(&event.data).ok())
        .any(|completed| completed.reused);
    match (reused, verification) {
        (true, _) => "which had been done before",
        (false, Verification::Verified) => "verified",
        (false, Verification::VerifiedByReread) => "verified by reading it back",
        (false, Verification::Unverifiable) => "of which the provider gives no checksum",
    }
}

fn record(effect: &Effect, verdict: &Verdict) {
    let Ok(UpdateRecord { record_id, .. }) = effect.request() else { return };
    match verdict {
        Verdict::Succeeded { .. } => tracing::info!(record.id = record_id, "record {record_id}: its checkbox is set"),
        Verdict::Failed { error, .. } => {
            tracing::warn!(record.id = record_id, "record {record_id}: its checkbox is not set: {error}");
        }
        _ => {}
    }
}

fn batch(effect: &Effect, verdict: &Verdict) {
    let Ok(PostBatch { ingest, mapping_id, batch_id, positions, .. }) = effect.request() else { return };
    let messages = positions.len();
    match verdict {
        Verdict::Succeeded { result, .. } if result["split_into"].is_array() => tracing::info!(
            mapping.id = %mapping_id,
            "mapping {mapping_id}: batch {batch_id} of {messages} messages is too large for {ingest} and is split"
        ),
        Verdict::Succeeded { .. } => tracing::info!(
            mapping.id = %mapping_id,
            "mapping {mapping_id}: batch {batch_id} of {messages} messages is delivered to {ingest}"
        ),
        Verdict::Failed { error, .. } => tracing::warn!(
            mapping.id = %mapping_id,
            "mapping {mapping_id}: batch {batch_id} of {messages} messages is not delivered to {ingest}: {error}"
        ),
        _ => {}
    }
}

fn contact(effect: &Effect, verdict: &Verdict) {
    let Ok(AssignContact { contact_id, owner_id, .. }) = effect.request() else { return };
    match verdict {
        Verdict::Succeeded { result, .. } => {
            let how = match result["how"].as_str() {
                Some("written") => "now",
                Some("settled") => "by an attempt whose answer was lost",
                _ => "already",
            };
            tracing::info!(contact.id = contact_id, "contact {contact_id}: {owner_id} owns it in books, {how}");
        }
        Verdict::Failed { error, dead_letter: false, .. } => {
            tracing::info!(
                contact.id = contact_id,
                "contact {contact_id}: {owner_id} does not get it in books: {error}"
            );
        }
        Verdict::Failed { error, .. } => {
            tracing::warn!(
                contact.id = contact_id,
                "contact {contact_id}: {owner_id} does not own it in books: {error}"
            );
        }
        _ => {}
    }
}

fn notification(effect: &Effect, verdict: &Verdict) {
    let Ok(PostNotification { notify, id, event_type, .. }) = effect.request() else { return };
    match verdict {
        Verdict::Succeeded { .. } => {
            tracing::debug!(endpoint = notify, "endpoint {notify}: has {event_type} as {id}");
        }
        Verdict::Failed { error, .. } => {
            tracing::warn!(endpoint = notify, "endpoint {notify}: does not get {event_type} as {id}: {error}");
        }
        _ => {}
    }
}
