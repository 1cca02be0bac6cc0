//! How far the log is published: row `relay` of `checkpoints`, and for each partition the last event published to it, row
//! `relay/<topic>/<n>/<p>`.

use std::collections::BTreeMap;

use event_log::{Checkpoint, GlobalPosition};

use super::lead::NAME;
use crate::partition::Portion;

/// Where a leader begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    /// Everything up to here is published.
    pub(super) after: GlobalPosition,
    /// For each partition a position after which no event of it was published.
    pub(super) last: Vec<GlobalPosition>,
}

/// Where to go on publishing to a topic with so many partitions.
///
/// A partition without a row of its own, or with one from before another topic or another number of partitions was
/// published to, begins at the checkpoint: that is true of it as well.
pub(super) fn start(rows: &[Checkpoint], topic: &str, partitions: u32) -> Start {
    let after = checkpoint(rows);
    let known: BTreeMap<Portion, GlobalPosition> =
        published(rows, topic).into_iter().filter(|(portion, _)| portion.partitions() == partitions).collect();
    let last = (0..partitions)
        .map(|partition| Portion::new(partitions, partition).and_then(|portion| known.get(&portion)).copied())
        .map(|row| row.unwrap_or(after).min(after))
        .collect();
    Start { after, last }
}

/// The last position published to each partition of the layout that the relay publishes now.
///
/// Every event is published, so the layout in use is the one whose last row is the checkpoint; rows of a layout that was
/// left behind say less than there is.
pub(crate) fn published(rows: &[Checkpoint], topic: &str) -> Vec<(Portion, GlobalPosition)> {
    let prefix = format!("{NAME}/{topic}/");
    let found: Vec<(Portion, GlobalPosition)> = rows
        .iter()
        .filter_map(|row| {
            let (partitions, partition) = row.subscription_name.strip_prefix(&prefix)?.split_once('/')?;
            let portion = Portion::new(partitions.parse().ok()?, partition.parse().ok()?)?;
            Some((portion, row.global_position))
        })
        .collect();
    let after = checkpoint(rows);
    let Some((current, _)) = found.iter().find(|(_, position)| *position == after) else { return Vec::new() };
    let partitions = current.partitions();
    found.into_iter().filter(|(portion, _)| portion.partitions() == partitions).collect()
}

/// The row of a partition.
pub(super) fn row(topic: &str, portion: Portion) -> String {
    format!("{NAME}/{topic}/{}/{}", portion.partitions(), portion.partition())
}

fn checkpoint(rows: &[Checkpoint]) -> GlobalPosition {
    rows.iter().find(|row| row.subscription_name == NAME).map(|row| row.global_position).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[(&str, i64)]) -> Vec<Checkpoint> {
        rows.iter()
            .map(|(name, position)| Checkpoint {
                subscription_name: (*name).to_owned(),
                global_position: GlobalPosition(*position),
                updated_at: chrono::DateTime::UNIX_EPOCH,
            })
            .collect()
    }

    fn last(rows: &[Checkpoint], topic: &str, partitions: u32) -> Vec<i64> {
        start(rows, topic, partitions).last.into_iter().map(|position| position.0).collect()
    }

    #[test]
    fn leader_goes_on_where_the_last_one_ended() {
        let rows = rows(&[("relay", 9), ("relay/t/3/0", 9), ("relay/t/3/2", 4)]);
        assert_eq!(start(&rows, "t", 3).after, GlobalPosition(9));
        assert_eq!(last(&rows, "t", 3), [9, 9, 4], "nothing was ever published to partition 1");
    }

    #[test]
    fn row_past_the_checkpoint_is_not_what_the_next_record_follows() {
        let rows = rows(&[("relay", 9), ("relay/t/2/0", 9), ("relay/t/2/1", 12)]);
        assert_eq!(last(&rows, "t", 2), [9, 9], "what follows the checkpoint is published again");
    }

    #[test]
    fn rows_of_a_layout_that_was_left_are_not_believed() {
        let rows = rows(&[("relay", 20), ("relay/t/3/0", 9), ("relay/t/3/1", 8), ("relay/t/4/1", 20)]);
        assert_eq!(last(&rows, "t", 3), [20, 20, 20], "events were published to four partitions since");
        assert_eq!(last(&rows, "t", 4), [20, 20, 20, 20]);
        assert_eq!(last(&rows, "other", 3), [20, 20, 20]);
        assert_eq!(published(&rows, "t"), [(Portion::new(4, 1).expect("valid"), GlobalPosition(20))]);
    }

    #[test]
    fn first_leader_begins_at_the_beginning() {
        assert_eq!(start(&[], "t", 2), Start { after: GlobalPosition(0), last: vec![GlobalPosition(0); 2] });
        assert_eq!(published(&[], "t"), []);
    }
}
