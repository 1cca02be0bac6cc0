//! PostgreSQL: fresh databases in the shared cluster, and clusters that a test may crash.

mod cluster;
mod database;

pub use cluster::Cluster;
pub use database::{Roles, TestDatabase, database, database_in};
