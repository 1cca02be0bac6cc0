//! Which channels of an account may send us notifications, and the hash of each one's token.
//!
//! Read from the registrations and kept in memory. A channel that is not in memory is looked for in the database at most
//! once a second and account, however many strangers knock: whoever comes in between waits for the next look, so the
//! first notification of a channel made just now is never turned away.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use event_log::Error;
use event_log::sql::{self, Pool};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use crate::signature::zoho_crm::TokenHash;

/// Shortest time between two looks into the database.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A channel that was removed is forgotten after this time.
const KEEP: Duration = Duration::from_secs(30);
/// A look that takes longer has failed: senders wait for their answer.
const LOOK_TIMEOUT: Duration = Duration::from_secs(3);
/// Requests with unknown channels that may wait for a look; further ones are told at once to come again.
const WAITING: usize = 64;

/// The channels of one account.
#[derive(Debug)]
pub(crate) struct Channels {
    account: String,
    readers: Pool,
    by_hand: Option<(String, TokenHash)>,
    known: RwLock<Known>,
    /// The last look. Held during a look, so that those who wait share it.
    look: Mutex<Option<Look>>,
    waiting: Semaphore,
}

/// When a look began, and whether it showed anything.
#[derive(Debug)]
struct Look {
    began_at: Instant,
    result: Result<(), Error>,
}

#[derive(Debug, Default)]
struct Known {
    by_id: HashMap<String, TokenHash>,
    read_at: Option<Instant>,
}

impl Channels {
    /// The channels of `account`: those in the registrations and perhaps one that was registered by hand.
    pub(crate) fn new(account: &str, readers: Pool, by_hand: Option<(String, TokenHash)>) -> Self {
        Channels {
            account: account.to_owned(),
            readers,
            by_hand,
            known: RwLock::default(),
            look: Mutex::new(None),
            waiting: Semaphore::new(WAITING),
        }
    }

    /// The hash of the channel's token, if the account has such a channel.
    ///
    /// # Errors
    /// Database failures, [`Error::Overloaded`] when too many ask: then nobody knows whether the channel is ours.
    ///
    /// # Cancellation
    /// Safe.
    pub(crate) async fn token_hash(&self, channel_id: &str) -> Result<Option<TokenHash>, Error> {
        if let Some((_, hash)) = self.by_hand.as_ref().filter(|(id, _)| id == channel_id) {
            return Ok(Some(*hash));
        }
        if let Some(hash) = self.remembered(channel_id) {
            return Ok(Some(hash));
        }
        let Ok(_place) = self.waiting.try_acquire() else { return Err(Error::Overloaded) };
        self.look_again().await?;
        Ok(self.remembered(channel_id))
    }

    fn remembered(&self, channel_id: &str) -> Option<TokenHash> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let fresh = known.read_at.is_some_and(|read_at| read_at.elapsed() < KEEP);
        known.by_id.get(channel_id).filter(|_| fresh).copied()
    }

    /// Returns after a look that began later than the call.
    async fn look_again(&self) -> Result<(), Error> {
        let asked_at = Instant::now();
        let mut last = self.look.lock().await;
        if let Some(look) = last.as_ref() {
            if look.began_at >= asked_at {
                return look.result.clone();
            }
            tokio::time::sleep_until(look.began_at + LOOK_EVERY).await;
        }
        let began_at = Instant::now();
        let result = self.read(began_at).await;
        *last = Some(Look { began_at, result: result.clone() });
        result
    }

    async fn read(&self, began_at: Instant) -> Result<(), Error> {
        let reading = read_token_hashes(&self.readers, &self.account);
        let by_id =
            tokio::time::timeout(LOOK_TIMEOUT, reading).await.unwrap_or(Err(sqlx::Error::PoolTimedOut.into()))?;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known { by_id, read_at: Some(began_at) };
        Ok(())
    }
}

/// Channels that the provider may be using: also those whose creation it has not confirmed yet, and those that are being
/// replaced.
async fn read_token_hashes(readers: &Pool, account: &str) -> Result<HashMap<String, TokenHash>, Error> {
    let rows = sql::query(
        "SELECT registration_id, token_hash FROM registrations \
         WHERE account = $1 AND state IN ('creating', 'active', 'retiring')",
    )
    .bind(account)
    .fetch_all(readers)
    .await?;
    let mut hashes = HashMap::with_capacity(rows.len());
    for row in rows {
        let hash: Vec<u8> = row.try_get("token_hash")?;
        // A hash of another length was not made by us and can match nothing.
        if let Ok(hash) = TokenHash::try_from(hash) {
            hashes.insert(row.try_get("registration_id")?, hash);
        }
    }
    Ok(hashes)
}
