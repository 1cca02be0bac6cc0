//! Records that arrived and wait to be decided, for each partition of this process.

use std::collections::{BTreeMap, VecDeque};

use super::plan::Task;
use crate::source::{Item, Source};

/// Records that may wait before partitions are paused.
const RECORDS: usize = 5_000;
/// Bytes that may wait before partitions are paused.
const BYTES: usize = 16 * 1024 * 1024;
/// Records of one partition in one task: others have their turn.
const TURN: usize = 200;
/// Records in one task.
const TASK: usize = 1_000;

/// What waits.
#[derive(Default)]
pub(super) struct Queues {
    queues: BTreeMap<u32, Queue>,
    records: usize,
    bytes: usize,
    is_paused: bool,
    /// The partition whose turn comes first.
    next: u32,
    quiet: Vec<u32>,
    /// Since the last look at what is published.
    ticks: u32,
    is_look_due: bool,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    quiet_ticks: u32,
}

impl Queues {
    /// Partitions were added to this process.
    pub(super) fn assigned(&mut self, partitions: &[u32]) {
        for partition in partitions {
            self.queues.entry(*partition).or_default();
        }
        // The new ones are not paused yet.
        self.is_paused = false;
    }

    /// Partitions were taken: what was not begun is left to whoever has them now.
    pub(super) fn revoked(&mut self, partitions: &[u32]) {
        for partition in partitions {
            let Some(queue) = self.queues.remove(partition) else { continue };
            self.records -= queue.items.len();
            self.bytes -= queue.items.iter().map(|item| item.bytes).sum::<usize>();
        }
        self.quiet.retain(|partition| !partitions.contains(partition));
    }

    /// Records arrived.
    pub(super) fn push(&mut self, items: Vec<Item>) {
        for item in items {
            let Some(queue) = self.queues.get_mut(&item.place.partition) else { continue };
            queue.quiet_ticks = 0;
            self.records += 1;
            self.bytes += item.bytes;
            queue.items.push_back(item);
        }
    }

    /// What to do now, if anything.
    pub(super) fn next_task(&mut self, is_saving_due: bool) -> Option<Task> {
        if std::mem::take(&mut self.is_look_due) {
            return Some(Task::Look { quiet: std::mem::take(&mut self.quiet) });
        }
        if self.records > 0 {
            return Some(Task::Records { records: self.take(), owned: self.queues.keys().copied().collect() });
        }
        is_saving_due.then_some(Task::Save)
    }

    /// Counts how long nothing came from partitions; every `limit` times those from which nothing came are looked after,
    /// and those of others.
    pub(super) fn tick(&mut self, limit: u32) {
        self.ticks += 1;
        if self.ticks >= limit {
            self.ticks = 0;
            self.is_look_due = true;
        }
        for (partition, queue) in &mut self.queues {
            queue.quiet_ticks += 1;
            if queue.quiet_ticks >= limit {
                queue.quiet_ticks = 0;
                self.quiet.push(*partition);
            }
        }
        self.quiet.sort_unstable();
        self.quiet.dedup();
    }

    /// Pauses partitions while too much waits.
    pub(super) fn balance(&mut self, source: &Source) {
        let is_full = self.records >= RECORDS || self.bytes >= BYTES;
        let has_room = self.records < RECORDS / 2 && self.bytes < BYTES / 2;
        if is_full && !self.is_paused {
            source.pause();
            self.is_paused = true;
        } else if has_room && self.is_paused {
            source.resume();
            self.is_paused = false;
        }
    }

    /// Takes a turn of every partition, beginning with another one each time.
    fn take(&mut self) -> Vec<Item> {
        let mut task = Vec::new();
        let partitions: Vec<u32> = self
            .queues
            .range(self.next..)
            .chain(self.queues.range(..self.next))
            .map(|(partition, _)| *partition)
            .collect();
        for partition in partitions {
            let Some(queue) = self.queues.get_mut(&partition) else { continue };
            let turn = TURN.min(TASK - task.len()).min(queue.items.len());
            task.extend(queue.items.drain(..turn));
            self.next = partition + 1;
            if task.len() == TASK {
                break;
            }
        }
        self.records -= task.len();
        self.bytes -= task.iter().map(|item| item.bytes).sum::<usize>();
        task
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::handler::Poison;
    use crate::source::Place;

    fn item(partition: u32, offset: i64) -> Item {
        let poison =
            Poison { topic: String::new(), partition, offset, reason: String::new(), key: None, prefix: Vec::new() };
        Item { place: Place { partition, offset }, bytes: 10, what: Err(poison) }
    }

    fn taken(queues: &mut Queues) -> Vec<(u32, i64)> {
        match queues.next_task(false) {
            Some(Task::Records { records, .. }) => {
                records.iter().map(|item| (item.place.partition, item.place.offset)).collect()
            }
            _ => Vec::new(),
        }
    }

    #[test]
    fn one_busy_partition_leaves_others_their_turn_and_keeps_its_order() {
        let mut queues = Queues::default();
        queues.assigned(&[0, 1]);
        queues.push((0..500).map(|offset| item(0, offset)).collect());
        queues.push(vec![item(1, 0)]);
        let first = taken(&mut queues);
        assert!(first.contains(&(1, 0)));
        let of_0: Vec<i64> = first.iter().filter(|(partition, _)| *partition == 0).map(|(_, offset)| *offset).collect();
        assert_eq!(of_0, (0..TURN as i64).collect::<Vec<_>>());
        let rest = taken(&mut queues).len() + taken(&mut queues).len();
        assert_eq!((first.len() + rest, queues.records, queues.bytes), (501, 0, 0));
    }

    #[test]
    fn what_was_not_begun_of_a_revoked_partition_is_dropped() {
        let mut queues = Queues::default();
        queues.assigned(&[0, 1]);
        queues.push(vec![item(0, 1), item(1, 1)]);
        queues.revoked(&[0]);
        queues.push(vec![item(0, 2)]);
        assert_eq!(taken(&mut queues), [(1, 1)]);
        assert_eq!((queues.records, queues.bytes), (0, 0));
    }

    #[test]
    fn partition_from_which_nothing_comes_is_looked_after() {
        let mut queues = Queues::default();
        queues.assigned(&[3, 4]);
        queues.tick(2);
        queues.push(vec![item(4, 1)]);
        queues.tick(2);
        assert!(matches!(queues.next_task(false), Some(Task::Look { quiet }) if quiet == [3]));
        assert_eq!(taken(&mut queues), [(4, 1)]);
        assert!(queues.next_task(false).is_none());
        assert!(matches!(queues.next_task(true), Some(Task::Save)));
    }

    #[test]
    fn member_without_partitions_looks_after_those_of_others() {
        let mut queues = Queues::default();
        queues.tick(2);
        assert!(queues.next_task(false).is_none());
        queues.tick(2);
        assert!(matches!(queues.next_task(false), Some(Task::Look { quiet }) if quiet.is_empty()));
    }
}
