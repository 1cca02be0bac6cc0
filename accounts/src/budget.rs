//! Limits of one account, shared by every process that works on the same database.
//!
//! What was used of a lane lies in its row of `budgets`, so it outlives a crash and holds for all processes together.
//! A permit is written down before it is used. To spare writes, a fast rate lane takes about 100 ms worth of permits at
//! once and hands them out from memory; permits that are not used in time are lost, never used twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use event_log::Log;
use providers::budget::{Budget, Lane, LaneState, Limit, Reservation};
use providers::clock::Clock;
use providers::error::Error;

use self::chunk::{Chunk, Terms};

mod chunk;
mod rows;

/// How long a call waits for its permit by default; beyond it the call is answered with `Throttled`.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(30);

/// How old our knowledge of other processes' refusals may be.
const LOOK_EVERY: TimeDelta = TimeDelta::seconds(1);

/// Above this number of lanes those that nobody waits for are forgotten; folders come and go, and rows remember.
const LANES_BEFORE_CLEANING: usize = 4096;

/// The budget of one account over the table `budgets`.
#[derive(Debug)]
pub(crate) struct SqlBudget {
    account: Arc<str>,
    log: Log,
    clock: Clock,
    max_wait: TimeDelta,
    lanes: Mutex<HashMap<String, Arc<SharedLane>>>,
}

/// What this process knows of a lane.
#[derive(Debug, Default)]
struct SharedLane {
    /// Permits of a rate lane that are written down and not used yet. Held across the write that takes more, so that
    /// those who wait share them.
    chunk: tokio::sync::Mutex<Chunk>,
    refusal: Mutex<Refusal>,
}

/// The provider's refusal, and when the row was last looked at.
#[derive(Debug, Default)]
struct Refusal {
    until: Option<DateTime<Utc>>,
    looked_at: Option<DateTime<Utc>>,
}

impl SqlBudget {
    pub(crate) fn new(account: &str, log: Log, clock: Clock, max_wait: Duration) -> Self {
        Self {
            account: account.into(),
            log,
            clock,
            max_wait: TimeDelta::from_std(max_wait).unwrap_or(TimeDelta::MAX),
            lanes: Mutex::default(),
        }
    }

    fn lane(&self, name: &str) -> Arc<SharedLane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(name) {
            return lane.clone();
        }
        if lanes.len() >= LANES_BEFORE_CLEANING {
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        }
        lanes.entry(name.to_owned()).or_default().clone()
    }

    /// Takes the earliest permit that is at most `max_wait` away, without waiting for its moment.
    async fn reserve(&self, lane: &Lane, max_wait: TimeDelta) -> Result<Reservation, event_log::Error> {
        let shared = self.lane(&lane.name);
        match lane.limit {
            Limit::Unlimited => {
                let now = self.clock.now();
                let open = self.refused_until(&shared, lane, now).await?.unwrap_or(now);
                Ok(within(open, now, max_wait))
            }
            Limit::Window { .. } => {
                let limit = lane.limit;
                let reserved =
                    self.in_row(&shared, lane, move |state, now| vec![state.reserve(&limit, now, max_wait)]).await?;
                Ok(reserved[0])
            }
            Limit::Rate { per_second, burst } => {
                let terms = Terms::new(per_second, burst);
                let mut chunk = shared.chunk.lock().await;
                let now = self.clock.now();
                let open = shared.refusal().after(now).unwrap_or(now);
                if let Some(at) = chunk.next(open, &terms) {
                    let taken = within(at, now, max_wait);
                    if matches!(taken, Reservation::At(_)) {
                        chunk.take();
                    }
                    return Ok(taken);
                }
                let reserved =
                    self.in_row(&shared, lane, move |state, now| terms.reserve(state, now, max_wait)).await?;
                Ok(chunk.refill(reserved))
            }
        }
    }

    /// Changes the lane's row by `reserve` and keeps the change if it granted anything.
    async fn in_row(
        &self,
        shared: &SharedLane,
        lane: &Lane,
        reserve: impl FnOnce(&mut LaneState, DateTime<Utc>) -> Vec<Reservation> + Send + 'static,
    ) -> Result<Vec<Reservation>, event_log::Error> {
        let (account, name, limit, clock) =
            (self.account.clone(), lane.name.to_string(), lane.limit, self.clock.clone());
        let (reserved, refused_until, now) = self
            .log
            .write(move |unit| {
                Box::pin(async move {
                    let known = rows::load(unit.connection(), &account, &name).await?;
                    let is_new = known.is_none();
                    let mut state = known.unwrap_or_default();
                    let now = clock.now();
                    let reserved = reserve(&mut state, now);
                    if reserved.iter().any(|one| matches!(one, Reservation::At(_))) {
                        rows::save(unit.connection(), &account, &name, &state, &limit).await?;
                    }
                    if is_new {
                        rows::delete_idle(unit.connection(), &account, now).await?;
                    }
                    Ok::<_, event_log::Error>((reserved, state.refused_until, now))
                })
            })
            .await?;
        shared.refusal().learn(refused_until, now);
        Ok(reserved)
    }

    /// Until when the provider refuses the lane, if that is after `now`.
    async fn refused_until(
        &self,
        shared: &SharedLane,
        lane: &Lane,
        now: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, event_log::Error> {
        if shared.refusal().is_known(now) {
            return Ok(shared.refusal().after(now));
        }
        let row = rows::refused_until(self.log.database().readers(), &self.account, &lane.name).await?;
        let mut refusal = shared.refusal();
        refusal.learn(row, now);
        Ok(refusal.after(now))
    }
}

