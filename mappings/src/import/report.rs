//! What became of each line of a file.

use serde::Serialize;

/// How far a file is to be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing changes; the outcomes are what would become of the lines.
    DryRun,
    /// Everything changes, or nothing if one line is refused.
    AllOrNothing,
    /// What is not refused changes.
    Partial,
}

/// What became of a file with lines like `L`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report<L> {
    /// The account whose customers or users it is about.
    pub account: String,
    /// Whether what differs was changed. If not, the outcomes are what would become of the lines.
    pub applied: bool,
    /// Whether a byte-order mark was left out.
    pub byte_order_mark: bool,
    /// Lines that say what is so.
    pub unchanged: u64,
    /// Lines that differ from what is so.
    pub changed: u64,
    /// Lines that cannot be applied.
    pub refused: u64,
    /// Every line that says something, in their order.
    pub lines: Vec<L>,
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

    pub(super) fn of(is_so: bool) -> Self {
        if is_so { Outcome::Unchanged } else { Outcome::Changed }
    }
}

impl<L> Report<L> {
    pub(super) fn of(account: &str, byte_order_mark: bool, lines: Vec<L>, outcome_of: impl Fn(&L) -> Outcome) -> Self {
        let count = |wanted: Outcome| lines.iter().filter(|line| outcome_of(line) == wanted).count() as u64;
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

    /// Whether what differs is to be changed.
    pub(super) fn applies(&self, mode: Mode) -> bool {
        mode == Mode::Partial || mode == Mode::AllOrNothing && self.refused == 0
    }
}
