use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta};
use futures::future::join_all;
use providers::budget::{Budget, Lane, Limit, MemoryBudget};
use providers::clock::Clock;
use providers::error::Error;

fn window(permits: u32, milliseconds: u64) -> Lane {
    Lane { name: "test".into(), limit: Limit::Window { permits, window: Duration::from_millis(milliseconds) } }
}

#[tokio::test]
async fn waiters_pass_when_the_window_has_room_and_no_earlier() {
    let budget = MemoryBudget::new(Clock::system(), Duration::from_secs(5));
    let begin = Instant::now();
    let lane = window(5, 100);
    let passed = join_all((0..15).map(|_| async {
        budget.acquire(&lane).await.unwrap();
        begin.elapsed()
    }))
    .await;
    let before = |limit| passed.iter().filter(|moment| **moment < Duration::from_millis(limit)).count();
    assert!(before(98) <= 5 && before(198) <= 10, "{passed:?}");
}

#[tokio::test]
async fn a_wait_beyond_patience_is_an_answer_and_costs_nothing() {
    let budget = MemoryBudget::new(Clock::system(), Duration::from_millis(10));
    let lane = window(1, 60_000);
    budget.acquire(&lane).await.unwrap();
    for _ in 0..3 {
        assert!(matches!(budget.acquire(&lane).await, Err(Error::Throttled(_))));
    }
    let other = Lane { name: "other".into(), ..lane };
    budget.acquire(&other).await.unwrap();
}

#[tokio::test]
async fn a_refusal_reaches_those_who_wait_already() {
    let budget = Arc::new(MemoryBudget::new(Clock::system(), Duration::from_secs(1)));
    let lane = window(1, 200);
    budget.acquire(&lane).await.unwrap();
    let refused_until = Clock::system().now() + TimeDelta::minutes(5);
    let (waited, refused) = tokio::join!(budget.acquire(&lane), budget.refuse(&lane, refused_until));
    refused.unwrap();
    assert_eq!(waited.unwrap_err().throttled_until(), Some(refused_until));
    budget.refuse(&lane, refused_until - TimeDelta::minutes(4)).await.unwrap();
    assert_eq!(budget.acquire(&lane).await.unwrap_err().throttled_until(), Some(refused_until));
}

#[tokio::test]
async fn a_lane_opens_again_when_the_clock_says_so() {
    let offset = Arc::new(AtomicI64::new(0));
    let reader = Arc::clone(&offset);
    let clock = Clock::new(move || DateTime::UNIX_EPOCH + TimeDelta::seconds(reader.load(Ordering::SeqCst)));
    let budget = MemoryBudget::new(clock, Duration::ZERO);
    let lane = Lane { name: "free".into(), limit: Limit::Unlimited };
    budget.refuse(&lane, DateTime::UNIX_EPOCH + TimeDelta::seconds(300)).await.unwrap();
    assert!(budget.acquire(&lane).await.is_err());
    offset.store(300, Ordering::SeqCst);
    budget.acquire(&lane).await.unwrap();
}
