//! A budget in the memory of one process: for tests, and where one process is all there is.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use crate::budget::{Budget, Lane, LaneState, Limit, Reservation};
use crate::clock::Clock;
use crate::error::Error;

/// Above this number of lanes the idle ones are forgotten; folders come and go.
const LANES_BEFORE_CLEANING: usize = 4096;

/// Keeps the state of every lane in memory.
#[derive(Debug)]
pub struct MemoryBudget {
    clock: Clock,
    max_wait: Duration,
    lanes: Mutex<HashMap<String, (Limit, LaneState)>>,
}

impl MemoryBudget {
    /// A budget that waits up to `max_wait` for a permit and answers [`Error::Throttled`] beyond that.
    #[must_use]
    pub fn new(clock: Clock, max_wait: Duration) -> Self {
        Self { clock, max_wait, lanes: Mutex::new(HashMap::new()) }
    }

    fn with_lane<T>(&self, lane: &Lane, now: DateTime<Utc>, change: impl FnOnce(&mut LaneState) -> T) -> T {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() > LANES_BEFORE_CLEANING {
            lanes.retain(|_, (limit, state)| !state.is_idle(limit, now));
        }
        if let Some((limit, state)) = lanes.get_mut(lane.name.as_ref()) {
            *limit = lane.limit;
            return change(state);
        }
        let (_, state) = lanes.entry(lane.name.to_string()).or_insert((lane.limit, LaneState::default()));
        change(state)
    }

    fn refused_until(&self, lane: &Lane, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.with_lane(lane, now, |state| state.refused_until).filter(|until| *until > now)
    }
}

#[async_trait]
impl Budget for MemoryBudget {
    async fn acquire(&self, lane: &Lane) -> Result<(), Error> {
        let max_wait = TimeDelta::from_std(self.max_wait).unwrap_or(TimeDelta::MAX);
        let begin = self.clock.now();
        let mut now = begin;
        loop {
            let left = max_wait - (now - begin);
            match self.with_lane(lane, now, |state| state.reserve(&lane.limit, now, left)) {
                Reservation::TooLate(until) => {
                    return Err(Error::Throttled(lane.throttled(until)));
                }
                Reservation::At(at) => {
                    if let Ok(wait) = (at - now).to_std() {
                        tokio::time::sleep(wait).await;
                    }
                    now = self.clock.now().max(at);
                }
            }
            // A refusal that came while we waited closes the lane for us too.
            if self.refused_until(lane, now).is_none() {
                return Ok(());
            }
        }
    }

    async fn refuse(&self, lane: &Lane, until: DateTime<Utc>) -> Result<(), Error> {
        self.with_lane(lane, self.clock.now(), |state| state.refuse(until));
        Ok(())
    }
}
