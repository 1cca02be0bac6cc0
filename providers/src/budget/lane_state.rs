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
    pub fn reserve(
        &mut self,
        limit: &Limit,
        now: DateTime<Utc>,
        max_wait: TimeDelta,
    ) -> Reservation {
        let earliest = self.refused_until.map_or(now, |refused| refused.max(now));
        let at = match limit {
            Limit::Unlimited => earliest,
            Limit::Rate { per_second, burst } => {
                self.earliest_by_rate(earliest, *per_second, *burst)
            }
            Limit::Window { permits, window } => {
                self.earliest_by_window(earliest, *permits, delta(*window))
            }
        };
        if at - now > max_wait {
            return Reservation::TooLate(at);
        }
        match limit {
            Limit::Unlimited => {}
            Limit::Rate { per_second, .. } => {
                self.busy_until =
                    Some(self.busy_until.map_or(at, |busy| busy.max(at)) + spacing(*per_second));
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
    fn earliest_by_rate(
        &self,
        earliest: DateTime<Utc>,
        per_second: f64,
        burst: u32,
    ) -> DateTime<Utc> {
        let Some(busy) = self.busy_until else {
            return earliest;
        };
        let credit =
            spacing(per_second) * i32::try_from(burst.saturating_sub(1)).unwrap_or(i32::MAX);
        earliest.max(busy - credit)
    }

    fn earliest_by_window(
        &mut self,
        earliest: DateTime<Utc>,
        permits: u32,
        window: TimeDelta,
    ) -> DateTime<Utc> {
        let permits = permits.max(1) as usize;
        // A clock that steps back must not make room: time in a lane never runs backwards.
        let earliest = self
            .granted
            .back()
            .map_or(earliest, |last| earliest.max(*last));
        while self.granted.len() > permits
            || self
                .granted
                .front()
                .is_some_and(|first| *first + window <= earliest)
        {
            self.granted.pop_front();
        }
        if self.granted.len() < permits {
            return earliest;
        }
        self.granted
            .front()
            .map_or(earliest, |first| earliest.max(*first + window))
    }
}

fn spacing(per_second: f64) -> TimeDelta {
    let seconds = if per_second > 0.0 {
        (1.0 / per_second).min(86_400.0)
    } else {
        86_400.0
    };
    TimeDelta::nanoseconds((seconds * 1e9).ceil() as i64)
}

fn delta(duration: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
