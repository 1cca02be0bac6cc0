//! Verifying a notification (Standard Webhooks 1.0.0, "Signature scheme" and "Verifying signatures").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::call::Call;

/// A notification that is believed.
#[derive(Debug)]
pub(super) struct Signed<'c> {
    pub(super) id: &'c str,
    /// Seconds since 1970.
    pub(super) timestamp: i64,
    /// Which of the known secrets have signed, from 0.
    pub(super) by: Vec<usize>,
}

/// Why a notification is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    HeaderMissing,
    IdWithDot,
    NoTime,
    WrongTime,
    NotSigned,
    NoJson,
}

impl Refusal {
    pub(super) fn status(self) -> u16 {
        match self {
            Self::WrongTime | Self::NotSigned => 401,
            _ => 400,
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::HeaderMissing => "webhook-id, webhook-timestamp or webhook-signature is missing",
            Self::IdWithDot => "webhook-id is empty or holds a dot",
            Self::NoTime => "webhook-timestamp is no whole number of seconds",
            Self::WrongTime => "webhook-timestamp is too far from now",
            Self::NotSigned => "no signature was made with a known secret",
            Self::NoJson => "the body is not JSON",
        }
    }
}

pub(super) fn verify<'c>(
    call: &'c Call,
    body: &[u8],
    secrets: &[String],
    now_seconds: i64,
    tolerance_seconds: i64,
) -> Result<Signed<'c>, Refusal> {
    let header = |name| call.header(name).ok_or(Refusal::HeaderMissing);
    let (id, time, signatures) = (header("webhook-id")?, header("webhook-timestamp")?, header("webhook-signature")?);
    if id.is_empty() || id.contains('.') {
        return Err(Refusal::IdWithDot);
    }
    let by = signers(id, time, body, signatures, secrets);
    if by.is_empty() {
        return Err(Refusal::NotSigned);
    }
    let timestamp: i64 = time.parse().map_err(|_| Refusal::NoTime)?;
    if (timestamp - now_seconds).abs() > tolerance_seconds {
        return Err(Refusal::WrongTime);
    }
    Ok(Signed { id, timestamp, by })
}

/// Places of the secrets that one of the signatures was made with.
fn signers(id: &str, time: &str, body: &[u8], signatures: &str, secrets: &[String]) -> Vec<usize> {
    let candidates: Vec<Vec<u8>> = signatures
        .split(' ')
        .filter_map(|signature| signature.strip_prefix("v1,"))
        .filter_map(|encoded| STANDARD.decode(encoded).ok())
        .collect();
    let has_signed = |secret: &String| {
        let key = secret.strip_prefix("whsec_").and_then(|encoded| STANDARD.decode(encoded).ok());
        let Some(Ok(mut mac)) = key.map(|key| Hmac::<Sha256>::new_from_slice(&key)) else { return false };
        mac.update(format!("{id}.{time}.").as_bytes());
        mac.update(body);
        candidates.iter().any(|candidate| mac.clone().verify_slice(candidate).is_ok())
    };
    secrets.iter().enumerate().filter(|(_, secret)| has_signed(secret)).map(|(place, _)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vector_is_believed_and_any_other_body_is_not() {
        let secrets = ["whsec_AAAA".to_owned(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()];
        let signed = |body: &[u8], signatures: &str| {
            signers("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body, signatures, &secrets)
        };
        let right = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(signed(body, right), [1]);
        assert_eq!(signed(body, &format!("v1a,xx {right} v1,AAAA")), [1]);
        assert!(signed(br#"{"test": 2432232315}"#, right).is_empty());
        assert!(signed(body, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=").is_empty());
    }
}
