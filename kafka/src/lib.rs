#![doc = include_str!("../README.md")]

mod beside;
mod connection;
mod decide;
mod error;
mod follow;
mod handler;
mod identity;
mod marks;
mod partition;
mod record;
pub mod relay;
mod settings;
mod source;
pub mod status;

pub use error::Error;
pub use follow::{follow, follow_directly};
pub use handler::{Failure, Handler, Poison};
pub use marks::{Marks, Verdict};
pub use partition::{Portion, StreamHash};
pub use record::{Arrived, Chain, Content, InvalidRecord, Record};
pub use settings::{InvalidSettings, Settings};
