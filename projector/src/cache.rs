//! Rows in memory: those folded and not handed over yet, and those handed over last.
//!
//! A row that was handed over is kept until the next hand-over, because its write may still be under way: a lookup in
//! the table could miss it. So the caller finishes one write before it asks for the next rows.

use std::collections::HashMap;
use std::sync::Arc;

use crate::row::Row;

/// Rows by key.
#[derive(Debug)]
pub(crate) struct Cache<R: Row> {
    dirty: HashMap<R::Key, R>,
    /// In key order, as the writer wants them.
    handed_over: Arc<Vec<R>>,
    /// Where each key stands in `handed_over`.
    places: HashMap<R::Key, usize>,
}

impl<R: Row> Cache<R> {
    /// An empty cache.
    pub(crate) fn new() -> Self {
        Cache { dirty: HashMap::new(), handed_over: Arc::default(), places: HashMap::new() }
    }

    /// Whether the row is here.
    pub(crate) fn contains(&self, key: &R::Key) -> bool {
        self.dirty.contains_key(key) || self.places.contains_key(key)
    }

    /// Takes in a row that is about to be folded.
    pub(crate) fn insert(&mut self, row: R) {
        self.dirty.insert(row.key(), row);
    }

    /// The row to fold into; blank where there is none.
    pub(crate) fn row(&mut self, key: R::Key) -> &mut R {
        let (handed_over, places) = (&self.handed_over, &self.places);
        self.dirty.entry(key).or_insert_with_key(|key| {
            let known = places.get(key).and_then(|place| handed_over.get(*place));
            known.cloned().unwrap_or_else(|| R::blank(key.clone()))
        })
    }

    /// How many rows are folded and not handed over.
    pub(crate) fn dirty(&self) -> usize {
        self.dirty.len()
    }

    /// Hands over what was folded, in key order, and forgets what was handed over before.
    pub(crate) fn hand_over(&mut self) -> Arc<Vec<R>> {
        // As many rows again are likely; growing a large map moves all of them.
        let next = HashMap::with_capacity(self.dirty.len());
        let mut pairs: Vec<(R::Key, R)> = std::mem::replace(&mut self.dirty, next).into_iter().collect();
        pairs.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let (keys, rows): (Vec<R::Key>, Vec<R>) = pairs.into_iter().unzip();
        self.places = keys.into_iter().zip(0..).collect();
        self.handed_over = Arc::new(rows);
        self.handed_over.clone()
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::totals::{Total, TotalKey};

    fn key(counter: &str) -> TotalKey {
        TotalKey { organization: "acme".to_owned(), counter: counter.to_owned() }
    }

    #[test]
    fn rows_handed_over_are_in_key_order_and_still_known() {
        let mut cache = Cache::<Total>::new();
        for counter in ["b", "a", "c"] {
            cache.row(key(counter)).value += 1;
        }
        let rows = cache.hand_over();
        assert_eq!(rows.iter().map(|row| row.counter.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(cache.dirty(), 0);
        cache.row(key("a")).value += 1;
        assert_eq!(cache.hand_over()[0].value, 2);
    }

    #[test]
    fn rows_of_the_hand_over_before_are_forgotten() {
        let mut cache = Cache::<Total>::new();
        cache.row(key("a")).value += 1;
        cache.hand_over();
        cache.hand_over();
        assert!(!cache.contains(&key("a")));
    }
}
