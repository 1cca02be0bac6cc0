//! Lists in pages: an opaque cursor says where the next one begins, so a page costs the same wherever it is.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Items of a page where the request does not say.
pub const DEFAULT_LIMIT: u32 = 50;
/// Items of a page at most.
pub const LARGEST_LIMIT: u32 = 500;

/// A part of a list. There is more while `next_cursor` is there.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// What is on this page; may be fewer than asked for, even none, while there is more.
    pub items: Vec<T>,
    /// For the next page, as `cursor`; absent on the last one.
    pub next_cursor: Option<String>,
}

/// A place in a list that is ordered by numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct NumberCursor(pub i64);

/// A place in a list that is ordered by names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct NameCursor(pub String);

/// The shape of a cursor, which every text of that pattern is one of.
macro_rules! cursor_shape {
    ($cursor:ident, $pattern:literal, $longest:literal, $example:literal) => {
        impl JsonSchema for $cursor {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($cursor).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": $pattern, "maxLength": $longest, "examples": [$example]})
            }
        }
    };
}

cursor_shape!(NumberCursor, "^[0-7][0-9a-f]{15}$", 16, "00000000000003e8");
cursor_shape!(NameCursor, "^([0-9a-f]{2})+$", 2048, "6f72672d61");

impl NumberCursor {
    /// As it is given out.
    #[must_use]
    pub fn written(number: i64) -> String {
        format!("{:016x}", number.max(0))
    }
}

impl NameCursor {
    /// As it is given out.
    #[must_use]
    pub fn written(name: &str) -> String {
        hex::encode(name)
    }
}

impl TryFrom<String> for NumberCursor {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        i64::from_str_radix(&text, 16).map(NumberCursor).map_err(|_| "is no cursor")
    }
}

impl TryFrom<String> for NameCursor {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let bytes = hex::decode(text).map_err(|_| "is no cursor")?;
        // A cursor that was given out is always UTF-8; any other one is some place in the list.
        Ok(NameCursor(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

impl<T> Page<T> {
    /// A page of at most `limit` of `items`, which were read with one more than that; `cursor` gives the place of the last
    /// item.
    #[must_use]
    pub fn of(mut items: Vec<T>, limit: u32, cursor: impl FnOnce(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| has_more).map(cursor);
        Page { items, next_cursor }
    }

    /// The same page of other items.
    #[must_use]
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next_cursor: self.next_cursor }
    }
}

pub(crate) fn default_limit() -> u32 {
    DEFAULT_LIMIT
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_back() {
        for number in [0, 1, i64::MAX] {
            assert_eq!(NumberCursor::try_from(NumberCursor::written(number)).unwrap().0, number);
        }
        assert_eq!(NameCursor::try_from(NameCursor::written("org-ü")).unwrap().0, "org-ü");
    }

    #[test]
    fn a_full_page_with_nothing_after_it_is_the_last_one() {
        assert_eq!(Page::of(vec![1, 2], 2, i32::to_string).next_cursor, None);
        let first = Page::of(vec![1, 2, 3], 2, i32::to_string);
        assert_eq!((first.items, first.next_cursor.as_deref()), (vec![1, 2], Some("2")));
    }
}
