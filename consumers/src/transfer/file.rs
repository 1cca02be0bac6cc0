//! One file: streamed from the source into the destination, measured and hashed on the way.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use catalogue::transfer::{FILE_COMPLETED, FILE_FAILED, FileCompleted, FileFailed, Verification};
use chrono::Duration;
use event_log::Append;
use futures::{Stream, StreamExt, TryStreamExt};
use md5::{Digest, Md5};
use providers::error::Error as Refusal;
use providers::zoho::Client;
use providers::zoho::workdrive::{Download, Upload, Uploaded};
use uuid::Uuid;

use super::name::{TakenNames, free, has_suffix, is_same, sendable, stamped};
use super::request::{CopiedFile, CopyFile};
use super::settle;
use crate::context::Context;
use crate::ledger::{Effect, Twins, Verdict, tell, twins};
use crate::running::Hold;
use crate::spool::Spool;
use crate::trouble::Trouble;

/// Does the effect.
pub(crate) async fn run(context: &Context, effect: &Effect) -> Result<Verdict, Trouble> {
    let request: CopyFile = effect.request()?;
    let twins = twins(context.log.database().readers(), effect).await?;
    if let Some(verdict) = copied_by_another(effect, &request, &twins) {
        return Ok(verdict);
    }
    if effect.unknown {
        return settle::run(context, effect, &request).await;
    }
    if twins.unsettled {
        let settled = settle::run(context, effect, &request).await?;
        if settled.is_final() {
            return Ok(settled);
        }
    }
    let settings = context.settings.transfers.get(&request.transfer)?;
    let source = context.zoho(&settings.source)?;
    let destination = context.zoho(&settings.destination)?;
    let name = match effect.was_tried() {
        false => request.name.clone(),
        true => still_free_name(context, &settings.destination, destination, &request).await?,
    };
    let copied = match copy(source, destination, effect, &request, &name, context).await {
        Err(Trouble::Provider(Refusal::NameTaken { .. })) => {
            let name = stamped(&request.source_name, context.now());
            copy(source, destination, effect, &request, &name, context).await?
        }
        copied => copied?,
    };
    Ok(succeeded(effect, &request, copied, Told { settled: false, reused: false }))
}

/// What makes the outcome special.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) settled: bool,
    pub(crate) reused: bool,
}

/// The verdict on a file that is at the destination.
pub(crate) fn succeeded(effect: &Effect, request: &CopyFile, copied: CopiedFile, told: Told) -> Verdict {
    let data = FileCompleted {
        run: effect.run,
        effect_key: effect.key.clone(),
        source_file_id: request.source_file_id.clone(),
        source_version: request.source_version.clone(),
        path: request.path.clone(),
        name: copied.name.clone(),
        destination_folder_id: request.destination_folder_id.clone(),
        destination_file_id: copied.destination_file_id.clone(),
        bytes: copied.bytes,
        verification: copied.verification,
        md5: copied.md5.clone(),
        attempts: effect.attempt + 1,
        settled: told.settled,
        reused: told.reused,
    };
    Verdict::Succeeded {
        bytes: Some(copied.bytes),
        result: serde_json::to_value(&copied).expect("a copied file serialises to JSON"),
        events: vec![tell(effect, FILE_COMPLETED, &data)],
        plan: Vec::new(),
    }
}

/// What is told about a file that is given up.
pub(crate) fn given_up(effect: &Effect, code: &str, error: &str) -> Vec<Append> {
    let Ok(request) = effect.request::<CopyFile>() else { return Vec::new() };
    let data = FileFailed {
        run: effect.run,
        effect_key: effect.key.clone(),
        source_file_id: request.source_file_id,
        path: request.path,
        bytes: request.size_bytes.unwrap_or(0),
        code: code.to_owned(),
        error: error.to_owned(),
        attempts: effect.attempt + 1,
    };
    vec![tell(effect, FILE_FAILED, &data)]
}

/// Another record has brought this very version into this very folder.
fn copied_by_another(effect: &Effect, request: &CopyFile, twins: &Twins) -> Option<Verdict> {
    let copied = serde_json::from_str::<CopiedFile>(twins.result.as_deref()?).ok()?;
    Some(succeeded(effect, request, copied, Told { settled: false, reused: true }))
}

/// The planned name, unless somebody has taken it since.
async fn still_free_name(
    context: &Context,
    account: &str,
    destination: &Client,
    request: &CopyFile,
) -> Result<String, Trouble> {
    let max_age = std::time::Duration::from_secs(10);
    let there = context.listings.items(account, destination, &request.destination_folder_id, max_age).await;
    let there = there.map_err(Trouble::Read)?;
    let mut taken = TakenNames::default();
    for item in there.iter().filter(|item| !item.trashed) {
        taken.insert(&item.name);
    }
    if taken.contains(&request.name) {
        return Ok(free(&request.source_name, &taken, context.now()));
    }
    Ok(request.name.clone())
}

