//! The effects that this process is working on at this moment: those whose leases are prolonged.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Keys of running effects.
#[derive(Debug, Default)]
pub(crate) struct Running(Mutex<BTreeSet<String>>);

/// An effect is running as long as this is held.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    running: &'a Running,
    effect_key: String,
}

impl Running {
    pub(crate) fn enter(&self, effect_key: &str) -> Entry<'_> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(effect_key.to_owned());
        Entry { running: self, effect_key: effect_key.to_owned() }
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.running.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.effect_key);
    }
}
