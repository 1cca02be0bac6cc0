//! The simulator over real HTTP: every dialect, limit and fault it promises.
#![allow(clippy::unwrap_used, missing_docs)]

mod books;
mod books_webhook;
mod cliq;
mod cliq_bot;
mod cliq_knobs;
mod cliq_limits;
mod control;
mod crm;
mod download;
mod fault;
mod fixture;
mod google;
mod ingest;
mod notification;
mod oauth;
mod oauth_consent;
mod receiver;
mod seed;
mod upload;
mod watch;
mod workdrive;
