//! The meaning of a JSON text, whatever the order of its keys, its spaces and the spelling of its numbers: what is left of
//! it after `jsonb` has kept it.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use serde_json::value::RawValue;

use crate::sql::postgres_text;

/// Adds the meaning of `text` to `hasher`. Numbers are compared exactly, digit by digit.
///
/// # Errors
/// When it is not JSON.
pub(super) fn hash(text: &str, hasher: &mut impl Hasher) -> Result<(), serde_json::Error> {
    let text = text.trim_ascii();
    match text.as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
            // The last of several equal keys counts, as in `jsonb`; replacing may make two keys equal, and change their order.
            let members: BTreeMap<String, &RawValue> =
                members.into_iter().map(|(key, value)| (postgres_text(&key).into_owned(), value)).collect();
            (b'{', members.len()).hash(hasher);
            for (key, value) in members {
                key.hash(hasher);
                hash(value.get(), hasher)?;
            }
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            (b'[', items.len()).hash(hasher);
            for item in items {
                hash(item.get(), hasher)?;
            }
        }
        Some(b'"') => {
            let string: String = serde_json::from_str(text)?;
            (b'"', &*postgres_text(&string)).hash(hasher);
        }
        Some(b'-' | b'0'..=b'9') => {
            let _: &RawValue = serde_json::from_str(text)?;
            (b'0', Decimal::of(text)).hash(hasher);
        }
        _ => {
            let _: &RawValue = serde_json::from_str(text)?;
            text.hash(hasher);
        }
    }
    Ok(())
}

/// A number as its digits without zeros at either end, and the power of ten of the last one.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// The value of a JSON number.
    fn of(text: &str) -> Self {
        let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let significant = digits.trim_end_matches('0');
        let dropped = (digits.len() - significant.len()) as i64;
        let significant = significant.trim_start_matches('0');
        if significant.is_empty() {
            return Decimal { is_negative: false, digits: String::new(), exponent: 0 };
        }
        let exponent = exponent.parse::<i64>().unwrap_or(i64::MAX);
        let exponent = exponent.saturating_sub(fraction.len() as i64).saturating_add(dropped);
        Decimal { is_negative, digits: significant.to_owned(), exponent }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;

    fn meaning(text: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        hash(text, &mut hasher).unwrap();
        hasher.finish()
    }

    #[test]
    fn spelling_makes_no_difference() {
        for (one, other) in [
            (r#"{"a":[1,2],"b":{"c":null}}"#, r#" { "b" : {"c":null} , "a" : [ 1 , 2 ] } "#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            ("1e2", "100"),
            ("1.50", "1.5"),
            ("-0.0", "0"),
            ("1E-7", "0.00000010"),
            ("123456789012345678901234567890.125", "123456789012345678901234567890.1250"),
            (r#""\u00e9\/""#, "\"\u{e9}/\""),
            (r#"{"a\u0000":1}"#, r#"{"a\ufffd":1}"#),
        ] {
            assert_eq!(meaning(one), meaning(other), "{one} and {other}");
        }
    }

    #[test]
    fn meaning_does() {
        for (one, other) in [
            ("[1,2]", "[2,1]"),
            ("[1,[2]]", "[[1],2]"),
            ("1", "\"1\""),
            ("null", "\"null\""),
            ("1", "-1"),
            ("0.1", "0.10000000000000001"),
            ("10", "1"),
            ("{}", "[]"),
            (r#"{"a":null}"#, "{}"),
            ("true", "false"),
        ] {
            assert_ne!(meaning(one), meaning(other), "{one} and {other}");
        }
    }

    #[test]
    fn what_is_not_json_is_said_to_be_none() {
        for text in ["", "{", "nothing", "1 2", "{\"a\":}", "[1,]"] {
            assert!(hash(text, &mut DefaultHasher::new()).is_err(), "{text}");
        }
    }
}
