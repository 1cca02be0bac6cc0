//! HTTP in, polling and registrations: verify, record, answer.

mod channels;
mod crm;
mod cursor;
mod hint;
pub mod intake;
pub mod poller;
mod problem;
mod readiness;
mod receiver;
pub mod registrar;
pub mod rejected;
pub mod schedule;
pub mod server;
pub mod signature;
mod status;
pub mod sync;
mod webhook;
