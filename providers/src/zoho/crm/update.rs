//! Changing a record's fields.

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::zoho::call::Operation;
use crate::zoho::crm::{ApiName, Crm, RecordId, dialect, write};
use crate::zoho::lenient;

const UPDATE: Operation = write("crm.update", "ZohoCRM.modules.{Module}.UPDATE", "crm record");

/// How to update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdateOptions {
    /// Sends `trigger: []`, so that workflows and the like of the CRM do not run. Watch channels may report it all the same.
    pub suppress_automation: bool,
}

impl Default for UpdateOptions {
    fn default() -> Self {
        Self { suppress_automation: true }
    }
}

/// An update that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updated {
    /// The record's new modification time, where the provider tells it.
    pub modified_time: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize)]
struct Results {
    data: Vec<Value>,
}

impl Crm<'_> {
    /// Sets fields of one record to absolute values. Doing it again gives the same fields and a newer modification time.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the record is gone, [`Error::Rejected`] naming the field, [`Error::Denied`],
    /// [`Error::MissingScope`], [`Error::Throttled`], [`Error::Unavailable`] with its outcome, [`Error::Unreadable`].
    ///
    /// # Cancellation
    /// Dropped in the middle, the update may or may not have happened.
    pub async fn update(
        &self,
        module: &ApiName,
        id: &RecordId,
        fields: Map<String, Value>,
        options: UpdateOptions,
    ) -> Result<Updated, Error> {
        let mut record = fields;
        record.insert("id".to_owned(), Value::from(id.as_str()));
        let mut body = json!({ "data": [record] });
        if options.suppress_automation {
            body["trigger"] = json!([]);
        }
        let request = self.request(Method::PUT, self.url(&[module.as_str(), id.as_str()])).json(&body);
        let answer = self.client.call(self.call(&UPDATE, id.as_str()), request).await?;
        let results: Results = answer.json(UPDATE.name)?;
        let call = self.call(&UPDATE, id.as_str());
        let Some(result) = results.data.first() else {
            return Err(Error::unreadable(UPDATE.name, "no result for the record"));
        };
        match result["status"].as_str() {
            Some("success") => Ok(Updated { modified_time: lenient::moment(result["details"].get("Modified_Time")) }),
            Some("error") => Err(dialect::refused(&call, result)),
            _ => Err(Error::unreadable(UPDATE.name, "a result without status")),
        }
    }
}
