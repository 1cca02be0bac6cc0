//! What a subscription has handled, as true statements that never expire.
//!
//! Row `S` of `checkpoints` = M says: every event up to M is handled. Row `S/<n>/<p>` = M says: every event up to M whose
//! stream hashes to partition p of n is handled. An event is handled if any row says so. A statement stays true whatever
//! comes later, so following the log directly, Kafka, and Kafka with another number of partitions can take turns, and an
//! old row is never in the way.

use std::collections::{BTreeMap, BTreeSet};

use event_log::{Checkpoint, GlobalPosition};

use crate::partition::{Portion, StreamHash};

mod fresh;

pub(crate) use fresh::Fresh;

/// The marks of one subscription as they were read; every one of them stays true.
#[derive(Debug, Clone)]
pub struct Marks {
    subscription: String,
    rows: BTreeMap<Portion, GlobalPosition>,
    /// How often a layout was added; tells whether `rows` knows all layouts.
    layouts_added: GlobalPosition,
}

/// How a record continues its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its event was handled before.
    Duplicate,
    /// Nothing of the portion lies between what is handled and this event.
    Next,
    /// Events of the portion after this position may be unhandled: the log has them.
    Gap {
        /// The last position known to be handled.
        after: GlobalPosition,
    },
}

impl Marks {
    /// The marks of `subscription` among all checkpoints.
    #[must_use]
    pub fn of(subscription: &str, checkpoints: &[Checkpoint]) -> Self {
        let mut marks = Marks {
            subscription: subscription.to_owned(),
            rows: BTreeMap::new(),
            layouts_added: GlobalPosition::default(),
        };
        for row in checkpoints {
            let Some(rest) = row.subscription_name.strip_prefix(subscription) else { continue };
            if rest == ADDED {
                marks.layouts_added = row.global_position;
            } else if let Some(portion) = portion_of(rest) {
                marks.advance(portion, row.global_position);
            }
        }
        marks
    }

    /// The subscription.
    #[must_use]
    pub fn subscription(&self) -> &str {
        &self.subscription
    }

    /// The highest position up to which all events of `portion` are known to be handled.
    ///
    /// Rows of other layouts count too: partition p of n lies in the partitions p' of n' that equal p modulo the greatest
    /// common divisor of n and n', so the least of those rows is true of it.
    #[must_use]
    pub fn floor(&self, portion: Portion) -> GlobalPosition {
        let said = self.layouts().into_iter().map(|partitions| {
            let divisor = gcd(partitions, portion.partitions());
            let within = (portion.partition() % divisor..partitions).step_by(divisor as usize);
            within
                .map(|partition| {
                    let row = Portion::new(partitions, partition).expect("it is below the number of partitions");
                    self.row(row)
                })
                .min()
                .unwrap_or_default()
        });
        said.max().unwrap_or_default()
    }

    /// How the record of `position` continues what is handled of its portion, by the event published before it.
    #[must_use]
    pub fn judge(&self, portion: Portion, previous: GlobalPosition, position: GlobalPosition) -> Verdict {
        let floor = self.floor(portion);
        if position <= floor {
            return Verdict::Duplicate;
        }
        if previous <= floor { Verdict::Next } else { Verdict::Gap { after: floor } }
    }

    /// Whether the event at `position` in a stream is known to be handled.
    #[must_use]
    pub fn is_handled(&self, stream: StreamHash, position: GlobalPosition) -> bool {
        self.rows.iter().any(|(portion, mark)| *mark >= position && portion.holds(stream))
    }

    /// Every event of `portion` up to `position` is handled. A smaller position than before changes nothing.
    pub fn advance(&mut self, portion: Portion, position: GlobalPosition) {
        let row = self.rows.entry(portion).or_default();
        *row = position.max(*row);
    }

    /// What other marks of the same subscription say is true as well.
    pub(crate) fn join(&mut self, other: &Marks) {
        for (portion, position) in &other.rows {
            self.advance(*portion, *position);
        }
        self.layouts_added = self.layouts_added.max(other.layouts_added);
    }

    /// The numbers of partitions there are rows for.
    fn layouts(&self) -> BTreeSet<u32> {
        self.rows.keys().map(|portion| portion.partitions()).collect()
    }

    fn row(&self, portion: Portion) -> GlobalPosition {
        self.rows.get(&portion).copied().unwrap_or_default()
    }
}

/// The row of a portion: a layout of one partition is the subscription itself.
fn row_name(subscription: &str, portion: Portion) -> String {
    if portion == Portion::ALL {
        return subscription.to_owned();
    }
    format!("{subscription}/{}/{}", portion.partitions(), portion.partition())
}

/// Counts the layouts that were added, so that a unit of work notices one that was added since the marks were read.
const ADDED: &str = "/layouts";

/// What a row speaks of, by what follows the subscription in its name.
fn portion_of(rest: &str) -> Option<Portion> {
    if rest.is_empty() {
        return Some(Portion::ALL);
    }
    let (partitions, partition) = rest.strip_prefix('/')?.split_once('/')?;
    Portion::new(partitions.parse().ok()?, partition.parse().ok()?)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests;
