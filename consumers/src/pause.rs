//! Accounts that are left alone for a while, because a limit or a missing right covers all their work.
//!
//! A pause holds for whoever needs that product of that account, as source or as destination, and for nobody else.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

/// The part of an account that a limit covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Product {
    /// Records.
    Crm,
    /// Files and folders.
    WorkDrive,
    /// Batches of messages.
    Ingest,
    /// Contacts and their owners.
    Books,
    /// Notifications of endpoints.
    Notify,
}

/// Products of accounts that are left alone, with the earliest end of a pause.
#[derive(Debug, Clone, Default)]
pub struct Paused {
    products: Vec<(String, Product)>,
    /// When the first of the pauses is over.
    pub first_end: Option<DateTime<Utc>>,
}

impl Paused {
    /// Whether the account's product is among them.
    pub(crate) fn covers(&self, account: &str, product: Product) -> bool {
        self.products.iter().any(|(paused, of)| paused == account && *of == product)
    }
}

/// The pauses of this process.
#[derive(Debug, Default)]
pub(crate) struct Pauses(Mutex<BTreeMap<(String, Product), DateTime<Utc>>>);

impl Pauses {
    /// Leaves products of an account alone until then; an earlier end than the known one changes nothing.
    pub(crate) fn add(&self, account: &str, products: &[Product], until: DateTime<Utc>) {
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for product in products {
            let end = pauses.entry((account.to_owned(), *product)).or_insert(until);
            *end = until.max(*end);
        }
    }

    /// What is paused now.
    pub(crate) fn now(&self, now: DateTime<Utc>) -> Paused {
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.retain(|_, until| *until > now);
        Paused { products: pauses.keys().cloned().collect(), first_end: pauses.values().min().copied() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_covers_one_product_and_ends_by_itself() {
        let pauses = Pauses::default();
        let noon: DateTime<Utc> = "2026-01-01T12:00:00Z".parse().expect("a time");
        let later = noon + chrono::Duration::seconds(10);
        pauses.add("a", &[Product::WorkDrive], later);
        pauses.add("a", &[Product::WorkDrive], noon);
        pauses.add("b", &[Product::Crm, Product::WorkDrive], later + chrono::Duration::seconds(5));
        let paused = |at| {
            let now = pauses.now(at);
            [("a", Product::Crm), ("a", Product::WorkDrive), ("b", Product::Crm), ("b", Product::WorkDrive)]
                .map(|(account, product)| now.covers(account, product))
        };
        assert_eq!(paused(noon), [false, true, true, true]);
        assert_eq!(pauses.now(noon).first_end, Some(later));
        assert_eq!(paused(later), [false, false, true, true]);
    }
}
