//! Values that are kept as JSON in a column.

use event_log::sql::{self, FromText, Json};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value as it is read from such a column.
#[derive(Debug)]
pub(crate) struct Stored<T>(pub(crate) T);

impl<T: DeserializeOwned> FromText for Stored<T> {
    fn from_text(text: String) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Stored(serde_json::from_str(&text)?))
    }
}

/// A value as it is written to such a column.
pub(crate) fn stored(value: &impl Serialize) -> Json<String> {
    sql::json(serde_json::to_string(value).expect("what is kept serialises to JSON"))
}
