//! Which chat channel belongs to which room of which client, and which customer to which salesperson: decided once, by
//! whom, and what became of it.
//!
//! Promises to every caller:
//! - a channel has at most one mapping at a time, over all processes: every decision is appended on the exact version of
//!   the channel's stream that it was made on, and a lost race is decided anew;
//! - the table `channel_mappings` changes in the commit of its event, so readers see their own writes;
//! - a repeated command is not an error: what is so already stays as it is, and no event is written;
//! - things of another organisation than the actor's are not there.
//!
//! Users and customers of Books become accounts and customers of an ERP in [`salesperson`]; what contradicts there is kept
//! and decided in [`conflict`]. Many customers at once are given to salespeople by a file, with [`import`].
//!
//! Knows the log and the settings; no HTTP, no provider.

pub mod channel;
pub mod conflict;
mod error;
pub mod import;
pub mod salesperson;
mod stored;

pub use error::Error;
