//! The effects that this process is working on at this moment: those whose leases are prolonged.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Effects at work. One key may be there twice: the outcome of an earlier claim may still be being written.
#[derive(Debug, Default)]
pub(crate) struct Running(Mutex<Board>);

#[derive(Debug, Default)]
struct Board {
    entered: u64,
    effects: BTreeMap<u64, AtWork>,
}

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct AtWork {
    pub(crate) effect_key: String,
    /// Cancelled when it is to be let go of: its lease could not be prolonged, so others may take it over.
    pub(crate) let_go: CancellationToken,
}

/// An effect is running as long as this is held.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    running: &'a Running,
    number: u64,
    pub(crate) let_go: CancellationToken,
}

impl Running {
    pub(crate) fn enter(&self, effect_key: &str) -> Entry<'_> {
        let let_go = CancellationToken::new();
        let mut board = self.board();
        board.entered += 1;
        let number = board.entered;
        board.effects.insert(number, AtWork { effect_key: effect_key.to_owned(), let_go: let_go.clone() });
        Entry { running: self, number, let_go }
    }

    /// What is at work now.
    pub(crate) fn all(&self) -> Vec<AtWork> {
        self.board().effects.values().cloned().collect()
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.running.board().effects.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effect_that_is_entered_twice_runs_until_both_have_ended() {
        let running = Running::default();
        let (first, second) = (running.enter("k"), running.enter("k"));
        drop(first);
        assert_eq!(running.all().len(), 1);
        running.all()[0].let_go.cancel();
        assert!(second.let_go.is_cancelled());
        drop(second);
        assert!(running.all().is_empty());
    }
}
