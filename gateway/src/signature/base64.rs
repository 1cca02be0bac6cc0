//! Base64 as senders write it: standard or URL-safe alphabet, with or without padding.

use ::base64::Engine as _;
use ::base64::alphabet;
use ::base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Decodes either alphabet; `None` when the text is neither.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let engine = if text.bytes().any(|byte| byte == b'-' || byte == b'_') { &URL_SAFE } else { &STANDARD };
    engine.decode(text).ok()
}

/// Decodes either alphabet into `buffer`; `None` when the text is neither or does not fit.
pub(super) fn decode_into<'b>(text: &str, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let engine = if text.bytes().any(|byte| byte == b'-' || byte == b'_') { &URL_SAFE } else { &STANDARD };
    let length = engine.decode_slice(text, buffer).ok()?;
    Some(&buffer[..length])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn both_alphabets_are_read_with_and_without_padding() {
        for text in ["+/+/8A==", "+/+/8A", "-_-_8A==", "-_-_8A"] {
            assert_eq!(decode(text).unwrap(), [0xfb, 0xff, 0xbf, 0xf0], "{text}");
        }
        assert_eq!(decode("not base64!"), None);
    }

    #[test]
    fn text_that_does_not_fit_is_refused() {
        let mut buffer = [0; 8];
        assert_eq!(decode_into("AAAA", &mut buffer), Some(&[0, 0, 0][..]));
        assert_eq!(decode_into(&"A".repeat(64), &mut buffer), None);
    }
}
