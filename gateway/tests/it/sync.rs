//! Jobs that read channels of a simulated Cliq, and users and customers of a simulated Books.

mod books;
mod bots;
mod channels;
mod limits;
mod stage;
mod threads;
