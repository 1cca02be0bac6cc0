//! Records that wait for their transfer: checkbox not ticked, folder named.
//!
//! Asked with COQL, which reads the database and not the search index, ascending by id with the last seen id as the place
//! to go on, so that inserted rows cannot shift a page. Every row is checked again here.

use serde_json::json;

use reqwest::Method;

use crate::error::Error;
use crate::zoho::call::Operation;
use crate::zoho::crm::record::{columns, rows};
use crate::zoho::crm::{ApiName, Crm, Record, RecordId, read};

const PENDING: Operation = read("crm.pending", "ZohoCRM.coql.READ, ZohoCRM.modules.{Module}.READ", "crm module");
const CHECK_FIELDS: Operation =
    read("crm.check_fields", "ZohoCRM.coql.READ, ZohoCRM.modules.{Module}.READ", "crm module");

/// Most rows of one COQL answer.
const LARGEST_LIMIT: u32 = 2000;

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingQuery {
    /// The module.
    pub module: ApiName,
    /// The checkbox that must not be ticked.
    pub checkbox_field: ApiName,
    /// The text field that must not be blank.
    pub folder_field: ApiName,
    /// Further fields to read.
    pub extra_fields: Vec<ApiName>,
}

/// One page of pending records.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The rows that passed the local check, ascending by id.
    pub records: Vec<Record>,
    /// The last row the provider gave, whether it passed or not; where the next page begins. `None` on an empty page.
    pub last: Option<RecordId>,
    /// Whether the provider has more.
    pub more: bool,
}

impl PendingQuery {
    /// The COQL text. Conditions are bracketed in pairs, as COQL demands; names and ids are parsed, so nothing needs escaping.
    fn coql(&self, after: Option<&RecordId>, limit: u32) -> Result<String, Error> {
        let mut fields = vec![self.folder_field.clone(), self.checkbox_field.clone()];
        fields.extend_from_slice(&self.extra_fields);
        let columns = columns(&fields)?.join(", ");
        let Self { module, checkbox_field, folder_field, .. } = self;
        let waiting = format!("(({checkbox_field} = 'false') and ({folder_field} is not null))");
        let condition = match after {
            Some(after) => format!("({waiting} and (id > '{after}'))"),
            None => waiting,
        };
        let limit = limit.clamp(1, LARGEST_LIMIT);
        Ok(format!("select {columns} from {module} where {condition} order by id asc limit {limit}"))
    }

    fn matches(&self, record: &Record) -> bool {
        !record.is_ticked(&self.checkbox_field) && record.text(&self.folder_field).is_some()
    }
}

impl Crm<'_> {
    /// One page of records whose checkbox is not ticked and whose folder field is not blank, after the given id.
    ///
    /// `limit` is the number of rows asked for, 1 to 2,000; up to 200 cost one credit.
    ///
    /// # Errors
    /// [`Error::Rejected`] naming the module or field that does not exist, [`Error::MissingScope`],
    /// [`Error::Throttled`], and those of every call.
    pub async fn pending(&self, query: &PendingQuery, after: Option<&RecordId>, limit: u32) -> Result<Page, Error> {
        let answer = self.coql(&PENDING, &query.module, &query.coql(after, limit)?).await?;
        let rows = rows(PENDING.name, &answer)?;
        let mut records = Vec::with_capacity(rows.data.len());
        for fields in rows.data {
            records.push(Record::from_fields(PENDING.name, fields)?);
        }
        let last = records.last().map(|record| record.id.clone());
        if last.is_some() && last.as_ref() == after {
            return Err(Error::unreadable(PENDING.name, "the page begins where the one before it ended"));
        }
        records.retain(|record| query.matches(record));
        Ok(Page { more: rows.info.more_records && last.is_some(), records, last })
    }

    /// Checks that the module and its fields exist and may be read, without reading more than one row.
    ///
    /// # Errors
    /// [`Error::Rejected`] whose `field` names what does not exist, [`Error::MissingScope`], [`Error::Denied`], and
    /// those of every call.
    pub async fn check_fields(&self, module: &ApiName, fields: &[ApiName]) -> Result<(), Error> {
        let columns = columns(fields)?.join(", ");
        let query = format!("select {columns} from {module} where (id is not null) limit 1");
        self.coql(&CHECK_FIELDS, module, &query).await.map(drop)
    }

    async fn coql(
        &self,
        operation: &'static Operation,
        module: &ApiName,
        query: &str,
    ) -> Result<crate::http::answer::Answer, Error> {
        let request = self.request(Method::POST, self.url(&["coql"])).json(&json!({ "select_query": query }));
        self.client.call(self.heavy_call(operation, module.as_str()), request).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn query() -> PendingQuery {
        PendingQuery {
            module: "Deals".parse().unwrap(),
            checkbox_field: "Docs_Moved".parse().unwrap(),
            folder_field: "Docs_Folder".parse().unwrap(),
            extra_fields: vec!["Deal_Name".parse().unwrap(), "id".parse().unwrap()],
        }
    }

    #[test]
    fn pages_go_on_after_the_last_id_with_conditions_in_pairs() {
        assert_eq!(
            query().coql(None, 200).unwrap(),
            "select id, Docs_Folder, Docs_Moved, Deal_Name, Modified_Time from Deals \
             where ((Docs_Moved = 'false') and (Docs_Folder is not null)) order by id asc limit 200"
        );
        assert_eq!(
            query().coql(Some(&"5200000000000001".parse().unwrap()), 9999).unwrap(),
            "select id, Docs_Folder, Docs_Moved, Deal_Name, Modified_Time from Deals \
             where (((Docs_Moved = 'false') and (Docs_Folder is not null)) and (id > '5200000000000001')) \
             order by id asc limit 2000"
        );
    }

    #[test]
    fn rows_are_checked_again_here() {
        let record = |fields: serde_json::Value| {
            Record::from_fields("crm.pending", fields.as_object().unwrap().clone()).unwrap()
        };
        assert!(query().matches(&record(json!({"id": "1", "Docs_Moved": false, "Docs_Folder": "Alpha 17"}))));
        assert!(query().matches(&record(json!({"id": 1, "Docs_Folder": "Alpha 17"}))));
        assert!(!query().matches(&record(json!({"id": "1", "Docs_Moved": true, "Docs_Folder": "Alpha 17"}))));
        assert!(!query().matches(&record(json!({"id": "1", "Docs_Moved": false, "Docs_Folder": "  "}))));
        assert!(!query().matches(&record(json!({"id": "1", "Docs_Moved": false}))));
    }
}
