//! WorkDrive's limits: calls per second, listings of one folder, and asking for what is gone (zoho.md 3.12, 13).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::dialect;
use crate::answer::Answer;
use crate::clock::Millis;
use crate::context::Context;
use crate::route::Route;

const MINUTE_MS: Millis = 60_000;
/// A penalty stops growing here, in milliseconds.
const LONGEST_PENALTY_MS: Millis = 3_600_000;

/// What an organisation did lately and what it is refused for now.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    refusals: HashMap<(&'static str, Arc<str>), Refusal>,
    listings: HashMap<Arc<str>, VecDeque<Millis>>,
    unknown_ids: HashMap<Arc<str>, VecDeque<Millis>>,
    bucket: Option<Bucket>,
}

/// "Not before `until`".
#[derive(Debug, Clone, Copy)]
struct Refusal {
    since: Millis,
    until: Millis,
    penalty_ms: Millis,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Millis,
}

impl Limits {
    /// Refuses calls of this route and resource for so long.
    pub(crate) fn refuse(&mut self, route: &'static str, subject: &str, seconds: u32, now: Millis) {
        let penalty_ms = i64::from(seconds) * 1000;
        self.refusals.insert((route, subject.into()), Refusal { since: now, until: now + penalty_ms, penalty_ms });
    }

    /// Takes one call out of the bucket; false when it is empty.
    fn take(&mut self, per_second: f64, burst: u32, now: Millis) -> bool {
        let most = f64::from(burst.max(1));
        let bucket = self.bucket.get_or_insert(Bucket { tokens: most, at: now });
        let refill = (now - bucket.at).max(0) as f64 / 1000.0 * per_second;
        bucket.tokens = (bucket.tokens + refill).min(most);
        bucket.at = now;
        let allowed = bucket.tokens >= 1.0;
        if allowed {
            bucket.tokens -= 1.0;
        }
        allowed
    }
}

/// Counts this moment and says how many there were within the last minute.
fn count_minute(times: &mut VecDeque<Millis>, now: Millis) -> usize {
    while times.front().is_some_and(|at| *at <= now - MINUTE_MS) {
        times.pop_front();
    }
    times.push_back(now);
    times.len()
}

fn refused(retry_after_ms: Millis) -> Answer {
    let seconds = retry_after_ms.max(0).unsigned_abs().div_ceil(1000);
    dialect::too_many_requests().header("retry-after", seconds.to_string())
}

/// Lets a call through, or answers 429. Downloads and uploads are not metadata calls and only meet refusals
/// that a fault put there.
pub(crate) fn check(context: &mut Context<'_>, route: &Route) -> Result<(), Answer> {
    still_refused(context, route.name(), route.subject())?;
    let is_transfer = route.is_upload() || matches!(route, Route::Download { .. });
    if !is_transfer {
        still_refused(context, "workdrive.*", "")?;
        rate(context)?;
    }
    Ok(())
}

fn still_refused(context: &mut Context<'_>, route: &'static str, subject: &str) -> Result<(), Answer> {
    let now = context.now;
    let (growth, grace) =
        (context.world.knobs.workdrive.penalty_growth, context.world.knobs.workdrive.in_flight_grace_ms);
    let key = (route, Arc::from(subject));
    let refusals = &mut context.organization_mut().limits.refusals;
    let Some(refusal) = refusals.get_mut(&key) else { return Ok(()) };
    if refusal.until <= now {
        refusals.remove(&key);
        return Ok(());
    }
    let left = refusal.until - now;
    if now - refusal.since <= grace {
        return Err(refused(left));
    }
    refusal.penalty_ms = ((refusal.penalty_ms as f64 * growth) as Millis).min(LONGEST_PENALTY_MS);
    refusal.until = refusal.until.max(now + refusal.penalty_ms);
    let longer = refusal.until - now;
    context.misdeed("called_while_throttled", || format!("{route} {subject}: {} s too early", left / 1000));
    Err(refused(longer))
}

fn rate(context: &mut Context<'_>) -> Result<(), Answer> {
    let knobs = &context.world.knobs.workdrive;
    let Some(per_second) = knobs.requests_per_second else { return Ok(()) };
    let (burst, penalty, now) = (knobs.burst, knobs.rate_penalty_seconds, context.now);
    let limits = &mut context.organization_mut().limits;
    if limits.take(per_second, burst, now) {
        return Ok(());
    }
    limits.refuse("workdrive.*", "", penalty, now);
    context.misdeed("exceeded_request_rate", || format!("more than {per_second} calls a second"));
    Err(refused(i64::from(penalty) * 1000))
}

/// Counts one listing of a folder; its further pages do not count.
pub(crate) fn listing(context: &mut Context<'_>, folder: &str) -> Result<(), Answer> {
    let knobs = &context.world.knobs.workdrive;
    let (most, penalty, now) = (knobs.refused_listing as usize, knobs.listing_penalty_seconds, context.now);
    let limits = &mut context.organization_mut().limits;
    let listings = count_minute(limits.listings.entry(folder.into()).or_default(), now);
    if most == 0 || listings < most {
        return Ok(());
    }
    limits.refuse("workdrive.list", folder, penalty, now);
    context.misdeed("listed_folder_too_often", || format!("folder {folder}: {listings} times within a minute"));
    Err(refused(i64::from(penalty) * 1000))
}

/// The answer for an id that means nothing; asking again and again ends in 429.
pub(crate) fn unknown_id(context: &mut Context<'_>, id: &str) -> Answer {
    let knobs = &context.world.knobs.workdrive;
    let (most, penalty, now) = (knobs.refused_unknown_id as usize, knobs.rate_penalty_seconds, context.now);
    let limits = &mut context.organization_mut().limits;
    let times = count_minute(limits.unknown_ids.entry(id.into()).or_default(), now);
    if most == 0 || times < most {
        return dialect::unauthorized_access();
    }
    context.misdeed("repeated_unknown_id", || format!("{id}: {times} times within a minute"));
    refused(i64::from(penalty) * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_lets_the_burst_through_and_refills() {
        let mut limits = Limits::default();
        assert!(limits.take(2.0, 2, 0) && limits.take(2.0, 2, 0));
        assert!(!limits.take(2.0, 2, 100));
        assert!(limits.take(2.0, 2, 600));
    }

    #[test]
    fn a_minute_rolls() {
        let mut times = VecDeque::new();
        assert_eq!(count_minute(&mut times, 0), 1);
        assert_eq!(count_minute(&mut times, 59_999), 2);
        assert_eq!(count_minute(&mut times, 60_000), 2);
    }
}
