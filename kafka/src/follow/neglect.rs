//! Partitions that nobody cares for.
//!
//! A group may leave a partition without a member for long: a broker that came back with half a group, a member that
//! holds on to what it does not read. Handling is exact whoever does it, so any process may care for such a partition
//! from the log.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use event_log::GlobalPosition;

use crate::partition::Portion;

/// A partition whose mark has not moved for so long, although there is something to handle, has nobody. A member that
/// died is replaced within its session of ten seconds.
const NEGLECTED_AFTER: Duration = Duration::from_secs(20);

/// What is known of each partition, whoever has it.
#[derive(Debug, Default)]
pub(super) struct Neglect {
    seen: BTreeMap<Portion, Seen>,
}

#[derive(Debug)]
struct Seen {
    /// Handled up to here when it was last looked at.
    floor: GlobalPosition,
    /// Since when something waits and the mark has not moved.
    since: Instant,
    /// It was us who moved it last: whom we relieved we go on relieving until somebody else moves it.
    is_relieved: bool,
}

impl Neglect {
    /// Whether `published` is waited for in vain: called at every look, with what is handled by then.
    pub(super) fn is_neglected(
        &mut self,
        portion: Portion,
        floor: GlobalPosition,
        published: GlobalPosition,
        now: Instant,
    ) -> bool {
        let seen = self.seen.entry(portion).or_insert(Seen { floor, since: now, is_relieved: false });
        if seen.floor != floor {
            *seen = Seen { floor, since: now, is_relieved: false };
        }
        if floor >= published {
            seen.since = now;
            return false;
        }
        seen.is_relieved || now.duration_since(seen.since) >= NEGLECTED_AFTER
    }

    /// We handled it up to there: that it moved says nothing about anybody else.
    pub(super) fn handled_here(&mut self, portion: Portion, floor: GlobalPosition) {
        if let Some(seen) = self.seen.get_mut(&portion) {
            seen.floor = floor;
            seen.is_relieved = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(position: i64) -> GlobalPosition {
        GlobalPosition(position)
    }

    #[test]
    fn partition_that_nobody_moves_is_neglected_after_a_while_and_then_at_once() {
        let (mut neglect, portion, start) = (Neglect::default(), Portion::ALL, Instant::now());
        assert!(!neglect.is_neglected(portion, at(5), at(9), start));
        assert!(!neglect.is_neglected(portion, at(5), at(9), start + NEGLECTED_AFTER / 2));
        assert!(neglect.is_neglected(portion, at(5), at(9), start + NEGLECTED_AFTER));
        neglect.handled_here(portion, at(9));
        let later = start + NEGLECTED_AFTER * 2;
        assert!(!neglect.is_neglected(portion, at(9), at(9), later));
        assert!(neglect.is_neglected(portion, at(9), at(12), later), "it had nobody a moment ago");
    }

    #[test]
    fn partition_that_somebody_moves_is_left_to_them() {
        let (mut neglect, portion, start) = (Neglect::default(), Portion::ALL, Instant::now());
        for (round, floor) in (1..10).enumerate() {
            let now = start + NEGLECTED_AFTER * u32::try_from(round).unwrap_or(0);
            assert!(!neglect.is_neglected(portion, at(floor), at(100), now));
        }
    }

    #[test]
    fn partition_with_nothing_to_do_is_not_neglected_however_long_it_rests() {
        let (mut neglect, portion, start) = (Neglect::default(), Portion::ALL, Instant::now());
        assert!(!neglect.is_neglected(portion, at(5), at(9), start));
        assert!(!neglect.is_neglected(portion, at(9), at(9), start));
        assert!(!neglect.is_neglected(portion, at(9), at(9), start + NEGLECTED_AFTER));
        assert!(!neglect.is_neglected(portion, at(9), at(14), start + NEGLECTED_AFTER + Duration::from_secs(9)));
    }
}
