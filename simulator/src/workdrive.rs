//! WorkDrive: the tree, listings, search, downloads and uploads (zoho.md section 3).

pub(crate) mod change;
pub(crate) mod dialect;
pub(crate) mod download;
pub(crate) mod item;
pub(crate) mod limits;
pub(crate) mod listing;
pub(crate) mod naming;
pub(crate) mod people;
pub(crate) mod range;
pub(crate) mod search;
pub(crate) mod upload;
