//! All projections there are.

use event_log::EventType;
use event_log::sql::Dialect;

use crate::accounts::Accounts;
use crate::conflicts::Conflicts;
use crate::erp_customers::ErpCustomers;
use crate::erp_users::ErpUsers;
use crate::folder::{Fold, Folder};
use crate::polls::Polls;
use crate::projection::Projection;
use crate::records::Records;
use crate::registrations::Registrations;
use crate::row::Row;
use crate::totals::Totals;
use crate::transfer_files::TransferFiles;
use crate::transfers::Transfers;
use crate::unmapped_owners::UnmappedOwners;
use crate::{Error, checkpoint_name};

/// One projection and its table.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    /// The projection's name.
    pub(crate) name: &'static str,
    /// The table that is read.
    pub(crate) table: &'static str,
    /// The events it folds; empty: all.
    pub(crate) event_types: &'static [&'static EventType],
    folder: fn(Dialect, &str) -> Box<dyn Fold>,
    folder_into_empty: fn(Dialect, &str) -> Box<dyn Fold>,
}

/// Every projection, in the order in which they are shown.
pub(crate) const ALL: &[Entry] = &[
    entry::<Accounts>(),
    entry::<Records>(),
    entry::<Transfers>(),
    entry::<TransferFiles>(),
    entry::<Registrations>(),
    entry::<Polls>(),
    entry::<Totals>(),
    entry::<ErpUsers>(),
    entry::<ErpCustomers>(),
    entry::<UnmappedOwners>(),
    entry::<Conflicts>(),
];

const fn entry<P: Projection>() -> Entry {
    Entry {
        name: P::NAME,
        table: P::Row::TABLE,
        event_types: P::EVENT_TYPES,
        folder: |dialect, table| Box::new(Folder::<P>::new(dialect, table)),
        folder_into_empty: |dialect, table| Box::new(Folder::<P>::into_empty(dialect, table)),
    }
}

impl Entry {
    /// The projection of this name.
    ///
    /// # Errors
    /// [`Error::UnknownProjection`].
    pub(crate) fn find(name: &str) -> Result<Self, Error> {
        let unknown =
            || Error::UnknownProjection { name: name.to_owned(), known: ALL.iter().map(|entry| entry.name).collect() };
        ALL.iter().find(|entry| entry.name == name).copied().ok_or_else(unknown)
    }

    /// A folder into the table that is read.
    pub(crate) fn folder(&self, dialect: Dialect) -> Box<dyn Fold> {
        (self.folder)(dialect, self.table)
    }

    /// A folder into an empty table of the same shape that nobody else writes to.
    pub(crate) fn folder_into_empty(&self, dialect: Dialect, table: &str) -> Box<dyn Fold> {
        (self.folder_into_empty)(dialect, table)
    }

    /// The name of its checkpoint.
    pub(crate) fn checkpoint(&self) -> String {
        checkpoint_name(self.name)
    }
}
