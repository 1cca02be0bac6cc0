//! Finding out what became of an upload whose answer was lost: by a crash, a cut connection, a 5xx.
//!
//! The destination is listed afresh. A file with our name and size that no other effect has made is read back and
//! compared with the source, byte for byte by MD5. Only when it differs, or is not there, is the upload done again.

use catalogue::transfer::Verification;
use chrono::{DateTime, Utc};
use event_log::sql::{self, Pool};
use providers::error::Error as Refusal;
use providers::zoho::Client;
use providers::zoho::workdrive::{Item, Uploaded};

use super::file::{Told, keep_our_style, read_back, succeeded};
use super::name::{is_same, is_stamped, may_be};
use super::request::{CopiedFile, CopyFile};
use crate::Error;
use crate::context::Context;
use crate::ledger::{Effect, Verdict};
use crate::trouble::Trouble;

/// Providers' clocks and ours may differ by this much.
const CLOCK_SKEW: chrono::Duration = chrono::Duration::minutes(10);

/// Settles the effect.
pub(crate) async fn run(context: &Context, effect: &Effect, request: &CopyFile) -> Result<Verdict, Trouble> {
    let settings = context.settings.transfers.get(&request.transfer)?;
    let source = context.zoho(&settings.source)?;
    let destination = context.zoho(&settings.destination)?;
    // Settling begins so long after the attempt ended, so such a listing is from after it; effects of one folder that are
    // settled together share it. Half of it, because the attempt may have been another process's, by another clock.
    let max_age = context.timing.settle_after / 2;
    let there = context
        .listings
        .items(&settings.destination, destination, &request.destination_folder_id, max_age)
        .await
        .map_err(Trouble::Read)?;
    let candidates = candidates(effect.unknown_since, request, &there);
    if candidates.is_empty() {
        return Ok(Verdict::NotDone);
    }
    let ours = source_sum(source, request, &candidates).await?;
    for candidate in candidates {
        if belongs_to_another(context.log.database().readers(), effect, request, candidate).await? {
            continue;
        }
        let Some(copied) = compared(destination, request, candidate, ours).await? else { continue };
        let copied = with_our_name(context, destination, request, copied).await?;
        return Ok(succeeded(effect, request, copied, Told { settled: true, reused: false }));
    }
    Ok(Verdict::NotDone)
}

/// Length and MD5 of the source; absent where no candidate can be it by its length, so that reading is spared.
async fn source_sum(
    source: &Client,
    request: &CopyFile,
    candidates: &[&Item],
) -> Result<Option<(u64, [u8; 16])>, Trouble> {
    if let Some(expected) = request.size_bytes
        && candidates.iter().all(|item| item.size != Some(expected))
    {
        // It may have been changed since its folder was listed, and copied as it is now.
        let now = source.workdrive().item(&request.source_file_id).await.map_err(Trouble::Source)?;
        if candidates.iter().all(|item| item.size != now.size) {
            return Ok(None);
        }
    }
    Ok(Some(read_back(source, &request.source_file_id).await.map_err(Trouble::Source)?))
}

/// The candidate as our copy, if it is one.
async fn compared(
    destination: &Client,
    request: &CopyFile,
    candidate: &Item,
    ours: Option<(u64, [u8; 16])>,
) -> Result<Option<CopiedFile>, Trouble> {
    let Some(ours) =
        ours.filter(|ours| candidate.size.is_none_or(|size| size == ours.0 || request.size_bytes.is_none()))
    else {
        return Ok(None);
    };
    let theirs = match read_back(destination, &candidate.id).await {
        Ok(theirs) => theirs,
        // Gone since the listing.
        Err(Refusal::NotFound { .. }) => return Ok(None),
        Err(refusal) => return Err(Trouble::Read(refusal)),
    };
    let verification = match theirs == ours {
        true => Verification::VerifiedByReread,
        // Each conversion of the provider's own document formats gives other bytes: the name has to do.
        false if request.size_bytes.is_none() && is_same(&request.name, &candidate.name) => Verification::Unverifiable,
        false => return Ok(None),
    };
    Ok(Some(CopiedFile {
        destination_file_id: candidate.id.clone(),
        name: candidate.name.clone(),
        bytes: theirs.0,
        md5: Some(hex::encode(theirs.1)),
        verification,
    }))
}

