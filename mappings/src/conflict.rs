//! What contradicts what: several users with one address, a customer that was given to two people. Found by folding what is
//! known, decided by a person, and over when what contradicted is gone.

mod decide;
mod email;
mod rows;
mod settle;

pub use decide::{check, decide};
pub use rows::{Conflict, Filter, LARGEST_PAGE, get, list};

pub(crate) use settle::{settle, settle_emails};

/// How a user stands to others who have the same address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody else has it, or this account is the one that goes on.
    Clear,
    /// A person has to decide.
    Held,
    /// A person decided for another one.
    Merged {
        /// The user of Books whose account counts.
        into: String,
    },
}
