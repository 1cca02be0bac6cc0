//! The account that a file is about, as far as whoever brings the file reaches.

use catalogue::actor::Actor;
use service::config::account::Books;
use service::config::{Account, Config, UnknownAccount};

use crate::Error;

/// An account and its settings of Books. One of another organisation is answered as one that does not exist.
///
/// # Errors
/// [`Error::Invalid`] for an account that is not configured, is another organisation's or has no settings of Books.
pub(super) fn with_books<'c>(actor: &Actor, config: &'c Config, name: &str) -> Result<(&'c Account, Books), Error> {
    let is_near = |account: &&Account| actor.organization.as_ref().is_none_or(|own| *own == account.organization);
    let account = config.accounts.get(name).filter(is_near).ok_or_else(|| {
        let known = config.accounts.values().filter(is_near).map(|account| account.name.clone()).collect();
        let unknown = UnknownAccount { name: name.to_owned(), known };
        Error::invalid("account", format!("is not configured: {unknown}"))
    })?;
    let Some(books) = account.books.clone() else {
        return Err(Error::invalid("account", "has no settings of Books, so it has no users and no customers"));
    };
    Ok((account, books))
}
