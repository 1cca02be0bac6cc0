//! What became of each line of a file.

use serde::Serialize;

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The account whose customers it is about.
    pub account: String,
    /// Whether what differs was changed. If not, the outcomes are what would become of the lines.
    pub applied: bool,
    /// Whether a byte-order mark was left out.
    pub byte_order_mark: bool,
    /// Lines of each outcome.
    pub unchanged: u64,
    /// Lines that differ from what is so.
    pub changed: u64,
    /// Lines that cannot be applied.
    pub refused: u64,
    /// Every line that says something, in their order.
    pub lines: Vec<LineReport>,
}

/// What became of one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineReport {
    /// Its number in the file, from 1.
    pub line: u64,
    /// The customer as it names it, by its contact in Books; may be empty.
    pub contact: String,
    /// The user of Books that it means; absent where it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zoho_user_id: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is so already, or wanted already.
    Unchanged,
    /// It differs from what is so.
    Changed,
    /// It cannot be applied.
    Refused,
}

impl Outcome {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Unchanged => "unchanged",
            Outcome::Changed => "changed",
            Outcome::Refused => "refused",
        }
    }
}

impl Report {
    pub(super) fn of(account: &str, byte_order_mark: bool, lines: Vec<LineReport>) -> Self {
        let count = |outcome: Outcome| lines.iter().filter(|line| line.outcome == outcome).count() as u64;
        Report {
            account: account.to_owned(),
            applied: false,
            byte_order_mark,
            unchanged: count(Outcome::Unchanged),
            changed: count(Outcome::Changed),
            refused: count(Outcome::Refused),
            lines,
        }
    }
}
