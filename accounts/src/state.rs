//! Whether each account can be used, as this process knows it and as the database keeps it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use event_log::sql::Pool;
use tokio::sync::watch;

pub(crate) mod rows;

/// What is known of our access to an account. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Whether the account can be used.
    pub access: Access,
    /// When the access token that is kept for it stops working; `None` when none is kept.
    pub token_expires_at: Option<DateTime<Utc>>,
}

/// Whether an account can be used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Access {
    /// Nothing speaks against it.
    #[default]
    Ok,
    /// The provider refuses our grant: a person must authorise again; work for the account waits.
    NeedsConsent {
        /// What the provider said, without secrets.
        reason: String,
        /// Since when.
        since: DateTime<Utc>,
    },
}

impl State {
    /// Whether a person must authorise again before the account can be used.
    #[must_use]
    pub fn needs_consent(&self) -> bool {
        matches!(self.access, Access::NeedsConsent { .. })
    }
}

impl Access {
    pub(crate) fn consent_missing_since(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::NeedsConsent { since, .. } => Some(*since),
            Self::Ok => None,
        }
    }
}

/// The states of the named accounts as the database has them; an account it does not know is usable.
///
/// # Errors
/// Database failures.
pub(crate) async fn read_all<'a>(
    readers: &Pool,
    names: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, State>, event_log::Error> {
    let mut kept = rows::states(readers).await?;
    Ok(names.map(|name| (name.to_owned(), kept.remove(name).unwrap_or_default())).collect())
}

/// The states of all accounts in this process; whoever watches is woken by each change.
#[derive(Debug)]
pub(crate) struct Board {
    states: Mutex<BTreeMap<String, State>>,
    changes: watch::Sender<u64>,
}

impl Board {
    pub(crate) fn new(states: BTreeMap<String, State>) -> Self {
        Self { states: Mutex::new(states), changes: watch::Sender::new(0) }
    }

    pub(crate) fn get(&self, account: &str) -> Option<State> {
        self.with(|states| states.get(account).cloned())
    }

    pub(crate) fn needs_consent(&self, account: &str) -> bool {
        self.with(|states| states.get(account).is_some_and(State::needs_consent))
    }

    pub(crate) fn all(&self) -> BTreeMap<String, State> {
        self.with(|states| states.clone())
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Changes the state of one account, and wakes those who watch if it became another.
    pub(crate) fn change(&self, account: &str, change: impl FnOnce(&mut State)) {
        let changed = self.with(|states| {
            let Some(state) = states.get_mut(account) else { return false };
            let before = state.clone();
            change(state);
            *state != before
        });
        if changed {
            self.changes.send_modify(|count| *count += 1);
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut BTreeMap<String, State>) -> T) -> T {
        look(&mut self.states.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watchers_are_woken_by_changes_only() {
        let board = Board::new(BTreeMap::from([("org-a".to_owned(), State::default())]));
        let mut changes = board.changes();
        board.change("org-a", |state| state.access = Access::Ok);
        board.change("unknown", |state| state.token_expires_at = Some(DateTime::<Utc>::MAX_UTC));
        assert!(!changes.has_changed().expect("the board lives"));
        let since = DateTime::<Utc>::UNIX_EPOCH;
        board.change("org-a", |state| state.access = Access::NeedsConsent { reason: "invalid_code".into(), since });
        assert!(changes.has_changed().expect("the board lives"));
        assert_eq!(*changes.borrow_and_update(), 1);
        assert!(board.get("org-a").is_some_and(|state| state.needs_consent()));
    }
}
