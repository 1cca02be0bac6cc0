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
}

impl Product {
    fn as_str(self) -> &'static str {
        match self {
            Product::Crm => "crm",
            Product::WorkDrive => "workdrive",
        }
    }
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

    /// `account:product` of each.
    pub(crate) fn names(&self) -> Vec<String> {
        self.products.iter().map(|(account, product)| format!("{account}:{}", product.as_str())).collect()
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
        assert_eq!(pauses.now(noon).names(), ["a:workdrive", "b:crm", "b:workdrive"]);
        assert!(!pauses.now(noon).covers("a", Product::Crm));
        assert_eq!(pauses.now(noon).first_end, Some(later));
        assert_eq!(pauses.now(later).names(), ["b:crm", "b:workdrive"]);
    }
}
