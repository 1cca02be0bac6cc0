//! CRM's credits in a rolling day and its limit on calls in flight (zoho.md section 2.9).

use std::collections::VecDeque;

use crate::answer::Answer;
use crate::clock::Millis;
use crate::context::Context;
use crate::route::Route;
use crate::shared::Shared;

use super::dialect;

const DAY_MS: Millis = 86_400_000;
/// Credits are remembered per minute: 1,440 numbers at most.
const SLOT_MS: Millis = 60_000;

/// What an organisation used.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    slots: VecDeque<(Millis, u64)>,
    in_flight: u32,
    heavy_in_flight: u32,
}

impl Usage {
    fn spent(&mut self, now: Millis) -> u64 {
        while self.slots.front().is_some_and(|(at, _)| *at <= now - DAY_MS) {
            self.slots.pop_front();
        }
        self.slots.iter().map(|(_, credits)| credits).sum()
    }

    fn charge(&mut self, credits: u64, now: Millis) {
        match self.slots.back_mut() {
            Some((at, sum)) if now - *at < SLOT_MS => *sum += credits,
            _ => self.slots.push_back((now, credits)),
        }
    }
}

/// A place among the calls in flight; given back when dropped.
pub(crate) struct Admission<'a> {
    shared: &'a Shared,
    organization: usize,
    heavy: bool,
}

impl<'a> Admission<'a> {
    /// Takes a place, or answers that too many calls are in flight.
    pub(crate) fn take(shared: &'a Shared, organization: usize, route: &Route, body: &[u8]) -> Result<Self, Answer> {
        let heavy = is_heavy(route, body);
        let mut world = shared.world();
        let (all, most_heavy) = (world.knobs.crm.concurrency, world.knobs.crm.heavy_concurrency);
        let usage = &mut world.organizations[organization].crm.usage;
        let full = all.is_some_and(|most| usage.in_flight >= most) || (heavy && usage.heavy_in_flight >= most_heavy);
        if full {
            return Err(dialect::too_many_requests(route));
        }
        usage.in_flight += 1;
        usage.heavy_in_flight += u32::from(heavy);
        drop(world);
        Ok(Self { shared, organization, heavy })
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        let mut world = self.shared.world();
        let usage = &mut world.organizations[self.organization].crm.usage;
        usage.in_flight -= 1;
        usage.heavy_in_flight -= u32::from(self.heavy);
    }
}

fn is_heavy(route: &Route, body: &[u8]) -> bool {
    match route {
        Route::Coql | Route::SearchRecords { .. } => true,
        Route::Update { .. } => records_in(body) > 10,
        _ => false,
    }
}

fn records_in(body: &[u8]) -> u64 {
    let parsed: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    parsed.and_then(|body| body["data"].as_array().map(|data| data.len() as u64)).unwrap_or(1)
}

/// Answers a call and charges it; shows what is left once half the credits are gone.
pub(crate) fn charged(
    context: &mut Context<'_>,
    route: &Route,
    answer: impl FnOnce(&mut Context<'_>) -> Answer,
) -> Answer {
    let cost = match route {
        Route::Update { .. } => records_in(context.body).div_ceil(10).max(1),
        Route::Coql => coql_cost(context.body),
        _ => 1,
    };
    let (daily, now) = (context.world.knobs.crm.daily_credits, context.now);
    let usage = &mut context.organization_mut().crm.usage;
    let spent = usage.spent(now);
    if spent + cost > daily {
        return dialect::too_many_requests(route);
    }
    usage.charge(cost, now);
    let answer = answer(context);
    let left = daily - spent - cost;
    if left * 2 <= daily { answer.header("x-api-credits-remaining", left.to_string()) } else { answer }
}

/// 1 credit up to 200 rows, 2 up to 1,000, 3 above (section 2.4, unsure).
fn coql_cost(body: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(body).to_lowercase();
    let limit = text.rsplit_once("limit ").map_or(200, |(_, rest)| {
        rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<u64>().unwrap_or(200)
    });
    match limit {
        0..=200 => 1,
        201..=1000 => 2,
        _ => 3,
    }
}
