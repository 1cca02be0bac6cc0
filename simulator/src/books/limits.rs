//! Books' limits: calls per minute and day of the whole organisation, an hour's block, calls in flight
//! (zoho.md section 4.4).

use std::collections::VecDeque;

use super::dialect;
use crate::answer::Answer;
use crate::clock::Millis;
use crate::context::Context;
use crate::knobs::MinuteOverflow;
use crate::shared::Shared;

const MINUTE_MS: Millis = 60_000;
const DAY_MS: Millis = 86_400_000;

/// What an organisation used.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    minute: VecDeque<Millis>,
    /// Calls of the day, counted per minute: 1,440 numbers at most.
    day: VecDeque<(Millis, u64)>,
    blocked: Option<Block>,
    in_flight: u32,
}

/// "Nobody of this organisation until then."
#[derive(Debug, Clone, Copy)]
struct Block {
    since: Millis,
    until: Millis,
}

impl Usage {
    /// Refuses every call of the organisation for so long.
    pub(crate) fn block(&mut self, seconds: u32, now: Millis) {
        self.blocked = Some(Block { since: now, until: now + i64::from(seconds) * 1000 });
    }

    fn in_minute(&mut self, now: Millis) -> usize {
        while self.minute.front().is_some_and(|at| *at <= now - MINUTE_MS) {
            self.minute.pop_front();
        }
        self.minute.len()
    }

    fn in_day(&mut self, now: Millis) -> u64 {
        while self.day.front().is_some_and(|(at, _)| *at <= now - DAY_MS) {
            self.day.pop_front();
        }
        self.day.iter().map(|(_, calls)| calls).sum()
    }

    fn count(&mut self, now: Millis) {
        self.minute.push_back(now);
        match self.day.back_mut() {
            Some((at, calls)) if now - *at < MINUTE_MS => *calls += 1,
            _ => self.day.push_back((now, 1)),
        }
    }
}

/// Counts a call, or answers 429.
pub(crate) fn check(context: &mut Context<'_>) -> Result<(), Answer> {
    still_blocked(context)?;
    let now = context.now;
    let knobs = context.world.knobs.books.clone();
    let usage = &mut context.organization_mut().books.usage;
    if usage.in_day(now) >= knobs.per_day {
        context.misdeed("exceeded_daily_limit", || format!("more than {} calls of Books in a day", knobs.per_day));
        return Err(dialect::day_limit());
    }
    if usage.in_minute(now) < knobs.per_minute as usize {
        usage.count(now);
        return Ok(());
    }
    if knobs.minute_overflow == MinuteOverflow::Block {
        usage.block(knobs.block_seconds, now);
    }
    context.misdeed("exceeded_minute_limit", || format!("more than {} calls of Books a minute", knobs.per_minute));
    match knobs.minute_overflow {
        MinuteOverflow::Refuse => Err(dialect::minute_limit()),
        MinuteOverflow::Block => Err(dialect::blocked(u64::from(knobs.block_seconds))),
    }
}

fn still_blocked(context: &mut Context<'_>) -> Result<(), Answer> {
    let (now, grace) = (context.now, context.world.knobs.books.in_flight_grace_ms);
    let Some(block) = context.organization().books.usage.blocked else { return Ok(()) };
    if block.until <= now {
        context.organization_mut().books.usage.blocked = None;
        return Ok(());
    }
    let left_seconds = (block.until - now).unsigned_abs().div_ceil(1000);
    if now - block.since > grace {
        context.misdeed("called_while_blocked", || format!("Books: {left_seconds} s too early"));
    }
    Err(dialect::blocked(left_seconds))
}

/// A place among the calls in flight; given back when dropped.
pub(crate) struct Admission<'a> {
    shared: &'a Shared,
    organization: usize,
}

impl<'a> Admission<'a> {
    /// Takes a place, or answers that too many calls are in flight.
    pub(crate) fn take(shared: &'a Shared, organization: usize) -> Result<Self, Answer> {
        let mut world = shared.world();
        let most = world.knobs.books.concurrency;
        let usage = &mut world.organizations[organization].books.usage;
        if usage.in_flight >= most {
            world.journal.misdeed("exceeded_concurrency", || format!("more than {most} calls of Books in flight"));
            return Err(dialect::concurrency());
        }
        usage.in_flight += 1;
        drop(world);
        Ok(Self { shared, organization })
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        self.shared.world().organizations[self.organization].books.usage.in_flight -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minute_and_day_roll() {
        let mut usage = Usage::default();
        usage.count(0);
        usage.count(30_000);
        assert_eq!(usage.in_minute(59_999), 2);
        assert_eq!(usage.in_minute(60_000), 1);
        assert_eq!(usage.in_day(DAY_MS - 1), 2);
        assert_eq!(usage.in_day(DAY_MS), 0);
    }
}
