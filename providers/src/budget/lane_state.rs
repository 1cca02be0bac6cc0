//! The arithmetic of one lane, without waiting and without storage; every [`Budget`](crate::budget::Budget) can share it.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use crate::budget::Limit;

/// Answer to one request for a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reservation {
    /// The call may be made at this moment or later; the permit is used.
    At(DateTime<Utc>),
    /// The earliest moment is this one and too far away; no permit was used.
    TooLate(DateTime<Utc>),
}

/// What a lane remembers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LaneState {
    /// Refused by the provider until then.
    pub refused_until: Option<DateTime<Utc>>,
    /// Moments of granted permits inside the last window, ascending. Used by [`Limit::Window`].
    pub granted: VecDeque<DateTime<Utc>>,
    /// The moment at which the lane would be idle again. Used by [`Limit::Rate`].
    pub busy_until: Option<DateTime<Utc>>,
}

impl LaneState {
    /// Takes the earliest permit at or after `now`, unless that is more than `max_wait` away.
    pub fn reserve(&mut self, limit: &Limit, now: DateTime<Utc>, max_wait: TimeDelta) -> Reservation {
        let earliest = self.refused_until.map_or(now, |refused| refused.max(now));
        let at = match limit {
            Limit::Unlimited => earliest,
            Limit::Rate { per_second, burst } => self.earliest_by_rate(earliest, *per_second, *burst),
            Limit::Window { permits, window } => self.earliest_by_window(earliest, *permits, delta(*window)),
        };
        if at - now > max_wait {
            return Reservation::TooLate(at);
        }
        match limit {
            Limit::Unlimited => {}
            Limit::Rate { per_second, .. } => {
                self.busy_until = Some(self.busy_until.map_or(at, |busy| busy.max(at)) + spacing(*per_second));
            }
            Limit::Window { .. } => self.granted.push_back(at),
        }
        Reservation::At(at)
    }

    /// Closes the lane until `until`; an earlier time than the known one changes nothing.
    pub fn refuse(&mut self, until: DateTime<Utc>) {
        self.refused_until = Some(self.refused_until.map_or(until, |known| known.max(until)));
    }

    /// Whether forgetting this state would change no answer from `now` on.
    #[must_use]
    pub fn is_idle(&self, limit: &Limit, now: DateTime<Utc>) -> bool {
        let window = match limit {
            Limit::Window { window, .. } => delta(*window),
            Limit::Rate { .. } | Limit::Unlimited => TimeDelta::zero(),
        };
        self.refused_until.is_none_or(|until| until <= now)
            && self.busy_until.is_none_or(|until| until <= now)
            && self.granted.back().is_none_or(|last| *last + window <= now)
    }

    /// Generic cell rate: `burst - 1` spacings of credit may be used up at once.
    fn earliest_by_rate(&self, earliest: DateTime<Utc>, per_second: f64, burst: u32) -> DateTime<Utc> {
        let Some(busy) = self.busy_until else {
            return earliest;
        };
        let credit = spacing(per_second) * i32::try_from(burst.saturating_sub(1)).unwrap_or(i32::MAX);
        earliest.max(busy - credit)
    }

    fn earliest_by_window(&mut self, earliest: DateTime<Utc>, permits: u32, window: TimeDelta) -> DateTime<Utc> {
        let permits = permits.max(1) as usize;
        // A clock that steps back must not make room: time in a lane never runs backwards.
        let earliest = self.granted.back().map_or(earliest, |last| earliest.max(*last));
        while self.granted.len() > permits || self.granted.front().is_some_and(|first| *first + window <= earliest) {
            self.granted.pop_front();
        }
        if self.granted.len() < permits {
            return earliest;
        }
        self.granted.front().map_or(earliest, |first| earliest.max(*first + window))
    }
}

fn spacing(per_second: f64) -> TimeDelta {
    let seconds = if per_second > 0.0 { (1.0 / per_second).min(86_400.0) } else { 86_400.0 };
    TimeDelta::nanoseconds((seconds * 1e9).ceil() as i64)
}

