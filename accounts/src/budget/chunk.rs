//! Permits of a rate lane that are written down already and wait in memory for their moment.
//!
//! A permit may be used a little later than its moment, or a burst taken at once could not be used as one. That slack is
//! taken off the burst that the row grants, so that the lane's law holds for the moments of use: at most
//! `burst + per_second × length` in any stretch of time.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use providers::budget::{LaneState, Limit, Reservation};

/// Permits taken at once are worth this many seconds.
const AHEAD_SECONDS: f64 = 0.1;

/// Bounds the memory and the loss of one chunk, whatever the rate.
const LARGEST_CHUNK: f64 = 10_000.0;

/// How a rate lane is cut into chunks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Terms {
    /// What the row grants.
    limit: Limit,
    /// Permits taken at once; at least 1.
    size: usize,
    /// How long after its moment a permit may still be used.
    slack: TimeDelta,
}

impl Terms {
    pub(super) fn new(per_second: f64, burst: u32) -> Self {
        let size = (per_second * AHEAD_SECONDS).clamp(1.0, LARGEST_CHUNK) as u32;
        let burst = burst.max(1);
        let slack = if size == 1 { 0 } else { size.min(burst - 1) };
        let slack_seconds = if slack == 0 { 0.0 } else { f64::from(slack) / per_second };
        Self {
            limit: Limit::Rate { per_second, burst: burst - slack },
            size: size as usize,
            slack: TimeDelta::nanoseconds((slack_seconds * 1e9) as i64),
        }
    }

    /// Takes a chunk from the row's state; holds at least one answer, and a refusal only as the first.
    pub(super) fn reserve(&self, state: &mut LaneState, now: DateTime<Utc>, max_wait: TimeDelta) -> Vec<Reservation> {
        let first = state.reserve(&self.limit, now, max_wait);
        let mut reserved = vec![first];
        while reserved.len() < self.size && matches!(first, Reservation::At(_)) {
            match state.reserve(&self.limit, now, max_wait) {
                Reservation::TooLate(_) => break,
                at => reserved.push(at),
            }
        }
        reserved
    }
}

/// Moments of permits, ascending.
#[derive(Debug, Default)]
pub(super) struct Chunk(VecDeque<DateTime<Utc>>);

impl Chunk {
    /// The moment, at or after `open`, for which a permit is left. Forgets permits that were not used in time.
    pub(super) fn next(&mut self, open: DateTime<Utc>, terms: &Terms) -> Option<DateTime<Utc>> {
        while self.0.front().is_some_and(|moment| *moment + terms.slack < open) {
            self.0.pop_front();
        }
        self.0.front().map(|moment| open.max(*moment))
    }

    /// Uses the permit that [`Self::next`] told of.
    pub(super) fn take(&mut self) {
        self.0.pop_front();
    }

    /// Answers with the first of a new chunk and keeps the rest.
    pub(super) fn refill(&mut self, reserved: Vec<Reservation>) -> Reservation {
        let mut reserved = reserved.into_iter();
        let first = reserved.next().expect("a reservation has an answer");
        self.0 = reserved
            .filter_map(|one| match one {
                Reservation::At(moment) => Some(moment),
                Reservation::TooLate(_) => None,
            })
            .collect();
        first
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Moments of use when two processes share a row. A step is who asks, how often, and the milliseconds that pass then.
    fn uses(per_second: f64, burst: u32, steps: &[(usize, usize, i64)]) -> Vec<DateTime<Utc>> {
        let terms = Terms::new(per_second, burst);
        let (mut row, mut chunks) = (LaneState::default(), [Chunk::default(), Chunk::default()]);
        let (mut now, mut uses) = (DateTime::UNIX_EPOCH, Vec::new());
        for (who, times, pass) in steps {
            for _ in 0..*times {
                let chunk = &mut chunks[*who];
                match chunk.next(now, &terms) {
                    Some(at) => {
                        chunk.take();
                        uses.push(at);
                    }
                    None => match chunk.refill(terms.reserve(&mut row, now, TimeDelta::seconds(30))) {
                        Reservation::At(at) => uses.push(at),
                        Reservation::TooLate(_) => break,
                    },
                }
            }
            now += TimeDelta::milliseconds(*pass);
        }
        uses.sort_unstable();
        uses
    }

    proptest! {
        #[test]
        fn no_stretch_holds_more_than_burst_and_rate_allow(
            per_second in 1.0_f64..500.0,
            burst in 1_u32..200,
            steps in proptest::collection::vec((0_usize..2, prop_oneof![Just(1_usize), 1_usize..150], 0_i64..300), 1..20),
        ) {
            let uses = uses(per_second, burst, &steps);
            for (from, first) in uses.iter().enumerate() {
                for (more, last) in uses[from..].iter().enumerate().skip(burst as usize) {
                    let seconds = (*last - *first).num_nanoseconds().expect("a short time") as f64 / 1e9;
                    let allowed = f64::from(burst) + seconds * per_second + 1e-3;
                    prop_assert!((more + 1) as f64 <= allowed, "{} uses in {seconds} s, {allowed} allowed", more + 1);
                }
            }
        }
    }

    #[test]
    fn slow_lanes_take_one_permit_at_a_time_with_their_whole_burst() {
        let terms = Terms::new(10.0, 10);
        assert_eq!((terms.size, terms.slack), (1, TimeDelta::zero()));
        assert_eq!(terms.limit, Limit::Rate { per_second: 10.0, burst: 10 });
    }

    #[test]
    fn fast_lanes_pay_for_the_slack_with_their_burst() {
        let terms = Terms::new(200.0, 50);
        assert_eq!((terms.size, terms.slack), (20, TimeDelta::milliseconds(100)));
        assert_eq!(terms.limit, Limit::Rate { per_second: 200.0, burst: 30 });
    }

    #[test]
    fn strictly_spaced_fast_lanes_have_no_slack() {
        let terms = Terms::new(200.0, 1);
        assert_eq!((terms.size, terms.slack), (20, TimeDelta::zero()));
        assert_eq!(terms.limit, Limit::Rate { per_second: 200.0, burst: 1 });
    }
}
