//! The caller's place in a trace, taken over when it is well-formed.

/// Whether `text` is a `traceparent` that may be continued (W3C Trace Context, section 3.2,
/// <https://www.w3.org/TR/trace-context/#traceparent-header>, read 2026-11).
pub(super) fn is_valid(text: &str) -> bool {
    let Some((fixed, rest)) = text.split_at_checked(55) else { return false };
    let mut parts = fixed.split('-');
    let [Some(version), Some(trace_id), Some(parent_id), Some(flags), None] =
        [parts.next(), parts.next(), parts.next(), parts.next(), parts.next()]
    else {
        return false;
    };
    let is_hex =
        |part: &str, length| part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let later_version_adds = version != "00" && rest.starts_with('-');
    is_hex(version, 2)
        && version != "ff"
        && is_hex(trace_id, 32)
        && !is_zero(trace_id)
        && is_hex(parent_id, 16)
        && !is_zero(parent_id)
        && is_hex(flags, 2)
        && (rest.is_empty() || later_version_adds)
}

#[cfg(test)]
mod tests {
    use super::is_valid;

    #[test]
    fn only_well_formed_trace_parents_are_valid() {
        const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(is_valid(GOOD));
        assert!(is_valid(&format!("01{}-what-the-future-adds", &GOOD[2..])));
        for bad in [
            "",
            "00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
            "00-ü0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
        assert!(!is_valid(&format!("{GOOD}-more")));
        assert!(!is_valid(&format!("01{}more", &GOOD[2..])));
    }
}
