//! What people of the ERP decide reaches Books: the salesperson of a customer becomes the owner of its contact.
//!
//! `decide` plans an effect for every decision, `standing` says whether the log still wants it, and `assign` does it. What
//! `next` makes of all that is pure.
//!
//! - The contact is read before it is written, every time. That also settles an answer that was lost.
//! - Only what the decision was made on is replaced, or what we put there ourselves for an earlier one. Another owner is
//!   somebody's change in Books: it is left alone, becomes a fact, and contradicts what the ERP wants.
//! - The decisions about one customer are done one after the other, and one that a later decision has overtaken is dropped.
//! - What was seen of the contact becomes a fact at once, by the same rules as that of a webhook or a poll.
//! - Where Books is kept read-only, the effects wait.

pub(crate) mod assign;
pub mod decide;
mod fact;
mod next;
mod read_only;
pub mod request;
pub mod settings;
mod standing;

pub(crate) use read_only::tell_read_only;
