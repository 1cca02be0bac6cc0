#![doc = include_str!("../README.md")]

pub mod budget;
pub mod clock;
pub mod error;
pub mod google;
pub mod http;
pub mod ingest;
pub mod notify;
pub mod zoho;
