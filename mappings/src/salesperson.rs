//! Whose customers are whose: users and contacts of Books become accounts and customers of the ERP.
//!
//! What the provider shows is a fact; what it means here is decided in the same unit of work and told by events of its own.
//! The tables `books_users` and `books_contacts` hold the last state of both, so that only what differs makes an event.

mod assign;
mod contacts;
mod customer;
mod decide;
mod resolve;
mod story;
mod user;
mod users;

pub use assign::assign;
pub use contacts::{ContactCounts, News, contact_gone, record_contacts, unseen, what_it_tells};
pub use customer::{Customer, Wish};
pub use story::Story;
pub use user::User;
pub use users::{UserCounts, record_users};

pub(crate) use assign::{give, has};
pub(crate) use customer::{load as load_customer, of_ids as customers_of_ids, save as save_customers};
pub(crate) use resolve::{after, decide_accounts, decide_assignment, next};
pub(crate) use user::{all as all_users, every as every_user, save as save_users};
