//! Creating folders, renaming, moving to the trash.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use url::Url;

use crate::error::Error;
use crate::zoho::call::Operation;
use crate::zoho::workdrive::item::{Item, TRASHED, one};
use crate::zoho::workdrive::{JSON_API, WorkDrive, write};

const CREATE_FOLDER: Operation = write("workdrive.create_folder", "WorkDrive.files.CREATE", "parent folder");
const RENAME: Operation = write("workdrive.rename", "WorkDrive.files.UPDATE", "item");
const TRASH: Operation = write("workdrive.trash", "WorkDrive.files.UPDATE", "item");

impl WorkDrive<'_> {
    /// Creates a folder. Compare the name in the answer: where the wanted one is taken, Zoho is known to make a second
    /// folder under a changed name. Create the folders of one parent one after the other.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the parent is gone, [`Error::NameTaken`] when the provider refuses the name for that,
    /// and those of every call. After an unknown outcome list the parent before trying again.
    pub async fn create_folder(&self, parent_id: &str, name: &str) -> Result<Item, Error> {
        Self::check_id("parent folder", parent_id)?;
        let attributes = json!({ "name": name, "parent_id": parent_id });
        let body = json!({ "data": { "type": "files", "attributes": attributes } });
        let request = self.send_json(Method::POST, self.url(&["files"]), &body);
        let answer = self.client.call(self.call(&CREATE_FOLDER, parent_id), request).await;
        one(CREATE_FOLDER.name, &answer.map_err(|error| taken(error, name))?)
    }

    /// Renames a file or folder. Compare the name in the answer.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NameTaken`], and those of every call. Repeating it is harmless.
    pub async fn rename(&self, id: &str, name: &str) -> Result<Item, Error> {
        Self::check_id("item", id)?;
        let body = json!({ "data": { "type": "files", "attributes": { "name": name } } });
        let request = self.send_json(Method::PATCH, self.url(&["files", id]), &body);
        let answer = self.client.call(self.call(&RENAME, id), request).await;
        one(RENAME.name, &answer.map_err(|error| taken(error, name))?)
    }

    /// Moves a file or folder to the trash, from where a person can restore it.
    ///
    /// # Errors
    /// [`Error::NotFound`], and those of every call. Repeating it is harmless.
    pub async fn trash(&self, id: &str) -> Result<(), Error> {
        Self::check_id("item", id)?;
        let body = json!({ "data": [{ "id": id, "type": "files", "attributes": { "status": TRASHED } }] });
        let request = self.send_json(Method::PATCH, self.url(&["files"]), &body);
        self.client.call(self.call(&TRASH, id), request).await.map(drop)
    }

    fn send_json(&self, method: Method, url: Url, body: &Value) -> RequestBuilder {
        self.request(method, url).header(CONTENT_TYPE, JSON_API).body(body.to_string())
    }
}

/// A 409 to a request that carries a name.
pub(super) fn taken(error: Error, name: &str) -> Error {
    match error {
        Error::NameTaken { .. } => Error::NameTaken { name: name.to_owned() },
        error => error,
    }
}
