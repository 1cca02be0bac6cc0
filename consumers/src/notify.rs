//! Telling others what happens: events that an endpoint asks for become signed requests after Standard Webhooks.
//!
//! `decide` plans a notification for each endpoint that wants an event; `post` is the effect that sends it, and `retry` says
//! when it is tried again. `book` keeps since when each endpoint is told and whether it still wants to be; `history` plans
//! what was before, where that is wanted, and what an endpoint missed while it was stopped.
//!
//! - An endpoint gets events of its own organisation only, each at least once, under one id and with the same bytes
//!   however often. It recognises the id; that is what settles an answer that was lost.
//! - Requests may overtake each other. Each carries stream and stream version, so that a receiver can put them in order.
//! - A notification is a row of the ledger and no event: telling an event would otherwise make another one. Endpoints that
//!   stop or go on are events, in streams whose events are told to nobody.

mod book;
pub mod decide;
pub mod history;
pub mod overview;
pub mod ping;
pub(crate) mod post;
pub mod request;
mod retry;
pub mod senders;
pub mod settings;

use crate::Error;
use crate::context::Context;

pub use book::{Resumption, resume};

/// Notes endpoints that are in the settings for the first time, and goes on with stopped ones whose address has changed.
///
/// # Errors
/// Database failures.
pub(crate) async fn register(context: &Context) -> Result<(), Error> {
    let endpoints = context.settings.endpoints.clone();
    context.log.write(move |unit| Box::pin(async move { book::register(unit, &endpoints).await })).await
}
