//! Ingestion: messages of mapped channels become lines, lines become batches, and batches reach the analysis service once.
//!
//! `decide` composes what a completed sync has brought: `unread` reads the messages, `line` writes them, `batch` cuts them,
//! and `book` remembers how far each chat is composed and what became of each batch. `post` is the effect that sends a
//! batch, and `split` makes two of one that is too large for the receiver.
//!
//! - A batch never changes once it is composed. Its id is its idempotency key: a lost answer is settled by sending the same
//!   bytes under the same key again.
//! - The batches of one mapping are sent one after the other. One that is given up is a dead letter and does not hold up
//!   the next; sent on its way again, it goes before all that are still waiting.
//! - A message is in one batch of its mapping, or in one of the halves that a batch was split into.

pub mod batch;
mod book;
pub mod decide;
mod line;
mod mapping;
pub(crate) mod post;
pub mod receivers;
pub mod request;
pub mod settings;
mod split;
mod unread;

pub use book::{Counts, Tally, delivered};
