//! Pages of lists that go on by a token.

use serde_json::{Map, Value};

use crate::error::Error;
use crate::http::answer::Answer;
use crate::zoho::lenient;

/// Where a list is read from. Tokens are the provider's and mean nothing to anybody else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PageFrom {
    /// The beginning.
    #[default]
    Start,
    /// The page after the one that gave this token, [`Page::next`].
    Next(String),
    /// What changed since the list that gave this token, [`Page::sync_token`].
    Since(String),
}

impl PageFrom {
    /// The query parameter, where there is one. The two tokens exclude each other.
    pub(super) fn parameter(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Start => None,
            Self::Next(token) => Some(("next_token", token)),
            Self::Since(token) => Some(("sync_token", token)),
        }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the list goes on; `None` at its end.
    pub next: Option<String>,
    /// What to ask with later for what changed since; given on the last page, and by some lists on every page.
    pub sync_token: Option<String>,
}

/// Reads a page whose rows lie under one of `keys`. Status 204 means no rows.
///
/// # Errors
/// [`Error::Unreadable`] when there is no such list, when a row is none, or when the next page is the one just read.
pub(super) fn page<T>(
    operation: &'static str,
    answer: &Answer,
    keys: &[&str],
    asked: &PageFrom,
    row: impl Fn(Map<String, Value>) -> Result<T, Error>,
) -> Result<Page<T>, Error> {
    if answer.body.is_empty() {
        return Ok(Page { rows: Vec::new(), next: None, sync_token: None });
    }
    let mut body: Map<String, Value> = answer.json(operation)?;
    let rows = list(operation, &mut body, keys)?;
    let next = token(&body, "next_token");
    if let (Some(next), PageFrom::Next(asked)) = (&next, asked)
        && next == asked
    {
        return Err(Error::unreadable(operation, "the next page is the one just read"));
    }
    let rows = rows.into_iter().map(row).collect::<Result<_, _>>()?;
    Ok(Page { rows, next, sync_token: token(&body, "sync_token") })
}

/// The list of objects under the first of `keys` that there is.
pub(super) fn list(
    operation: &'static str,
    body: &mut Map<String, Value>,
    keys: &[&str],
) -> Result<Vec<Map<String, Value>>, Error> {
    let Some(Value::Array(rows)) = keys.iter().find_map(|key| body.remove(*key)) else {
        return Err(Error::unreadable(operation, format!("no list {}", keys.join(" or "))));
    };
    rows.into_iter()
        .map(|row| match row {
            Value::Object(fields) => Ok(fields),
            _ => Err(Error::unreadable(operation, "a row is no object")),
        })
        .collect()
}

fn token(body: &Map<String, Value>, name: &str) -> Option<String> {
    body.get(name).and_then(lenient::as_text).filter(|token| !token.is_empty())
}

/// A text field; absent, null and blank are all nothing.
pub(super) fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    fields.get(name).and_then(lenient::as_text).filter(|text| !text.trim().is_empty())
}
