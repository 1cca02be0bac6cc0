//! What the ledger remembers of each effect of a transfer. Shapes are permanent: unfinished rows outlive an upgrade.

use serde::{Deserialize, Serialize};

/// Request of `folder.locate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locate {
    /// The transfer's name in the configuration.
    pub transfer: String,
    /// The record.
    pub record_id: String,
    /// The folder it names.
    pub folder_name: String,
}

/// Request of `folder.copy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyFolder {
    /// The transfer's name in the configuration.
    pub transfer: String,
    /// The record.
    pub record_id: String,
    /// The folder at the source.
    pub source_folder_id: String,
    /// Its name, wanted at the destination.
    pub name: String,
    /// Path from the transfer's root, for people.
    pub path: String,
    /// Where its counterpart belongs.
    pub destination_parent_id: String,
    /// Its counterpart, where the parent's listing showed it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub destination_folder_id: Option<String>,
    /// We have just made the parent, so the counterpart is not there (unless we made it and forgot).
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub parent_is_new: bool,
}

/// Request of `file.copy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyFile {
    /// The transfer's name in the configuration.
    pub transfer: String,
    /// The record.
    pub record_id: String,
    /// The file at the source.
    pub source_file_id: String,
    /// Which version of it.
    pub source_version: String,
    /// Its name there.
    pub source_name: String,
    /// The name chosen for the destination.
    pub name: String,
    /// Path from the transfer's root, for people.
    pub path: String,
    /// Where it goes.
    pub destination_folder_id: String,
    /// Length by the listing; absent for the provider's own document formats, which have none.
    pub size_bytes: Option<u64>,
}

/// Result of `file.copy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedFile {
    /// The file at the destination.
    pub destination_file_id: String,
    /// Its name there.
    pub name: String,
    /// Length.
    pub bytes: u64,
    /// MD5 of the content, where it was computed.
    pub md5: Option<String>,
    /// How sure we are.
    pub verification: catalogue::transfer::Verification,
}

/// Request of `crm_record.update`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateRecord {
    /// The transfer's name in the configuration.
    pub transfer: String,
    /// The record.
    pub record_id: String,
    /// The folder that was copied: a record that names another one by now is not checked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub folder_name: Option<String>,
}
