//! Folds the log into read models.
//!
//! A projection is a pure fold over events, with one table, one name and one checkpoint. Promises:
//! - a table's rows and its checkpoint are committed together, so a crash leaves both as they were;
//! - [`rebuild()`] gives the same rows as following the log from its start;
//! - readers of a table never see it half rebuilt: a rebuild fills a table beside it and switches both at once;
//! - nothing here causes an effect.
//!
//! The tables, `rm_<plural>`, may be read by anyone; their columns are explained in the migration that creates them.

mod accounts;
mod cache;
mod conflicts;
mod erp_customers;
mod erp_query;
mod erp_users;
mod error;
mod folder;
mod fresh_table;
mod key_filter;
mod live;
mod lock_wait;
mod polls;
mod projection;
mod query;
mod rebuild;
mod records;
mod registrations;
mod registry;
mod row;
mod status;
mod table;
mod totals;
mod transfer_files;
mod transfers;
mod unmapped_owners;
mod window;

pub use accounts::{AccessState, Account};
pub use conflicts::{Conflict, ConflictKind, ConflictState};
pub use erp_customers::{ErpCustomer, ErpCustomerState};
pub use erp_query::{ErpCustomerFilter, ErpUserFilter, conflicts, erp_customers, erp_users, unmapped_owners};
pub use erp_users::{ErpUser, ErpUserState};
pub use error::Error;
pub use live::run;
pub use polls::{Poll, PollOutcome};
pub use query::{
    RecordFilter, Summary, TransferDetail, TransferFilter, accounts, polls, records, registrations, summary, transfer,
    transfers,
};
pub use rebuild::{Progress, Report, rebuild};
pub use records::{Fields, Record};
pub use registrations::{Registration, RegistrationState};
pub use status::{ProjectionStatus, list};
pub use transfer_files::{FileState, FileVerification, TransferFile};
pub use transfers::{Transfer, TransferState};
pub use unmapped_owners::UnmappedOwner;

/// The name of a projection's checkpoint.
fn checkpoint_name(projection: &str) -> String {
    format!("projection:{projection}")
}