async fn copy(
    source: &Client,
    destination: &Client,
    effect: &Effect,
    request: &CopyFile,
    name: &str,
    context: &Context,
) -> Result<CopiedFile, Trouble> {
    let hold = context.running.hold(&effect.key);
    let download = source.workdrive().download(&request.source_file_id, None).await.map_err(Trouble::Source)?;
    if let Some(length) = download.length {
        check_length(source, request, length).await?;
    }
    let sum = Arc::new(Mutex::new(Sum::default()));
    let uploaded = match download.length {
        Some(length) => {
            let body = while_held(hold, summed(download, sum.clone()));
            upload(destination, request, name, length, body).await?
        }
        // A converted document has no length beforehand, and the upload needs one: through a file, never through memory.
        None => {
            let spool = Spool::fill(summed(download, sum.clone())).await?;
            let length = spool.length;
            check_length(source, request, length).await?;
            upload(destination, request, name, length, while_held(hold, spool.read())).await?
        }
    };
    let sum = sum.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let (bytes, md5) = (sum.bytes, sum.md5.finalize());
    let verification = match (uploaded.md5, uploaded.size) {
        (Some(theirs), _) if theirs[..] == md5[..] => Verification::Verified,
        (None, size) if size.is_none_or(|size| size == bytes) => Verification::Unverifiable,
        _ => return Err(discard(destination, &uploaded, bytes).await),
    };
    let stored = keep_our_style(destination, request, name, uploaded, context).await?;
    Ok(CopiedFile {
        destination_file_id: stored.id,
        name: stored.name,
        bytes,
        md5: Some(hex::encode(md5)),
        verification,
    })
}

/// A download of another length than the listing told is cut off, unless the file was changed since.
async fn check_length(source: &Client, request: &CopyFile, length: u64) -> Result<(), Trouble> {
    let Some(expected) = request.size_bytes.filter(|expected| *expected != length) else { return Ok(()) };
    let now = source.workdrive().item(&request.source_file_id).await.map_err(Trouble::Source)?;
    if now.size == Some(length) {
        tracing::info!("{:?} was changed since its folder was listed; its present content is copied", request.path);
        return Ok(());
    }
    let error = format!("the provider offers {length} bytes of a file of {expected}");
    Err(Trouble::Wrong { code: "incomplete", error })
}

async fn upload(
    destination: &Client,
    request: &CopyFile,
    name: &str,
    length: u64,
    body: impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
) -> Result<Uploaded, Trouble> {
    let upload = Upload {
        parent_id: request.destination_folder_id.clone(),
        name: sendable(name),
        size: length,
        override_existing: false,
        upload_id: Uuid::now_v7(),
    };
    Ok(destination.workdrive().upload(&upload, body).await?)
}

#[derive(Debug, Clone, Default)]
struct Sum {
    bytes: u64,
    md5: Md5,
}

/// The content as it passes, measured and hashed.
fn summed(
    download: Download,
    sum: Arc<Mutex<Sum>>,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    download.stream.map_err(std::io::Error::other).inspect_ok(move |chunk| {
        let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
        sum.bytes += chunk.len() as u64;
        sum.md5.update(chunk);
    })
}

/// The body breaks off once the effect may be another process's: what is left must not complete an upload that was settled as not
/// done.
fn while_held(
    hold: Hold,
    body: impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    body.map(move |chunk| match hold.is_over() {
        true => Err(std::io::Error::other("the lease ran out in the middle")),
        false => chunk,
    })
}

/// The copy is not what was sent: it must not stay.
async fn discard(destination: &Client, uploaded: &Uploaded, bytes: u64) -> Trouble {
    if let Err(refusal) = destination.workdrive().trash(&uploaded.id).await {
        return refusal.into();
    }
    Trouble::Wrong {
        code: "content_mismatch",
        error: format!(
            "the provider stored something else than the {bytes} bytes that were sent; its copy was trashed"
        ),
    }
}

/// Names tried when the provider stored another one, a second apart.
const NAMES: i64 = 3;

/// The provider stored another name. Where somebody took ours between our look and our call, its own style of renaming
/// is replaced by ours; where it lost characters on the way, they are put back. Where it refuses, its name is the truth.
pub(crate) async fn keep_our_style(
    destination: &Client,
    request: &CopyFile,
    name: &str,
    uploaded: Uploaded,
    context: &Context,
) -> Result<Uploaded, Trouble> {
    if is_same(name, &uploaded.name) {
        return Ok(uploaded);
    }
    let lost_characters = !has_suffix(name, &uploaded.name);
    let stamps = (0..NAMES).map(|later| stamped(&request.source_name, context.now() + Duration::seconds(later)));
    for ours in lost_characters.then(|| name.to_owned()).into_iter().chain(stamps) {
        match destination.workdrive().rename(&uploaded.id, &ours).await {
            Ok(item) => return Ok(Uploaded { name: item.name, ..uploaded }),
            Err(Refusal::NameTaken { .. }) => {}
            Err(refusal) => {
                tracing::warn!(error = %refusal, "the provider stored another name and refuses to change it");
                break;
            }
        }
    }
    Ok(uploaded)
}

/// MD5 and length of a file at a provider, read whole.
pub(crate) async fn read_back(client: &Client, file_id: &str) -> Result<(u64, [u8; 16]), Refusal> {
    let download = client.workdrive().download(file_id, None).await?;
    let mut sum = Sum::default();
    let mut stream = std::pin::pin!(download.stream);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        sum.bytes += chunk.len() as u64;
        sum.md5.update(&chunk);
    }
    Ok((sum.bytes, sum.md5.finalize().into()))
}
