//! The state that a person carries to the provider and back: unguessable, known to us by its hash alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};

use super::ConnectError;

/// Random bytes in a state.
const BYTES: usize = 32;

/// A new state, for an address.
///
/// # Errors
/// [`ConnectError::NoRandom`].
pub(super) fn new() -> Result<String, ConnectError> {
    let mut bytes = [0_u8; BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| ConnectError::NoRandom)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What is kept of a state. It is random and long, so that a plain hash cannot be turned back.
pub(super) fn hash(state: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, state.as_bytes()))
}
