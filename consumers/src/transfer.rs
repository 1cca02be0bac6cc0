//! Transfers: a record names a folder in one organisation, and its whole tree is copied into another.
//!
//! `decide` turns facts into requests; `locate`, `folder` and `file` are the effects; `settle` finds out what became of
//! an upload whose answer was lost; `completion` ends a run when its last effect is finished.

pub(crate) mod children;
pub mod completion;
pub mod decide;
pub mod dry_run;
pub mod file;
pub mod folder;
pub mod listing;
pub mod locate;
pub mod name;
pub mod request;
pub mod settings;
pub mod settle;