impl SharedLane {
    fn refusal(&self) -> std::sync::MutexGuard<'_, Refusal> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Refusal {
    fn learn(&mut self, until: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        self.until = self.until.max(until);
        self.looked_at = Some(now);
    }

    fn push_to(&mut self, until: DateTime<Utc>) {
        self.until = self.until.max(Some(until));
    }

    /// Whether the row need not be read: a refusal is in force, or the last look was just now.
    fn is_known(&self, now: DateTime<Utc>) -> bool {
        self.after(now).is_some() || self.looked_at.is_some_and(|looked| looked <= now && now - looked < LOOK_EVERY)
    }

    fn after(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.until.filter(|until| *until > now)
    }
}

#[async_trait]
impl Budget for SqlBudget {
    async fn acquire(&self, lane: &Lane) -> Result<(), Error> {
        let begin = self.clock.now();
        let mut now = begin;
        loop {
            let left = self.max_wait - (now - begin);
            match self.reserve(lane, left).await.map_err(stored)? {
                Reservation::TooLate(until) => return Err(Error::Throttled(lane.throttled(until))),
                Reservation::At(at) => {
                    if let Ok(wait) = (at - self.clock.now()).to_std() {
                        tokio::time::sleep(wait).await;
                    }
                    now = self.clock.now().max(at);
                }
            }
            // A refusal that came while we waited closes the lane for us too.
            let shared = self.lane(&lane.name);
            if self.refused_until(&shared, lane, now).await.map_err(stored)?.is_none() {
                return Ok(());
            }
        }
    }

    async fn refuse(&self, lane: &Lane, until: DateTime<Utc>) -> Result<(), Error> {
        // First in memory: whoever is about to call in this process must not wait for the disk to know.
        self.lane(&lane.name).refusal().push_to(until);
        let (account, name, limit) = (self.account.clone(), lane.name.to_string(), lane.limit);
        self.log
            .write(move |unit| {
                Box::pin(async move {
                    let mut state = rows::load(unit.connection(), &account, &name).await?.unwrap_or_default();
                    state.refuse(until);
                    rows::save(unit.connection(), &account, &name, &state, &limit).await?;
                    Ok::<_, event_log::Error>(())
                })
            })
            .await
            .map_err(stored)
    }
}

fn within(at: DateTime<Utc>, now: DateTime<Utc>, max_wait: TimeDelta) -> Reservation {
    if at - now > max_wait { Reservation::TooLate(at) } else { Reservation::At(at) }
}

fn stored(source: event_log::Error) -> Error {
    Error::Store(Box::new(source))
}

#[cfg(test)]
mod tests;
