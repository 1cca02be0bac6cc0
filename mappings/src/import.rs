//! Decisions of people that come as a file: which salesperson each of many customers is to have, and which role each of many
//! users.
//!
//! Promises to every caller:
//! - a file is understood as a whole before anything is looked up, and what is wrong with it is named with its line;
//! - every line gets an outcome of its own, checked on the state that the decisions are made on;
//! - all lines are decided in one unit of work, and no line at all where one is refused, unless the caller wants the others.
//!
//! Files are read by [`AssignmentsFile::read`] and [`UsersFile::read`], which know no database, and applied by
//! [`assignments`] and [`users`].

mod assignments;
mod file;
mod header;
mod people;
mod reach;
mod report;
mod unreadable;
mod users;

pub use assignments::{AssignmentLine, AssignmentsFile, assignments};
pub use report::{Mode, Outcome, Report};
pub use unreadable::Unreadable;
pub use users::{UserLine, UsersFile, users};

/// The longest line of a file, without its end.
pub const LONGEST_LINE_BYTES: usize = 4_096;

/// The most lines of a file that say something, besides its header: all of them are decided in one unit of work, for which
/// other writers wait.
pub const MOST_LINES: usize = 10_000;