fn delta(duration: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// What happens to a lane: time passes, somebody wants a permit, the provider refuses.
    #[derive(Debug, Clone)]
    enum Step {
        Pass(i64),
        Reserve(i64),
        Refuse(i64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (-2_000_i64..20_000).prop_map(Step::Pass),
            6 => (0_i64..120_000).prop_map(Step::Reserve),
            1 => (0_i64..60_000).prop_map(Step::Refuse),
        ];
        prop::collection::vec(step, 1..300)
    }

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(milliseconds)
    }

    /// Runs the steps; the granted moments, each with the refusal known at that time.
    fn run(limit: &Limit, steps: &[Step]) -> Vec<(DateTime<Utc>, Option<DateTime<Utc>>)> {
        let (mut state, mut now, mut granted) = (LaneState::default(), 1_000_000, Vec::new());
        for step in steps {
            match step {
                Step::Pass(passed) => now += passed,
                Step::Refuse(ahead) => {
                    let known = state.refused_until;
                    state.refuse(at(now + ahead));
                    assert!(known.is_none_or(|known| { state.refused_until.is_some_and(|until| until >= known) }));
                }
                Step::Reserve(max_wait) => {
                    let before = state.clone();
                    let max_wait = TimeDelta::milliseconds(*max_wait);
                    match state.reserve(limit, at(now), max_wait) {
                        Reservation::At(moment) => {
                            assert!(moment >= at(now) && moment - at(now) <= max_wait);
                            granted.push((moment, before.refused_until));
                        }
                        Reservation::TooLate(moment) => {
                            assert!(moment - at(now) > max_wait);
                            assert_eq!(state.busy_until, before.busy_until);
                            assert!(state.granted.len() <= before.granted.len());
                        }
                    }
                }
            }
        }
        granted
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_its_permits(
            permits in 1_u32..20,
            seconds in 1_u64..90,
            steps in steps(),
        ) {
            let window = Duration::from_secs(seconds);
            let mut granted: Vec<_> =
                run(&Limit::Window { permits, window }, &steps).into_iter().map(|(moment, _)| moment).collect();
            granted.sort_unstable();
            for group in granted.windows(permits as usize + 1) {
                prop_assert!(group[permits as usize] - group[0] >= delta(window));
            }
        }

        #[test]
        fn a_rate_lets_its_burst_through_and_then_keeps_its_spacing(
            per_second in 0.2_f64..50.0,
            burst in 1_u32..10,
            steps in steps(),
        ) {
            let mut granted: Vec<_> =
                run(&Limit::Rate { per_second, burst }, &steps).into_iter().map(|(moment, _)| moment).collect();
            granted.sort_unstable();
            for (first, start) in granted.iter().enumerate() {
                for (count, moment) in granted[first..].iter().enumerate().skip(burst as usize) {
                    let due = spacing(per_second) * i32::try_from(count + 1 - burst as usize).unwrap_or(i32::MAX);
                    prop_assert!(*moment - *start >= due, "{} calls within {}", count + 1, *moment - *start);
                }
            }
        }

        #[test]
        fn nothing_passes_before_a_known_refusal_ends(steps in steps()) {
            for limit in [Limit::Unlimited, Limit::Rate { per_second: 3.0, burst: 2 }] {
                for (moment, refused_until) in run(&limit, &steps) {
                    prop_assert!(refused_until.is_none_or(|until| moment >= until));
                }
            }
        }

        #[test]
        fn an_idle_state_may_be_forgotten(steps in steps(), later in 0_i64..200_000) {
            for limit in [
                Limit::Rate { per_second: 3.0, burst: 2 },
                Limit::Window { permits: 3, window: Duration::from_secs(10) },
            ] {
                let mut state = LaneState::default();
                for step in &steps {
                    if let Step::Reserve(ahead) = step {
                        state.reserve(&limit, at(*ahead), TimeDelta::MAX);
                    }
                }
                let now = at(120_000 + later);
                if state.is_idle(&limit, now) {
                    let fresh = LaneState::default().reserve(&limit, now, TimeDelta::MAX);
                    prop_assert_eq!(state.reserve(&limit, now, TimeDelta::MAX), fresh);
                }
            }
        }
    }
}
