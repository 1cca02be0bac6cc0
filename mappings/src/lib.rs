//! Which chat channel belongs to which room of which client, which customer to which salesperson, and which role to which
//! user: decided once, by whom, and what became of it.
//!
//! Promises to every caller:
//! - a channel has at most one mapping at a time, over all processes: every decision is appended on the exact version of
//!   the channel's stream that it was made on, and a lost race is decided anew;
//! - the table `channel_mappings` changes in the commit of its event, so readers see their own writes;
//! - a repeated command is not an error: what is so already stays as it is, and no event is written;
//! - things of another organisation than the actor's are not there.
//!
//! Users and customers of Books become accounts and customers of an ERP in [`salesperson`]; what contradicts there is kept
//! and decided in [`conflict`]. The role of an account is decided in [`user_role`], where the table of roles is not to say
//! it. Many customers at once are given to salespeople, and many users get roles, by a file, with [`import`].
//!
//! Knows the log and the settings; no HTTP, no provider.

pub mod channel;
pub mod conflict;
mod error;
pub mod import;
pub mod salesperson;
mod stored;
pub mod user_role;

pub use error::Error;
