//! What folders contain, remembered for a while.
//!
//! Providers limit how often one folder may be listed, and many effects look at the same folder: they share one listing.
//! Everything this process adds is added to the memory too. A caller says how old a listing may be. What other processes
//! add meanwhile is not in it: where that matters, the ledger is asked before anything is made.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use providers::error::Error;
use providers::zoho::Client;
use providers::zoho::workdrive::{Item, ItemFilter};
use tokio::sync::Mutex as AsyncMutex;

/// Items remembered in all folders together; a listing of a huge tree must not become a leak.
const MOST_ITEMS: usize = 200_000;

/// Shared listings of one process.
#[derive(Debug, Default)]
pub struct Listings {
    folders: Mutex<HashMap<Key, Arc<AsyncMutex<Option<Known>>>>>,
    teams: Mutex<HashMap<Key, Arc<AsyncMutex<Option<Team>>>>>,
}

type Key = (String, String);

/// Who owns a team folder, as of when.
#[derive(Debug)]
struct Team {
    asked_at: Instant,
    id: Option<String>,
}

/// A team that is not shown is asked for again after this: the grant may have been widened.
const ASK_AGAIN: Duration = Duration::from_secs(600);

#[derive(Debug)]
struct Known {
    listed_at: Instant,
    items: Arc<Vec<Item>>,
}

impl Listings {
    /// The items of a folder, listed not longer than `max_age` ago; one listing serves everybody who asks meanwhile.
    ///
    /// # Errors
    /// Whatever the provider refused the listing with.
    pub async fn items(
        &self,
        account: &str,
        client: &Client,
        folder_id: &str,
        max_age: Duration,
    ) -> Result<Arc<Vec<Item>>, Error> {
        let asked_at = Instant::now();
        let slot = self.slot(account, folder_id);
        let mut known = slot.lock().await;
        let oldest = asked_at.checked_sub(max_age).unwrap_or(asked_at);
        if let Some(known) = known.as_ref().filter(|known| known.listed_at >= oldest) {
            return Ok(known.items.clone());
        }
        // Taken before the call: what changes while the pages are read may be missing.
        let listed_at = Instant::now();
        let items = Arc::new(client.workdrive().list(folder_id, ItemFilter::All).await?);
        *known = Some(Known { listed_at, items: items.clone() });
        drop(known);
        self.make_room(account, folder_id);
        Ok(items)
    }

    /// Remembers an item that this process has just put into a folder.
    pub async fn added(&self, account: &str, folder_id: &str, item: Item) {
        let slot = self.slot(account, folder_id);
        let mut known = slot.lock().await;
        if let Some(known) = known.as_mut() {
            Arc::make_mut(&mut known.items).push(item);
        }
    }

    /// Forgets what a folder contains: a call whose answer was lost may have put something into it.
    pub async fn forget(&self, account: &str, folder_id: &str) {
        let slot = self.slot(account, folder_id);
        *slot.lock().await = None;
    }

    /// Remembers that this process has just made a folder, so it is empty.
    pub async fn made(&self, account: &str, folder_id: &str) {
        let slot = self.slot(account, folder_id);
        *slot.lock().await = Some(Known { listed_at: Instant::now(), items: Arc::default() });
    }

    /// The team that owns a team folder, asked for once; `None` when the grant does not show it.
    ///
    /// # Errors
    /// Whatever the provider refused with, and that may pass.
    pub async fn team_of(&self, account: &str, client: &Client, team_folder_id: &str) -> Result<Option<String>, Error> {
        // A lock per team folder: an account that answers slowly holds up nobody else.
        let slot = {
            let mut teams = self.teams.lock().unwrap_or_else(PoisonError::into_inner);
            teams.entry((account.to_owned(), team_folder_id.to_owned())).or_default().clone()
        };
        let mut team = slot.lock().await;
        if let Some(known) = team.as_ref().filter(|known| known.id.is_some() || known.asked_at.elapsed() < ASK_AGAIN) {
            return Ok(known.id.clone());
        }
        let id = match client.workdrive().find_team_of(team_folder_id).await {
            Ok(team) => team.map(|team| team.id),
            Err(refusal) if refusal.is_retryable() || refusal.stops_account() => return Err(refusal),
            Err(refusal) => {
                tracing::warn!(
                    account.id = account, error = %refusal,
                    "account {account} does not show its teams, so folders below the first level of the team folder are not found"
                );
                None
            }
        };
        *team = Some(Team { asked_at: Instant::now(), id: id.clone() });
        Ok(id)
    }

    fn slot(&self, account: &str, folder_id: &str) -> Arc<AsyncMutex<Option<Known>>> {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        folders.entry((account.to_owned(), folder_id.to_owned())).or_default().clone()
    }

    /// Forgets everything else when too much is remembered; whoever needs it lists again.
    fn make_room(&self, account: &str, folder_id: &str) {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        let items: usize = folders
            .values()
            .filter_map(|slot| slot.try_lock().ok().and_then(|known| known.as_ref().map(|known| known.items.len() + 1)))
            .sum();
        if items > MOST_ITEMS {
            folders.retain(|(of, id), slot| (of == account && id == folder_id) || Arc::strong_count(slot) > 1);
        }
    }
}
