//! The public key of a Cliq bot: a `SubjectPublicKeyInfo` (RFC 5280, section 4.1) in PEM (RFC 7468), with an RSA key inside
//! (RFC 8017, appendix A.1.1).

use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

use crate::signature::base64;

/// Why a text is not a key that signatures can be checked with. The text itself is never part of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// It is something else, or damaged.
    #[error(
        "is not a public key in PEM; copy all of it from the bot's page in Cliq's developer console, from \
         -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----"
    )]
    NotPem,
    /// It is the key of another algorithm.
    #[error("is not an RSA key; copy the one that Cliq's developer console shows for the bot")]
    NotRsa,
    /// It is too short to be safe or too long to be Cliq's.
    #[error("has {bits} bits, and from 2048 to 4096 are accepted; let Cliq's developer console make a new one")]
    Size {
        /// Length of its modulus.
        bits: usize,
    },
}

/// An RSA key of 2048 to 4096 bits.
#[derive(Clone)]
pub(super) struct PublicKey(RsaPublicKeyComponents<Vec<u8>>);

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PublicKey(..)")
    }
}

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
/// `rsaEncryption` without parameters: what the algorithm of every RSA key is (RFC 3279, section 2.3.1).
const RSA_ENCRYPTION: [u8; 13] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

impl PublicKey {
    /// Reads the PEM; line breaks may be written as `\n`, as variables of the environment often have them.
    pub(super) fn parse(pem: &str) -> Result<Self, InvalidKey> {
        let pem = pem.replace("\\n", "\n");
        let encoded = pem.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).ok_or(InvalidKey::NotPem)?.0;
        let encoded: String = encoded.split_whitespace().collect();
        let der = base64::decode(&encoded).ok_or(InvalidKey::NotPem)?;
        let (algorithm, key) = algorithm_and_key(&der).ok_or(InvalidKey::NotPem)?;
        if algorithm != RSA_ENCRYPTION {
            return Err(InvalidKey::NotRsa);
        }
        let (modulus, exponent) = modulus_and_exponent(key).ok_or(InvalidKey::NotPem)?;
        let bits = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
        if !(2048..=4096).contains(&bits) {
            return Err(InvalidKey::Size { bits });
        }
        Ok(PublicKey(RsaPublicKeyComponents { n: modulus.to_vec(), e: exponent.to_vec() }))
    }

    /// Whether the signature was made over `message` with the private key to this one: RSASSA-PKCS1-v1_5 with SHA-256.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
    }
}

/// The parts of a `SubjectPublicKeyInfo`.
fn algorithm_and_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (info, []) = element(der, SEQUENCE)? else { return None };
    let (algorithm, rest) = element(info, SEQUENCE)?;
    let (bits, []) = element(rest, BIT_STRING)? else { return None };
    // The first byte counts unused bits, of which a key has none.
    let (0, key) = bits.split_first()? else { return None };
    Some((algorithm, key))
}

/// The parts of an `RSAPublicKey`, both odd, without leading zeros.
fn modulus_and_exponent(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (key, []) = element(der, SEQUENCE)? else { return None };
    let (modulus, rest) = element(key, INTEGER)?;
    let (exponent, []) = element(rest, INTEGER)? else { return None };
    let (modulus, exponent) = (positive(modulus)?, positive(exponent)?);
    // An exponent of one would let everything be its own signature; ring takes up to five bytes.
    let fits = modulus.last()? & 1 == 1 && exponent.last()? & 1 == 1 && exponent != [1] && exponent.len() <= 5;
    fits.then_some((modulus, exponent))
}

/// The bytes of an integer above zero.
fn positive(integer: &[u8]) -> Option<&[u8]> {
    let (first, rest) = integer.split_first()?;
    match first {
        0 => (rest.first()? & 0x80 != 0).then_some(rest),
        1..=0x7f => Some(integer),
        0x80.. => None,
    }
}

/// The content of the DER element at the start (ITU-T X.690, section 8.1), and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (short, rest) = rest.split_first()?;
    let (length, rest) = match short {
        0..=0x7f => (usize::from(*short), rest),
        0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        0x82 => rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
        _ => return None,
    };
    (*found == tag).then(|| rest.split_at_checked(length))?
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    const RSA_2048: &str = include_str!("../../../tests/cliq/rsa-2048.pem");
    const RSA_4096: &str = include_str!("../../../tests/cliq/rsa-4096.pem");
    const EVENT: &[u8] = include_bytes!("../../../tests/cliq/event.json");

    fn signature(text: &str) -> Vec<u8> {
        STANDARD.decode(text).unwrap()
    }

    #[test]
    fn keys_of_2048_and_4096_bits_verify_what_openssl_signed() {
        let small = PublicKey::parse(RSA_2048).unwrap();
        let large = PublicKey::parse(RSA_4096).unwrap();
        let by_small = signature(include_str!("../../../tests/cliq/event.signature"));
        let by_large = signature(include_str!("../../../tests/cliq/event.signature-4096"));
        assert!(small.verifies(EVENT, &by_small) && large.verifies(EVENT, &by_large));
        assert!(!small.verifies(EVENT, &by_large) && !large.verifies(EVENT, &by_small));
    }

    #[test]
    fn line_breaks_survive_an_environment_that_escapes_them() {
        assert!(PublicKey::parse(&RSA_2048.trim_end().replace('\n', "\\n")).is_ok());
        assert!(PublicKey::parse(&RSA_2048.replace('\n', " ")).is_ok());
        assert!(PublicKey::parse(&format!("a comment\r\n{}", RSA_2048.replace('\n', "\r\n"))).is_ok());
    }

    #[test]
    fn other_keys_and_sizes_are_refused_with_what_to_do() {
        let refused = |pem: &str| PublicKey::parse(pem).unwrap_err();
        assert_eq!(refused(include_str!("../../../tests/cliq/rsa-1024.pem")), InvalidKey::Size { bits: 1024 });
        assert_eq!(refused(include_str!("../../../tests/cliq/rsa-4104.pem")), InvalidKey::Size { bits: 4104 });
        assert_eq!(refused(include_str!("../../../tests/cliq/ec-p256.pem")), InvalidKey::NotRsa);
        for pem in
            ["", "hunter2", "-----BEGIN PUBLIC KEY-----", "-----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----"]
        {
            assert_eq!(refused(pem), InvalidKey::NotPem, "{pem}");
        }
        assert_eq!(refused(&RSA_2048.replace("PUBLIC", "PRIVATE")), InvalidKey::NotPem);
        assert!(InvalidKey::Size { bits: 1024 }.to_string().contains("1024 bits, and from 2048 to 4096"));
    }

    #[test]
    fn integers_are_above_zero_and_written_shortest() {
        assert_eq!(positive(&[0, 0x80]), Some(&[0x80][..]));
        assert_eq!(positive(&[1, 0, 1]), Some(&[1, 0, 1][..]));
        for bad in [&[][..], &[0], &[0, 1], &[0x80]] {
            assert_eq!(positive(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_damage_to_a_key_makes_parsing_panic(place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
            let encoded: String = RSA_2048.lines().filter(|line| !line.starts_with('-')).collect();
            let mut der = STANDARD.decode(encoded).unwrap();
            let at = place.index(der.len());
            der[at] = byte;
            if cut {
                der.truncate(at);
            }
            let _ = PublicKey::parse(&format!("{BEGIN}{}{END}", STANDARD.encode(der)));
        }
    }
}
