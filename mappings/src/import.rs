//! Decisions of people that come as a file: which salesperson each of many customers is to have.
//!
//! Promises to every caller:
//! - a file is understood as a whole before anything is looked up, and what is wrong with it is named with its line;
//! - every line gets an outcome of its own, checked on the state that the decisions are made on;
//! - all lines are decided in one unit of work, and no line at all where one is refused, unless the caller wants the others.
//!
//! A file is read by [`read`], which knows no database, and applied by [`assignments`].

mod assignments;
mod check;
mod file;
mod header;
mod report;
mod unreadable;

pub use assignments::{Mode, assignments};
pub use file::{AssignmentsFile, read};
pub use report::{LineReport, Outcome, Report};
pub use unreadable::Unreadable;

/// The longest line of a file, without its end.
pub const LONGEST_LINE_BYTES: usize = 4_096;

/// The most lines of a file that say something, besides its header: all of them are decided in one unit of work, for which
/// other writers wait.
pub const MOST_LINES: usize = 10_000;
