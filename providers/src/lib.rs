//! HTTP clients and OAuth for the providers, one module each; knows no SQL and no events.
//!
//! What every client here promises: a call answers with a typed [`error::Error`] that says what its caller can do, a
//! refused limit is a time and a scope and never a blind retry, a credential is refreshed by one task at a time, and a
//! write is sent once. What may already have happened after a failed write is told by [`error::Error::outcome`].

pub mod budget;
pub mod clock;
pub mod error;
pub mod http;
pub mod zoho;
