#![doc = include_str!("../README.md")]

mod append;
mod checkpoint;
mod database;
mod error;
mod event;
mod lease;
mod migrations;
mod name;
mod read;
mod scan;
mod sighting;
pub mod sql;
pub mod store_copy;
mod subscription;
mod writer;

pub use append::{Append, Appended, EventOutcome, ExpectedVersion};
pub use checkpoint::{Checkpoint, checkpoints};
pub use database::{Access, Database, Grant, RoleLock, Settings};
pub use error::Error;
pub use event::{EventId, GlobalPosition, NewEvent, RecordedEvent, StreamVersion};
pub use lease::{Leadership, forsake_leases, process_name, prolong_lease, release_lease, take_lease};
pub use name::{EventType, InvalidName, StreamName};
pub use read::{Direction, Filter};
pub use scan::{ScannedEvent, Stretch};
pub use sighting::{Sighting, sightings};
pub use subscription::{Batch, Subscription};
pub use writer::{Log, Now, UnitOfWork};

pub use sqlx;