/// A name that the provider made up is replaced, as it would have been had the answer arrived.
async fn with_our_name(
    context: &Context,
    destination: &Client,
    request: &CopyFile,
    copied: CopiedFile,
) -> Result<CopiedFile, Trouble> {
    if is_same(&request.name, &copied.name) || is_stamped(&copied.name) {
        return Ok(copied);
    }
    let stored = Uploaded { id: copied.destination_file_id.clone(), name: copied.name.clone(), size: None, md5: None };
    let stored = keep_our_style(destination, request, &request.name, stored, context).await?;
    Ok(CopiedFile { name: stored.name, ..copied })
}

/// Files that may be the lost upload: our name or a variation of it, made since the attempt; ours exactly comes first.
fn candidates<'a>(unknown_since: Option<DateTime<Utc>>, request: &CopyFile, there: &'a [Item]) -> Vec<&'a Item> {
    let since = unknown_since.map(|at| at - CLOCK_SKEW);
    let mut found: Vec<&Item> = there
        .iter()
        .filter(|item| !item.is_folder && !item.trashed)
        .filter(|item| may_be(&request.name, &item.name) || may_be(&request.source_name, &item.name))
        .filter(|item| since.is_none() || item.created.is_none() || item.created >= since)
        .collect();
    found.sort_by_key(|item| (!is_same(&request.name, &item.name), item.id.clone()));
    found
}

/// Whether another effect has put this file there, or is about to put one of this very name there.
async fn belongs_to_another(
    readers: &Pool,
    effect: &Effect,
    request: &CopyFile,
    candidate: &Item,
) -> Result<bool, Error> {
    let folder = &request.destination_folder_id;
    let wanted_by_us = is_same(&request.name, &candidate.name);
    Ok(sql::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM effects WHERE once_key > $1 AND once_key < $2 AND effect_key <> $3 \
         AND (status = 'succeeded' AND result ->> 'destination_file_id' = $4 \
           OR NOT $5 AND status IN ('planned', 'started', 'unknown') AND request ->> 'name' = $6))",
    )
    .bind(format!("{folder}:"))
    .bind(format!("{folder};"))
    .bind(&effect.key)
    .bind(&candidate.id)
    .bind(wanted_by_us)
    .bind(&candidate.name)
    .fetch_one(readers)
    .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> CopyFile {
        CopyFile {
            transfer: "t".to_owned(),
            record_id: "1".to_owned(),
            source_file_id: "s".to_owned(),
            source_version: "1-3".to_owned(),
            source_name: "plan.pdf".to_owned(),
            name: "plan_20260101_000000.pdf".to_owned(),
            path: "F/plan.pdf".to_owned(),
            destination_folder_id: "d".to_owned(),
            size_bytes: Some(3),
        }
    }

    fn item(id: &str, name: &str, created: Option<DateTime<Utc>>) -> Item {
        Item {
            id: id.to_owned(),
            name: name.to_owned(),
            is_folder: false,
            size: Some(3),
            modified: created,
            created,
            uploaded: created,
            parent_id: None,
            native: false,
            trashed: false,
        }
    }

    fn ids(found: &[&Item]) -> Vec<String> {
        found.iter().map(|item| item.id.clone()).collect()
    }

    #[test]
    fn candidates_are_files_with_our_name_or_a_variation_ours_first() {
        let there = [
            item("a", "plan 01-01-2026 00:00:00:000.pdf", None),
            // The name of a later attempt, which was stamped anew.
            item("b", "plan_20260101_000105.pdf", None),
            item("c", "plan_20260101_000000.pdf", None),
            item("d", "plan2.pdf", None),
            item("e", "other.pdf", None),
            Item { is_folder: true, ..item("f", "plan.pdf", None) },
            Item { trashed: true, ..item("g", "plan.pdf", None) },
        ];
        assert_eq!(ids(&candidates(None, &request(), &there)), ["c", "a", "b"]);
    }

    #[test]
    fn file_from_before_the_attempt_is_no_candidate() {
        let started: DateTime<Utc> = "2026-01-01T12:00:00Z".parse().expect("a time");
        let there = [
            item("old", "plan.pdf", Some(started - chrono::Duration::hours(1))),
            item("skewed", "plan.pdf", Some(started - chrono::Duration::minutes(5))),
            item("new", "plan.pdf", Some(started + chrono::Duration::hours(9))),
        ];
        assert_eq!(ids(&candidates(Some(started), &request(), &there)), ["new", "skewed"]);
    }
}
