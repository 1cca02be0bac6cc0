//! Limits of Cliq: calls of one person within a rolling minute, and the lock that one call too many brings
//! (zoho.md section 0, rows 10 to 13, and section 6, numbers 34 to 36).

use std::collections::{HashMap, VecDeque};

use super::{Route, caller_user, dialect};
use crate::answer::Answer;
use crate::clock::Millis;
use crate::context::Context;
use crate::knobs::CliqKnobs;

const MINUTE_MS: Millis = 60_000;

/// What one person used, by route name.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    calls: HashMap<&'static str, VecDeque<Millis>>,
    locks: HashMap<&'static str, Lock>,
}

/// Refusals until a time.
#[derive(Debug, Clone, Copy)]
struct Lock {
    since: Millis,
    until: Millis,
}

/// Why a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It came when the lock was known; so many milliseconds too early.
    Locked(Millis),
    /// It came just after the call that brought the lock.
    JustLocked,
    /// It is one call too many and brings a lock.
    TooMany,
}

impl Usage {
    /// Counts a call of `route`.
    pub(crate) fn take(&mut self, route: &'static str, knobs: &CliqKnobs, now: Millis) -> Result<(), Refusal> {
        self.locks.retain(|_, lock| lock.until > now);
        let covers = |locked: &&'static str| *locked == route || knobs.lock_covers_every_call;
        let lock = self.locks.iter().find(|(locked, _)| covers(locked)).map(|(locked, lock)| (*locked, *lock));
        if let Some((locked, lock)) = lock {
            if now - lock.since <= knobs.in_flight_grace_ms {
                return Err(Refusal::JustLocked);
            }
            if knobs.lock_restarts_when_ignored {
                self.lock(locked, knobs.lock_seconds, now);
            }
            return Err(Refusal::Locked(lock.until - now));
        }
        let allowed = per_minute(route, knobs) as usize;
        let calls = self.calls.entry(route).or_default();
        while calls.front().is_some_and(|at| *at <= now - MINUTE_MS) {
            calls.pop_front();
        }
        if allowed > 0 && calls.len() >= allowed {
            self.lock(route, knobs.lock_seconds, now);
            return Err(Refusal::TooMany);
        }
        calls.push_back(now);
        Ok(())
    }

    /// Refuses calls of `route` for so long.
    pub(crate) fn lock(&mut self, route: &'static str, seconds: u32, now: Millis) {
        self.locks.insert(route, Lock { since: now, until: now + i64::from(seconds) * 1000 });
    }

    /// When the last lock in force ends.
    pub(crate) fn locked_until(&self, now: Millis) -> Option<Millis> {
        self.locks.values().map(|lock| lock.until).filter(|until| *until > now).max()
    }
}

fn per_minute(route: &str, knobs: &CliqKnobs) -> u32 {
    match route {
        "cliq.messages" => knobs.messages_per_minute,
        "cliq.message" => knobs.single_message_per_minute,
        "cliq.channels" => knobs.channels_per_minute,
        "cliq.threads" => knobs.threads_per_minute,
        "cliq.users" => knobs.users_per_minute,
        "cliq.search" => knobs.search_per_minute,
        _ => 0,
    }
}

/// Counts the call for the person it speaks for, or answers that it is refused.
pub(crate) fn check(context: &mut Context<'_>, route: &Route) -> Result<(), Answer> {
    let (user, now) = (caller_user(context), context.now);
    let knobs = context.world.knobs.cliq.clone();
    let usage = context.organization_mut().cliq.usage.entry(user.clone()).or_default();
    let Err(refusal) = usage.take(route.name(), &knobs, now) else { return Ok(()) };
    match refusal {
        Refusal::JustLocked => {}
        Refusal::TooMany => context.misdeed("exceeded_cliq_rate", || format!("{} of user {user}", route.name())),
        Refusal::Locked(left_ms) => context.misdeed("called_while_locked", || {
            format!("{} of user {user}: {} s too early", route.name(), left_ms / 1000)
        }),
    }
    Err(dialect::too_many_requests(route.version(), &knobs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full_minute() -> (Usage, CliqKnobs) {
        let (mut usage, knobs) = (Usage::default(), CliqKnobs::default());
        for call in 0..15 {
            assert_eq!(usage.take("cliq.messages", &knobs, call * 1000), Ok(()));
        }
        (usage, knobs)
    }

    #[test]
    fn sixteenth_call_of_a_minute_locks_for_ten() {
        let (mut usage, knobs) = full_minute();
        assert_eq!(usage.take("cliq.messages", &knobs, 15_000), Err(Refusal::TooMany));
        assert_eq!(usage.take("cliq.messages", &knobs, 15_200), Err(Refusal::JustLocked));
        assert_eq!(usage.take("cliq.messages", &knobs, 614_000), Err(Refusal::Locked(1000)));
        assert_eq!(usage.take("cliq.messages", &knobs, 615_000), Ok(()));
    }

    #[test]
    fn minute_rolls() {
        let (mut usage, knobs) = full_minute();
        assert_eq!(usage.take("cliq.messages", &knobs, 60_000), Ok(()), "the first call is a minute old");
        assert_eq!(usage.take("cliq.messages", &knobs, 60_999), Err(Refusal::TooMany));
    }

    #[test]
    fn lock_of_one_endpoint_covers_the_others_by_knob() {
        let (mut usage, mut knobs) = full_minute();
        assert!(usage.take("cliq.messages", &knobs, 15_000).is_err());
        assert_eq!(usage.take("cliq.channels", &knobs, 20_000), Err(Refusal::Locked(595_000)));
        knobs.lock_covers_every_call = false;
        assert_eq!(usage.take("cliq.channels", &knobs, 20_000), Ok(()));
    }
}
