//! Finding out what became of an upload whose answer was lost: by a crash, a cut connection, a 5xx.
//!
//! The destination is listed afresh. A file with our name and size that no other effect has made is read back and
//! compared with the source, byte for byte by MD5. Only when it differs, or is not there, is the upload done again.

use std::time::Duration;

use catalogue::transfer::Verification;
use event_log::sqlx::{self, SqlitePool};
use providers::zoho::workdrive::Item;

use super::file::{Told, read_back, succeeded};
use super::name::is_same;
use super::request::{CopiedFile, CopyFile};
use crate::Error;
use crate::context::Context;
use crate::ledger::{Effect, Verdict};
use crate::trouble::Trouble;

/// Providers' clocks and ours may differ by this much.
const CLOCK_SKEW: chrono::Duration = chrono::Duration::minutes(10);

/// Settles the effect.
pub(crate) async fn run(context: &Context, effect: &Effect, request: &CopyFile) -> Result<Verdict, Trouble> {
    let settings = context.transfers.get(&request.transfer)?;
    let source = context.zoho(&settings.source)?;
    let destination = context.zoho(&settings.destination)?;
    let lost_for = effect.last_started_at.map_or(Duration::ZERO, |at| {
        (context.now() - at).to_std().unwrap_or_default()
    });
    // A listing from after the attempt tells; effects of one folder that are settled together share it.
    let max_age = lost_for.min(context.settle_after);
    let there =
        context.listings.items(&settings.destination, destination, &request.destination_folder_id, max_age).await?;

    let mut source_sum = None;
    for candidate in candidates(effect, request, &there) {
        if belongs_to_another(context.log.database().readers(), request, &candidate.id).await? {
            continue;
        }
        let ours = match source_sum {
            Some(sum) => sum,
            None => *source_sum.insert(read_back(source, &request.source_file_id).await?),
        };
        if read_back(destination, &candidate.id).await? == ours {
            let copied = CopiedFile {
                destination_file_id: candidate.id.clone(),
                name: candidate.name.clone(),
                bytes: ours.0,
                md5: Some(hex::encode(ours.1)),
                verification: Verification::VerifiedByReread,
            };
            return Ok(succeeded(effect, request, copied, Told { settled: true, reused: false }));
        }
    }
    Ok(Verdict::NotDone)
}

/// Files that may be the lost upload: our name (or the provider's variation of it), our size, made since the attempt.
fn candidates<'a>(effect: &Effect, request: &CopyFile, there: &'a [Item]) -> Vec<&'a Item> {
    let since = effect.last_started_at.map(|at| at - CLOCK_SKEW);
    let stem = request.name.rsplit_once('.').map_or(request.name.as_str(), |(stem, _)| stem);
    let mut found: Vec<&Item> = there
        .iter()
        .filter(|item| !item.is_folder && !item.trashed)
        .filter(|item| is_same(&request.name, &item.name) || item.name.starts_with(stem))
        .filter(|item| request.size_bytes.is_none() || item.size == request.size_bytes)
        .filter(|item| since.is_none() || item.created.is_none() || item.created >= since)
        .collect();
    found.sort_by_key(|item| (!is_same(&request.name, &item.name), item.id.clone()));
    found
}

/// Whether another effect has put this file there.
async fn belongs_to_another(readers: &SqlitePool, request: &CopyFile, file_id: &str) -> Result<bool, Error> {
    let folder = &request.destination_folder_id;
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM effects WHERE once_key > $1 AND once_key < $2 AND status = 'succeeded' \
         AND json_extract(result, '$.destination_file_id') = $3)",
    )
    .bind(format!("{folder}:"))
    .bind(format!("{folder};"))
    .bind(file_id)
    .fetch_one(readers)
    .await?)
}
