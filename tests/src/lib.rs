//! The harness of the whole-system tests: the real binary as a process, the provider simulator in this one, and an
//! independent look at what became of both.
//!
//! Nothing here uses the product's own clients or its own reading of the log: a wrong belief that both sides share would
//! go unnoticed. What the providers hold is seen through the simulator's state, what the log holds through SQL.

pub mod balancer;
pub mod binary;
pub mod database;
pub mod fleet;
pub mod http;
pub mod life;
pub mod log;
pub mod process;
pub mod publication;
pub mod settings;
pub mod site;
pub mod story;
pub mod terminator;
pub mod topic;
pub mod verify;
pub mod wait;

pub use database::{Database, Store};
pub use fleet::Fleet;
pub use process::{Process, Ran};
pub use settings::Settings;
pub use site::Site;
