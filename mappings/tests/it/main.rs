//! Mappings over real databases, in several processes.
#![allow(clippy::unwrap_used, missing_docs)]

mod commands;
mod import;
mod list;
mod office;
mod one_room;
mod salesperson;
mod sync;
mod user_role;
mod visibility;
