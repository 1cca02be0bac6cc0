#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicI64, Ordering};

use event_log::{Access, Database, Settings};
use proptest::prelude::*;

use providers::error::ThrottleScope;

use super::*;

/// A database whose budgets are opened, dropped and opened again, under a clock that is set by hand.
struct Bench {
    _folder: tempfile::TempDir,
    log: Log,
    /// The writer of another process.
    other_log: Log,
    micros: Arc<AtomicI64>,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("budget.db").display());
        let micros = Arc::new(AtomicI64::new(1_800_000_000_000_000));
        let log = open_log(&url, Access::CreateAndMigrate, &micros).await;
        let other_log = open_log(&url, Access::Existing, &micros).await;
        Self { _folder: folder, log, other_log, micros }
    }

    fn clock(&self) -> Clock {
        let micros = self.micros.clone();
        Clock::new(move || DateTime::from_timestamp_micros(micros.load(Ordering::SeqCst)).unwrap())
    }

    fn budget(&self) -> SqlBudget {
        SqlBudget::new("org-a", self.log.clone(), self.clock(), MAX_WAIT)
    }

    fn budget_of_other_process(&self) -> SqlBudget {
        SqlBudget::new("org-a", self.other_log.clone(), self.clock(), MAX_WAIT)
    }

    fn advance(&self, by: TimeDelta) {
        self.micros.fetch_add(by.num_microseconds().unwrap(), Ordering::SeqCst);
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock().now()
    }
}

async fn open_log(url: &str, access: Access, micros: &Arc<AtomicI64>) -> Log {
    let micros = micros.clone();
    let now = move || DateTime::from_timestamp_micros(micros.load(Ordering::SeqCst)).unwrap();
    let database = Database::open(&Settings::new(url, access)).await.unwrap();
    Log::open(database, 64, Arc::new(now)).await.unwrap()
}

fn window(permits: u32, seconds: u64) -> Lane {
    Lane { name: "workdrive.folder:f1".into(), limit: Limit::Window { permits, window: Duration::from_secs(seconds) } }
}

fn rate(per_second: f64, burst: u32) -> Lane {
    Lane { name: "crm".into(), limit: Limit::Rate { per_second, burst } }
}

fn unlimited() -> Lane {
    Lane { name: "workdrive.upload".into(), limit: Limit::Unlimited }
}

#[derive(Debug, Clone)]
enum Step {
    /// One of the two budgets is asked, so many times at once.
    Ask(usize, usize),
    /// One of the two is dropped and opened again.
    Restart(usize),
    /// Time passes, in milliseconds.
    Pass(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0_usize..2).prop_map(|which| Step::Ask(which, 1)),
        2 => (0_usize..2, 1_usize..50).prop_map(|(which, times)| Step::Ask(which, times)),
        1 => (0_usize..2).prop_map(Step::Restart),
        3 => (0_i64..40).prop_map(Step::Pass),
        1 => (0_i64..3000).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 1..60)
}

/// The moments at which calls were allowed, whoever asked, whatever was restarted.
fn grants(lane: &Lane, steps: &[Step]) -> Vec<DateTime<Utc>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bench = Bench::new().await;
        let mut budgets = [bench.budget(), bench.budget_of_other_process()];
        let mut grants = Vec::new();
        for step in steps {
            match step {
                Step::Ask(which, times) => {
                    let budget = &budgets[*which];
                    for _ in 0..*times {
                        if let Reservation::At(at) = budget.reserve(lane, budget.max_wait).await.unwrap() {
                            assert!(at >= bench.now(), "a permit for the past");
                            grants.push(at);
                        }
                    }
                }
                Step::Restart(0) => budgets[0] = bench.budget(),
                Step::Restart(_) => budgets[1] = bench.budget_of_other_process(),
                Step::Pass(ms) => bench.advance(TimeDelta::milliseconds(*ms)),
            }
        }
        grants.sort();
        grants
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_window_holds_more_than_its_permits(permits in 1_u32..6, steps in steps()) {
        let length = TimeDelta::seconds(2);
        let grants = grants(&window(permits, 2), &steps);
        for (from, first) in grants.iter().enumerate() {
            let inside = grants[from..].iter().take_while(|at| **at < *first + length).count();
            prop_assert!(inside <= permits as usize, "{inside} from {first}");
        }
    }

    #[test]
    fn no_stretch_holds_more_than_burst_and_rate_allow(
        per_second in prop_oneof![Just(3.0), Just(25.0), Just(90.0), Just(400.0)],
        burst in 1_u32..60,
        steps in steps(),
    ) {
        let grants = grants(&rate(per_second, burst), &steps);
        for (from, first) in grants.iter().enumerate() {
            for (count, last) in grants[from..].iter().enumerate().map(|(at, last)| (at + 1, last)) {
                let length = (*last - *first).num_nanoseconds().unwrap() as f64 / 1e9;
                let allowed = f64::from(burst) + length * per_second + 1e-3;
                prop_assert!(count as f64 <= allowed, "{count} calls in {length} s, {allowed} allowed");
            }
        }
    }
}

