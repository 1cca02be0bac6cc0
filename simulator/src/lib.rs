#![doc = include_str!("../README.md")]

mod answer;
mod books;
mod call;
mod cliq;
mod clock;
mod connection;
mod content;
mod context;
pub mod control;
mod crm;
mod dispatch;
mod drive;
mod exchange;
pub mod fault;
mod google;
mod ingest;
pub mod journal;
pub mod knobs;
mod notify;
mod oauth;
mod random;
mod receiver;
mod route;
mod rsa_key;
pub mod seed;
mod server;
mod shared;
mod workdrive;
mod world;

pub use control::Control;
pub use fault::{Fault, FaultRule};
pub use google::DEFAULT_ACCOUNT as DEFAULT_SERVICE_ACCOUNT;
pub use route::ROUTES;
pub use seed::{BooksOptions, CliqOptions, DemoOptions, MigrationOptions, Seed};
pub use server::{Error, Options, Simulator, start};
