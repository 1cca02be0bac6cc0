#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicI64, Ordering};

use event_log::{Access, Database, Settings, sql};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use testkit::postgres::TestDatabase;

use providers::error::ThrottleScope;

use super::*;

macro_rules! on_both_databases {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Bench::sqlite().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Bench::postgres().await).await;
            })*
        }
    };
}

on_both_databases! {
    a_refusal_holds_for_other_budgets_and_only_moves_later,
    a_refused_rate_lane_throttles_what_was_taken_ahead,
    a_permit_that_is_too_far_away_is_throttled_and_not_used,
    an_open_unlimited_lane_writes_nothing,
    a_fast_lane_writes_once_for_a_tenth_of_a_second,
    rows_that_say_nothing_any_more_are_deleted,
}

/// A database whose budgets are opened, dropped and opened again, under a clock that is set by hand.
struct Bench {
    log: Log,
    /// The writer of another process.
    other_log: Log,
    micros: Arc<AtomicI64>,
    /// Number of the account; histories that know nothing of each other have each their own.
    account: AtomicI64,
    _held: Held,
}

/// What takes the database away when it is dropped.
#[expect(dead_code, reason = "held for its drop")]
enum Held {
    Folder(tempfile::TempDir),
    Database(TestDatabase),
}

impl Bench {
    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("budget.db").display());
        Self::open(&url, Held::Folder(folder)).await
    }

    async fn postgres() -> Self {
        let database = testkit::postgres::database().await;
        let url = database.url.clone();
        Self::open(&url, Held::Database(database)).await
    }

    async fn open(url: &str, held: Held) -> Self {
        let micros = Arc::new(AtomicI64::new(1_800_000_000_000_000));
        let log = open_log(url, Access::CreateAndMigrate, &micros).await;
        let other_log = open_log(url, Access::Existing, &micros).await;
        Self { log, other_log, micros, account: AtomicI64::new(0), _held: held }
    }

    fn clock(&self) -> Clock {
        let micros = self.micros.clone();
        Clock::new(move || DateTime::from_timestamp_micros(micros.load(Ordering::SeqCst)).unwrap())
    }

    fn account(&self) -> String {
        format!("org-{}", self.account.load(Ordering::SeqCst))
    }

    fn budget(&self) -> SqlBudget {
        SqlBudget::new(&self.account(), self.log.clone(), self.clock(), MAX_WAIT)
    }

    fn budget_of_other_process(&self) -> SqlBudget {
        SqlBudget::new(&self.account(), self.other_log.clone(), self.clock(), MAX_WAIT)
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
async fn grants(bench: &Bench, lane: &Lane, steps: &[Step]) -> Vec<DateTime<Utc>> {
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
}

/// Checks a law for many histories, each on an account of its own.
fn check_law<S: Strategy>(
    open: impl AsyncFn() -> Bench,
    histories: S,
    law: impl AsyncFn(&Bench, S::Value) -> Result<(), TestCaseError>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(open());
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) };
    let checked = TestRunner::new(config).run(&histories, |history| {
        bench.account.fetch_add(1, Ordering::SeqCst);
        runtime.block_on(law(&bench, history))
    });
    if let Err(broken) = checked {
        panic!("{broken}");
    }
}

/// Permits of the window, and what happens.
fn window_histories() -> impl Strategy<Value = (u32, Vec<Step>)> {
    (1_u32..6, steps())
}

async fn no_window_holds_more_than_its_permits(
    bench: &Bench,
    (permits, steps): (u32, Vec<Step>),
) -> Result<(), TestCaseError> {
    let length = TimeDelta::seconds(2);
    let grants = grants(bench, &window(permits, 2), &steps).await;
    for (from, first) in grants.iter().enumerate() {
        let inside = grants[from..].iter().take_while(|at| **at < *first + length).count();
        prop_assert!(inside <= permits as usize, "{inside} from {first}");
    }
    Ok(())
}

/// Rate and burst of the lane, and what happens.
fn rate_histories() -> impl Strategy<Value = (f64, u32, Vec<Step>)> {
    (prop_oneof![Just(3.0), Just(25.0), Just(90.0), Just(400.0)], 1_u32..60, steps())
}

async fn no_stretch_holds_more_than_burst_and_rate_allow(
    bench: &Bench,
    (per_second, burst, steps): (f64, u32, Vec<Step>),
) -> Result<(), TestCaseError> {
    let grants = grants(bench, &rate(per_second, burst), &steps).await;
    for (from, first) in grants.iter().enumerate() {
        for (count, last) in grants[from..].iter().enumerate().map(|(at, last)| (at + 1, last)) {
            let length = (*last - *first).num_nanoseconds().unwrap() as f64 / 1e9;
            let allowed = f64::from(burst) + length * per_second + 1e-3;
            prop_assert!(count as f64 <= allowed, "{count} calls in {length} s, {allowed} allowed");
        }
    }
    Ok(())
}

mod laws_on_sqlite {
    use super::*;

    #[test]
    fn no_window_holds_more_than_its_permits() {
        check_law(Bench::sqlite, window_histories(), super::no_window_holds_more_than_its_permits);
    }

    #[test]
    fn no_stretch_holds_more_than_burst_and_rate_allow() {
        check_law(Bench::sqlite, rate_histories(), super::no_stretch_holds_more_than_burst_and_rate_allow);
    }
}

mod laws_on_postgres {
    use super::*;

    #[test]
    fn no_window_holds_more_than_its_permits() {
        check_law(Bench::postgres, window_histories(), super::no_window_holds_more_than_its_permits);
    }

    #[test]
    fn no_stretch_holds_more_than_burst_and_rate_allow() {
        check_law(Bench::postgres, rate_histories(), super::no_stretch_holds_more_than_burst_and_rate_allow);
    }
}

async fn a_refusal_holds_for_other_budgets_and_only_moves_later(bench: Bench) {
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

async fn a_refused_rate_lane_throttles_what_was_taken_ahead(bench: Bench) {
    let budget = bench.budget();
    let lane = rate(400.0, 100);
    budget.acquire(&lane).await.unwrap();
    let until = bench.now() + TimeDelta::minutes(1);
    budget.refuse(&lane, until).await.unwrap();
    assert_eq!(budget.acquire(&lane).await.unwrap_err().throttled_until(), Some(until));
}

async fn a_permit_that_is_too_far_away_is_throttled_and_not_used(bench: Bench) {
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

async fn an_open_unlimited_lane_writes_nothing(bench: Bench) {
    let budget = bench.budget();
    for _ in 0..100 {
        budget.acquire(&unlimited()).await.unwrap();
    }
    assert_eq!(row_count(&bench).await, 0);
}

async fn a_fast_lane_writes_once_for_a_tenth_of_a_second(bench: Bench) {
    let budget = bench.budget();
    let lane = rate(1000.0, 1000);
    for _ in 0..100 {
        budget.acquire(&lane).await.unwrap();
    }
    let busy = rows::load(&mut bench.log.database().readers().acquire().await.unwrap(), &bench.account(), "crm")
        .await
        .unwrap();
    assert_eq!(busy.unwrap().busy_until, Some(bench.now() + TimeDelta::milliseconds(100)));
}

async fn rows_that_say_nothing_any_more_are_deleted(bench: Bench) {
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
