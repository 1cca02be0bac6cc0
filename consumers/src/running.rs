//! The effects that this process is working on at this moment: those whose leases are prolonged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

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
    pub(crate) hold: Hold,
}

/// Until when an effect is certainly ours. Time goes on while a process stands still: whoever wakes up finds its hold over before
/// any timer has told it.
#[derive(Debug, Clone)]
pub(crate) struct Hold(Arc<Mutex<Instant>>);

impl Hold {
    fn until(end: Instant) -> Self {
        Hold(Arc::new(Mutex::new(end)))
    }

    /// Whether others may have taken over.
    pub(crate) fn is_over(&self) -> bool {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) <= Instant::now()
    }

    /// The lease was prolonged.
    pub(crate) fn prolong(&self, end: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }
}

/// An effect is running as long as this is held.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    running: &'a Running,
    number: u64,
    pub(crate) let_go: CancellationToken,
    pub(crate) hold: Hold,
}

impl Running {
    /// It is ours until `end` at least.
    pub(crate) fn enter(&self, effect_key: &str, end: Instant) -> Entry<'_> {
        let let_go = CancellationToken::new();
        let hold = Hold::until(end);
        let mut board = self.board();
        board.entered += 1;
        let number = board.entered;
        let at_work = AtWork { effect_key: effect_key.to_owned(), let_go: let_go.clone(), hold: hold.clone() };
        board.effects.insert(number, at_work);
        Entry { running: self, number, let_go, hold }
    }

    /// The hold of the newest claim of an effect; over where there is none.
    pub(crate) fn hold(&self, effect_key: &str) -> Hold {
        let board = self.board();
        let newest = board.effects.values().rev().find(|one| one.effect_key == effect_key);
        newest.map_or_else(|| Hold::until(Instant::now()), |one| one.hold.clone())
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
        let end = Instant::now() + std::time::Duration::from_secs(60);
        let (first, second) = (running.enter("k", end), running.enter("k", end));
        drop(first);
        assert_eq!(running.all().len(), 1);
        running.all()[0].let_go.cancel();
        assert!(second.let_go.is_cancelled());
        assert!(!running.hold("k").is_over());
        assert!(running.hold("another").is_over());
        drop(second);
        assert!(running.all().is_empty());
    }
}
