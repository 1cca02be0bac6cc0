//! One file or folder.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::error::Error;
use crate::http::answer::Answer;
use crate::zoho::call::Operation;
use crate::zoho::lenient;
use crate::zoho::workdrive::{WorkDrive, read};

const ITEM: Operation = read("workdrive.item", "WorkDrive.files.READ", "item");

/// Status of an item in the trash.
pub(super) const TRASHED: &str = "51";

/// A file or folder as WorkDrive shows it. Names are the provider's text and never paths: they may hold any character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Opaque id.
    pub id: String,
    /// Name, unique for nobody.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Size in bytes; `None` for folders and for native documents.
    pub size: Option<u64>,
    /// Last modification, by the provider's clock, in milliseconds.
    pub modified: Option<DateTime<Utc>>,
    /// Creation.
    pub created: Option<DateTime<Utc>>,
    /// Upload, which may be later than the creation.
    pub uploaded: Option<DateTime<Utc>>,
    /// The folder that holds it.
    pub parent_id: Option<String>,
    /// A Zoho document without bytes of its own: its download is a conversion of unforeseeable length. Seen by the
    /// missing size, which is all that a listing tells.
    pub native: bool,
    /// Whether it is in the trash.
    pub trashed: bool,
}

/// An item on the wire.
#[derive(Debug, Deserialize)]
pub(super) struct Resource {
    id: String,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Attributes {
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    kind: Option<String>,
    #[serde(deserialize_with = "lenient::boolean")]
    is_folder: Option<bool>,
    #[serde(deserialize_with = "lenient::text")]
    parent_id: Option<String>,
    #[serde(deserialize_with = "lenient::milliseconds")]
    created_time_in_millisecond: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "lenient::milliseconds")]
    modified_time_in_millisecond: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "lenient::milliseconds")]
    uploaded_time_in_millisecond: Option<DateTime<Utc>>,
    storage_info: Option<StorageInfo>,
    #[serde(deserialize_with = "lenient::text")]
    status: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StorageInfo {
    #[serde(deserialize_with = "lenient::integer")]
    size_in_bytes: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct One {
    data: Resource,
}

/// The single item of an answer.
pub(super) fn one(operation: &'static str, answer: &Answer) -> Result<Item, Error> {
    answer.json::<One>(operation)?.data.into_item(operation)
}

impl Resource {
    pub(super) fn into_item(self, operation: &'static str) -> Result<Item, Error> {
        let Self { id, attributes } = self;
        let is_folder = attributes.is_folder.unwrap_or(attributes.kind.as_deref() == Some("folder"));
        let name = attributes.name.ok_or_else(|| Error::unreadable(operation, "an item without a name"))?;
        let size = attributes.storage_info.and_then(|info| info.size_in_bytes);
        let size = size.and_then(|size| u64::try_from(size).ok()).filter(|_| !is_folder);
        Ok(Item {
            id,
            name,
            is_folder,
            size,
            modified: attributes.modified_time_in_millisecond,
            created: attributes.created_time_in_millisecond,
            uploaded: attributes.uploaded_time_in_millisecond,
            parent_id: attributes.parent_id,
            native: !is_folder && size.is_none(),
            trashed: attributes.status.as_deref() == Some(TRASHED),
        })
    }
}

impl WorkDrive<'_> {
    /// One item by id. Do not ask for the same missing id again and again: the provider answers that with a penalty.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is gone, never was, or is not visible; and those of every call.
    pub async fn item(&self, id: &str) -> Result<Item, Error> {
        Self::check_id("item", id)?;
        let answer = self.client.call(self.call(&ITEM, id), self.get(self.url(&["files", id]))).await?;
        one(ITEM.name, &answer)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn item(json: serde_json::Value) -> Item {
        serde_json::from_value::<Resource>(json).unwrap().into_item("workdrive.item").unwrap()
    }

    #[test]
    fn numbers_may_be_strings() {
        let item = item(serde_json::json!({"id": "f1x", "type": "files", "attributes": {
            "name": "plan.pdf", "type": "pdf", "is_folder": "false", "parent_id": "abc", "status": 1,
            "created_time_in_millisecond": 1768471500000_i64, "modified_time_in_millisecond": "1768471600123",
            "modified_time": "Sep 1, 10:00 AM", "storage_info": {"size_in_bytes": "52431"}}}));
        assert_eq!(item.size, Some(52431));
        assert_eq!(item.modified.map(|time| time.timestamp_millis()), Some(1_768_471_600_123));
        assert_eq!(item.created.map(|time| time.timestamp_millis()), Some(1_768_471_500_000));
        assert!(!item.is_folder && !item.native && !item.trashed);
    }

    #[test]
    fn a_file_without_size_is_a_native_document_and_status_51_is_trash() {
        let native =
            item(serde_json::json!({"id": "n", "attributes": {"name": "Notes", "is_folder": false, "status": "51"}}));
        assert!(native.native && native.trashed);
        let folder = item(serde_json::json!({"id": "d", "attributes": {"name": "Docs", "type": "folder",
            "storage_info": {"size_in_bytes": 7}}}));
        assert!(folder.is_folder && !folder.native);
        assert_eq!(folder.size, None);
    }
}