#[tokio::test]
async fn a_refusal_holds_for_other_budgets_and_only_moves_later() {
    let bench = Bench::new().await;
    let (ours, theirs) = (bench.budget(), bench.budget_of_other_process());
    let lane = unlimited();
    theirs.acquire(&lane).await.unwrap();
    let until = bench.now() + TimeDelta::minutes(5);
    ours.refuse(&lane, until).await.unwrap();
    ours.refuse(&lane, until - TimeDelta::minutes(4)).await.unwrap();
    bench.advance(LOOK_EVERY);
    for budget in [&ours, &theirs, &bench.budget()] {
        let Err(Error::Throttled(throttled)) = budget.acquire(&lane).await else { panic!("the lane is open") };
        assert_eq!(throttled.until, until);
        assert_eq!(throttled.scope, ThrottleScope::Token);
    }
    bench.advance(TimeDelta::minutes(5));
    theirs.acquire(&lane).await.unwrap();
}

#[tokio::test]
async fn a_refused_rate_lane_throttles_what_was_taken_ahead() {
    let bench = Bench::new().await;
    let budget = bench.budget();
    let lane = rate(400.0, 100);
    budget.acquire(&lane).await.unwrap();
    let until = bench.now() + TimeDelta::minutes(1);
    budget.refuse(&lane, until).await.unwrap();
    assert_eq!(budget.acquire(&lane).await.unwrap_err().throttled_until(), Some(until));
}

#[tokio::test]
async fn a_permit_that_is_too_far_away_is_throttled_and_not_used() {
    let bench = Bench::new().await;
    let budget = bench.budget();
    let lane = window(2, 60);
    let first = bench.now();
    budget.acquire(&lane).await.unwrap();
    budget.acquire(&lane).await.unwrap();
    let Err(Error::Throttled(throttled)) = budget.acquire(&lane).await else { panic!("a third permit") };
    assert_eq!(throttled.until, first + TimeDelta::seconds(60));
    assert_eq!(throttled.scope, ThrottleScope::Folder("f1".to_owned()));
    bench.advance(TimeDelta::seconds(60));
    bench.budget().acquire(&lane).await.unwrap();
}

#[tokio::test]
async fn an_open_unlimited_lane_writes_nothing() {
    let bench = Bench::new().await;
    let budget = bench.budget();
    for _ in 0..100 {
        budget.acquire(&unlimited()).await.unwrap();
    }
    assert_eq!(row_count(&bench).await, 0);
}

#[tokio::test]
async fn a_fast_lane_writes_once_for_a_tenth_of_a_second() {
    let bench = Bench::new().await;
    let budget = bench.budget();
    let lane = rate(1000.0, 1000);
    for _ in 0..100 {
        budget.acquire(&lane).await.unwrap();
    }
    let busy = rows::load(&mut bench.log.database().readers().acquire().await.unwrap(), "org-a", "crm").await.unwrap();
    assert_eq!(busy.unwrap().busy_until, Some(bench.now() + TimeDelta::milliseconds(100)));
}

#[tokio::test]
async fn rows_that_say_nothing_any_more_are_deleted() {
    let bench = Bench::new().await;
    let budget = bench.budget();
    for folder in 0..20 {
        let lane = Lane { name: format!("workdrive.folder:{folder}").into(), ..window(1, 60) };
        budget.acquire(&lane).await.unwrap();
        bench.advance(TimeDelta::seconds(30));
    }
    assert_eq!(row_count(&bench).await, 2);
}

async fn row_count(bench: &Bench) -> i64 {
    sql::query_scalar("SELECT count(*) FROM budgets").fetch_one(bench.log.database().readers()).await.unwrap()
}
