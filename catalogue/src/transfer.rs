//! Decisions and outcomes of transfers: a folder tree copied from one organisation into another.

use event_log::{EventType, StreamName};
use serde::{Deserialize, Serialize};

/// A record asks for its folder to be copied.
pub const REQUESTED: EventType = EventType::new("transfer.requested");
/// Source and destination folder were found or made.
pub const LOCATED: EventType = EventType::new("transfer.located");
/// A folder of the tree has its counterpart, and its content is planned.
pub const FOLDER_PREPARED: EventType = EventType::new("transfer_folder.prepared");
/// A folder of the tree could not be copied.
pub const FOLDER_FAILED: EventType = EventType::new("transfer_folder.failed");
/// A file is at the destination.
pub const FILE_COMPLETED: EventType = EventType::new("transfer_file.completed");
/// A file could not be copied.
pub const FILE_FAILED: EventType = EventType::new("transfer_file.failed");
/// All that could be copied is copied.
pub const COMPLETED: EventType = EventType::new("transfer.completed");
/// The transfer ended without copying: no source folder, nothing in it, access refused.
pub const FAILED: EventType = EventType::new("transfer.failed");

/// The stream of one record's transfers, all runs.
#[must_use]
pub fn stream(transfer: &str, record_id: &str) -> StreamName {
    StreamName::new("transfer", format_args!("{transfer}-{record_id}"))
}

/// Data of [`REQUESTED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    /// The transfer's name in the configuration.
    pub transfer: String,
    /// CRM module.
    pub module: String,
    /// The record that asks.
    pub record_id: String,
    /// The folder it names.
    pub folder_name: String,
    /// Number of the run for this record, first is 1.
    pub run: i64,
    /// Why: `changed` (the record changed), `retry` (still pending after a run that did not succeed), `operator`.
    pub reason: String,
}

/// Data of [`LOCATED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Located {
    /// Number of the run.
    pub run: i64,
    /// The folder that was chosen.
    pub source_folder_id: String,
    /// Its name, as it is written there.
    pub source_folder_name: String,
    /// How many folders matched the name; the most recently modified was chosen.
    pub candidates: u64,
    /// Whether the whole team folder could be searched, or only its first level.
    pub searched_everywhere: bool,
}

/// Data of [`FOLDER_PREPARED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderPrepared {
    /// Number of the run.
    pub run: i64,
    /// The folder at the source.
    pub source_folder_id: String,
    /// Its counterpart.
    pub destination_folder_id: String,
    /// Path from the transfer's root, for people; never used as a path.
    pub path: String,
    /// Whether we made the counterpart (else it was there).
    pub created: bool,
    /// Files directly in it.
    pub files: u64,
    /// Folders directly in it.
    pub folders: u64,
}

/// Data of [`FOLDER_FAILED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderFailed {
    /// Number of the run.
    pub run: i64,
    /// The folder at the source.
    pub source_folder_id: String,
    /// Path from the transfer's root.
    pub path: String,
    /// Stable code of the cause.
    pub code: String,
    /// The cause in words.
    pub error: String,
}

/// How sure we are that the bytes are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verification {
    /// The provider's checksum equals ours.
    Verified,
    /// We read the copy back and compared.
    VerifiedByReread,
    /// The provider gives no checksum; only the size was compared.
    Unverifiable,
}

/// Data of [`FILE_COMPLETED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCompleted {
    /// Number of the run.
    pub run: i64,
    /// The effect's key.
    pub effect_key: String,
    /// The file at the source.
    pub source_file_id: String,
    /// Which version of it.
    pub source_version: String,
    /// Path from the transfer's root, with the source's name.
    pub path: String,
    /// Name at the destination.
    pub name: String,
    /// Folder at the destination.
    pub destination_folder_id: String,
    /// The file at the destination.
    pub destination_file_id: String,
    /// Length.
    pub bytes: u64,
    /// How sure we are.
    pub verification: Verification,
    /// MD5 of the content, where it was computed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub md5: Option<String>,
    /// Attempts it took.
    pub attempts: i64,
    /// The answer had been lost and was settled by reading the destination back.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub settled: bool,
    /// An earlier run, or another record, had copied this version already: nothing was uploaded.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub reused: bool,
}

/// Data of [`FILE_FAILED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFailed {
    /// Number of the run.
    pub run: i64,
    /// The effect's key.
    pub effect_key: String,
    /// The file at the source.
    pub source_file_id: String,
    /// Path from the transfer's root.
    pub path: String,
    /// Length by the source's listing.
    pub bytes: u64,
    /// Stable code of the cause.
    pub code: String,
    /// The cause in words.
    pub error: String,
    /// Attempts it took.
    pub attempts: i64,
}

/// Data of [`COMPLETED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completed {
    /// The transfer's name in the configuration.
    pub transfer: String,
    /// CRM module.
    pub module: String,
    /// The record.
    pub record_id: String,
    /// The folder it named when the run began.
    pub folder_name: String,
    /// Number of the run.
    pub run: i64,
    /// Files at the destination (by this run or an earlier one).
    pub files_copied: u64,
    /// Files that could not be copied.
    pub files_failed: u64,
    /// Folders that could not be read or made.
    pub folders_failed: u64,
    /// Bytes at the destination.
    pub bytes: u64,
    /// Whether the record's checkbox is to be set.
    pub check: bool,
}

/// Data of [`FAILED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The transfer's name in the configuration.
    pub transfer: String,
    /// The record.
    pub record_id: String,
    /// The folder it named.
    pub folder_name: String,
    /// Number of the run.
    pub run: i64,
    /// Stable code: `source_folder_not_found`, `source_folder_empty`, or a provider's.
    pub code: String,
    /// The cause in words.
    pub error: String,
}
