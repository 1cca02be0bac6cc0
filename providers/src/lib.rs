#![doc = include_str!("../README.md")]

pub mod budget;
pub mod clock;
pub mod error;
pub mod http;
pub mod zoho;
