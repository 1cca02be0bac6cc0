//! Records by id.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::http::{self, answer::Answer};
use crate::zoho::call::Operation;
use crate::zoho::crm::{ApiName, Crm, FIELDS_PER_CALL, RecordId, read};
use crate::zoho::lenient;

const RECORD: Operation = read("crm.record", "ZohoCRM.modules.{Module}.READ", "crm record");
const RECORDS: Operation = read("crm.records", "ZohoCRM.modules.{Module}.READ", "crm module");

/// Ids asked for in one call; the URL stays well below common limits.
const IDS_PER_CALL: usize = 100;

/// A CRM record as it was when we asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The record's id.
    pub id: RecordId,
    /// Every field of the answer, `id` and `Modified_Time` included. Zoho leaves empty fields out now and then: absent means empty.
    pub fields: Map<String, Value>,
    /// When it was last modified, by the provider's clock, in steps of a second.
    pub modified_time: Option<DateTime<Utc>>,
}

impl Record {
    /// A text field; `None` when it is empty, blank or not text.
    #[must_use]
    pub fn text(&self, field: &ApiName) -> Option<&str> {
        self.fields.get(field.as_str()).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
    }

    /// A checkbox; absent and null count as not ticked.
    #[must_use]
    pub fn is_ticked(&self, field: &ApiName) -> bool {
        self.fields.get(field.as_str()).and_then(lenient::as_boolean).unwrap_or(false)
    }

    pub(super) fn from_fields(operation: &'static str, fields: Map<String, Value>) -> Result<Self, Error> {
        let id = fields.get("id").and_then(lenient::as_text).and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| Error::unreadable(operation, "a record without a usable id"))?;
        let modified_time = lenient::moment(fields.get("Modified_Time"));
        Ok(Self { id, fields, modified_time })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Rows {
    #[serde(default)]
    pub(super) data: Vec<Map<String, Value>>,
    #[serde(default)]
    pub(super) info: Info,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Info {
    pub(super) more_records: bool,
}

/// The rows of an answer; status 204 and 304 mean none.
pub(super) fn rows(operation: &'static str, answer: &Answer) -> Result<Rows, Error> {
    if matches!(answer.status.as_u16(), 204 | 304) {
        return Ok(Rows { data: Vec::new(), info: Info::default() });
    }
    answer.json(operation)
}

impl Crm<'_> {
    /// One record, or `None` when it does not exist.
    ///
    /// `id` and `Modified_Time` are always read in addition to `fields`.
    ///
    /// # Errors
    /// [`Error::Rejected`] naming the module or field that does not exist or when more than 50 fields are asked for,
    /// [`Error::MissingScope`], [`Error::Throttled`], and those of every call.
    pub async fn record(&self, module: &ApiName, id: &RecordId, fields: &[ApiName]) -> Result<Option<Record>, Error> {
        let url = self.url(&[module.as_str(), id.as_str()]);
        let url = http::with_query(url, &[("fields", &field_list(fields)?)]);
        let answer = match self.client.call(self.call(&RECORD, id.as_str()), self.get(url)).await {
            Ok(answer) => answer,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let first = rows(RECORD.name, &answer)?.data.into_iter().next();
        let record = first.map(|fields| Record::from_fields(RECORD.name, fields)).transpose()?;
        Ok(record.filter(|record| record.id == *id))
    }

    /// Those of the records that exist, in the order of `ids`.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub async fn records(&self, module: &ApiName, ids: &[RecordId], fields: &[ApiName]) -> Result<Vec<Record>, Error> {
        if let [id] = ids {
            return Ok(self.record(module, id, fields).await?.into_iter().collect());
        }
        let field_list = field_list(fields)?;
        let mut found = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(IDS_PER_CALL) {
            let id_list = chunk.iter().map(RecordId::as_str).collect::<Vec<_>>().join(",");
            let url = http::with_query(self.url(&[module.as_str()]), &[("ids", &id_list), ("fields", &field_list)]);
            let answer = self.client.call(self.call(&RECORDS, module.as_str()), self.get(url)).await?;
            for fields in rows(RECORDS.name, &answer)?.data {
                let record = Record::from_fields(RECORDS.name, fields)?;
                found.insert(record.id.clone(), record);
            }
        }
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }
}

/// The `fields` parameter, which Zoho demands.
fn field_list(fields: &[ApiName]) -> Result<String, Error> {
    Ok(columns(fields)?.join(","))
}

/// `id`, then the fields without repetition, then `Modified_Time`.
pub(super) fn columns(fields: &[ApiName]) -> Result<Vec<&str>, Error> {
    let mut columns = vec!["id"];
    for field in fields.iter().map(ApiName::as_str).chain(["Modified_Time"]) {
        if !columns.contains(&field) {
            columns.push(field);
        }
    }
    if columns.len() > FIELDS_PER_CALL {
        return Err(Error::refused_input("too_many_fields", "fields", "at most 50 fields in one call"));
    }
    Ok(columns)
}
