//! Times as Books writes them: an offset without colon, which strict RFC 3339 readers refuse (zoho.md section 4.2).

use chrono::{DateTime, FixedOffset};

use crate::clock::{Millis, instant};

const FORMAT: &str = "%Y-%m-%dT%H:%M:%S%z";
/// Characters of `2016-06-05T02:30:08-0700`.
const LENGTH: usize = 24;

/// The instant to the second, such as `2016-06-05T02:30:08-0700`.
pub(super) fn stamp(at: Millis, offset: FixedOffset) -> String {
    instant(at).with_timezone(&offset).format(FORMAT).to_string()
}

/// Reads such a time; `Z` and offsets with a colon are not taken (zoho.md section 4.3).
pub(super) fn read(text: &str) -> Option<Millis> {
    let sign = text.len().checked_sub(5).and_then(|at| text.get(at..=at))?;
    let shape = text.len() == LENGTH && matches!(sign, "+" | "-");
    if !shape {
        return None;
    }
    DateTime::parse_from_str(text, FORMAT).ok().map(|at| at.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offset_has_no_colon() {
        let offset = FixedOffset::west_opt(7 * 3600).expect("seven hours");
        assert_eq!(stamp(1_465_119_008_900, offset), "2016-06-05T02:30:08-0700");
    }

    #[test]
    fn only_the_own_form_is_read() {
        assert_eq!(read("2016-06-05T02:30:08-0700"), Some(1_465_119_008_000));
        for other in ["2016-06-05T02:30:08-07:00", "2016-06-05T09:30:08Z", "2016-06-05T09:30:08 0000", "soon"] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
