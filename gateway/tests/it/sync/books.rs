//! Jobs that read users and customers of a simulated Books.

mod conflicts;
mod customers;
mod hints;
mod limits;
mod shop;
mod users;
