//! Pages of Books: numbered from 1, up to 200 rows each.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::http::answer::Answer;
use crate::zoho::lenient;

/// Most rows of one page (zoho.com/books/api/v3/introduction).
pub(super) const ROWS_PER_PAGE: usize = 200;

/// The rows of one answer.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) rows: Vec<Map<String, Value>>,
    /// Whether the provider has more; as it says, or because the page is full where it says nothing.
    pub(super) more: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PageContext {
    #[serde(deserialize_with = "lenient::boolean")]
    has_more_page: Option<bool>,
}

/// Reads the list named `key`.
///
/// # Errors
/// [`Error::Unreadable`] when there is no such list.
pub(super) fn rows(operation: &'static str, answer: &Answer, key: &str) -> Result<Rows, Error> {
    let mut body: Map<String, Value> = answer.json(operation)?;
    let Some(Value::Array(list)) = body.remove(key) else {
        return Err(Error::unreadable(operation, format!("no list {key}")));
    };
    let mut rows = Vec::with_capacity(list.len());
    for row in list {
        let Value::Object(fields) = row else {
            return Err(Error::unreadable(operation, format!("a row of {key} is no object")));
        };
        rows.push(fields);
    }
    let context = body.remove("page_context").map(serde_json::from_value::<PageContext>);
    let said = context.and_then(Result::ok).and_then(|context| context.has_more_page);
    let more = !rows.is_empty() && said.unwrap_or(rows.len() >= ROWS_PER_PAGE);
    Ok(Rows { rows, more })
}

/// A text field; absent, null and `""` are all nothing at Books.
pub(super) fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    fields.get(name).and_then(lenient::as_text).filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn more(body: &str) -> bool {
        rows("books.users", &Answer::sample(200, &[], body), "users").unwrap().more
    }

    #[test]
    fn the_last_page_is_known_by_what_it_says_or_by_its_length() {
        assert!(more(r#"{"users":[{}],"page_context":{"has_more_page":true}}"#));
        assert!(more(r#"{"users":[{}],"page_context":{"has_more_page":"true"}}"#));
        assert!(!more(r#"{"users":[{}],"page_context":{"has_more_page":false}}"#));
        assert!(!more(r#"{"users":[{}]}"#));
        assert!(!more(r#"{"users":[],"page_context":{"has_more_page":true}}"#));
        assert!(more(&format!(r#"{{"users":[{}]}}"#, vec!["{}"; 200].join(","))));
    }

    #[test]
    fn an_answer_without_the_list_is_unreadable() {
        for body in ["{}", r#"{"users":{}}"#, r#"{"users":[1]}"#, "<html>"] {
            let answer = Answer::sample(200, &[], body);
            assert!(matches!(rows("books.users", &answer, "users"), Err(Error::Unreadable { .. })), "{body}");
        }
    }
}
