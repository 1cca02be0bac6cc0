//! Which role a user of Books has in the ERP, where a person decides it.
//!
//! Promises to every caller:
//! - what was decided counts before the table of roles until it is withdrawn, whatever becomes of the user or the table;
//! - only roles that exist can be decided: those that the table gives to somebody, and `default_role`;
//! - a decision is appended on the exact version of the account's stream, and what follows in the same unit of work.

mod decide;
mod list;
mod roles;

pub use decide::{Decided, decide, preview};
pub use list::{Filter, UserRole, list};
pub use roles::of as roles;

pub(crate) use decide::set;
pub(crate) use roles::named;
