//! The laws of the ledger, over real databases, under any interleaving of two processes and their crashes.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use consumers::Error;
use consumers::ledger::{
    Claim, Effect, Finished, Kind, Lane, Planned, Queue, Sequence, UNSETTLED, Verdict, claim, done, finish, next_due,
    park, plan, recover_all, recover_expired, renew, sources, start_over,
};
use consumers::pause::Paused;
use event_log::{Log, StreamName, sql};
use proptest::prelude::*;
use service::clock::{FixedClock, as_function};
use uuid::Uuid;

use crate::database::{self, On, Place};

each_database! {
    crash_uses_up_no_attempt_and_leaves_an_unknown_outcome,
    settling_remembers_when_the_effect_was_really_started,
    lost_lease_writes_nothing,
    only_what_is_running_is_prolonged,
    parked_effects_are_settled_after_a_while,
    nothing_is_due_that_cannot_be_claimed,
    two_unknown_twins_do_not_wait_for_each_other,
    row_that_does_not_decode_is_not_in_the_way,
    unsettled_effect_is_settled_when_it_starts_over_and_others_are_not,
    effect_that_moved_to_a_later_run_counts_there,
    planning_again_changes_nothing_in_the_same_run,
    what_is_said_of_an_earlier_claim_is_not_heard,
    twin_whose_account_waits_for_a_person_is_not_waited_for,
    every_account_that_is_read_from_is_found,
    effects_of_a_sequence_are_claimed_in_its_order_whatever_was_tried,
}

const LEASE: Duration = Duration::from_secs(60);
const SETTLE_AFTER: Duration = Duration::from_secs(1);
const MAX_ATTEMPTS: i64 = 3;

struct Book {
    _place: Place,
    clock: FixedClock,
    log: Log,
}

fn stream() -> StreamName {
    StreamName::new("transfer", "t-1")
}

fn planned(key: &str, once_key: Option<&str>) -> Planned {
    Planned {
        key: key.to_owned(),
        kind: Kind::CopyFile,
        stream: stream(),
        run: 1,
        account: "a".to_owned(),
        source_account: Some("b".to_owned()),
        organization: "acme".to_owned(),
        once_key: once_key.map(str::to_owned),
        sequence: None,
        bytes: Some(1),
        request: "{}".to_owned(),
        correlation_id: Uuid::nil(),
        causation_id: None,
        not_before: None,
    }
}

fn claiming(process: &str) -> Claim {
    Claim {
        account: "a".to_owned(),
        lane: Lane::Files,
        kinds: Kind::ALL.to_vec(),
        queues: vec![Queue::Records, Queue::From("b".to_owned()), Queue::From("c".to_owned())],
        leased_by: process.to_owned(),
        lease: LEASE,
        paused: Paused::default(),
    }
}

fn succeeded() -> Verdict {
    Verdict::Succeeded { result: serde_json::json!({}), bytes: None, events: Vec::new(), plan: Vec::new() }
}

fn failed(code: &str) -> Verdict {
    Verdict::Failed { code: code.to_owned(), error: "no".to_owned(), events: Vec::new(), dead_letter: true }
}

impl Book {
    async fn new(on: On) -> Self {
        Book::at(Place::new(on).await).await
    }

    async fn at(place: Place) -> Self {
        let clock = FixedClock::at("2026-01-01T00:00:00Z".parse().unwrap());
        let log = Log::open(database::open(&place.url).await, 16, as_function(Arc::new(clock.clone()))).await.unwrap();
        Book { _place: place, clock, log }
    }

    /// An empty ledger.
    async fn clear(&self) {
        let clearing = self.log.write::<_, Error, _>(|unit| {
            Box::pin(async move {
                sql::query("DELETE FROM effects").execute(unit.connection()).await?;
                Ok(())
            })
        });
        clearing.await.unwrap();
    }

    async fn need_consent(&self, account: &'static str) {
        let telling = self.log.write::<_, Error, _>(move |unit| {
            Box::pin(async move {
                let now = unit.now();
                sql::query(
                    "INSERT INTO provider_accounts (account, state, since, checked_at) \
                     VALUES ($1, 'needs_consent', $2, $2)",
                )
                .bind(account)
                .bind(now)
                .execute(unit.connection())
                .await?;
                Ok(())
            })
        });
        telling.await.unwrap();
    }

    async fn plan(&self, effects: Vec<Planned>) {
        let planning = self.log.write::<_, Error, _>(move |unit| {
            Box::pin(async move {
                let now = unit.now();
                plan(unit.connection(), now, &effects).await
            })
        });
        planning.await.unwrap();
    }

    async fn claim(&self, process: &str, limit: u32) -> Vec<Effect> {
        let claiming = claiming(process);
        self.log.write(move |unit| Box::pin(async move { claim(unit, &claiming, limit).await })).await.unwrap()
    }

    async fn finish(&self, effect: &Effect, verdict: Verdict) -> Result<Finished, Error> {
        let effect = effect.clone();
        self.log.write(move |unit| Box::pin(async move { finish(unit, &effect, &verdict).await })).await
    }

    async fn recover_all(&self) -> u64 {
        self.log.write::<_, Error, _>(|unit| Box::pin(recover_all(unit, SETTLE_AFTER))).await.unwrap()
    }

    async fn recover_expired(&self) -> u64 {
        self.log.write::<_, Error, _>(|unit| Box::pin(recover_expired(unit, SETTLE_AFTER))).await.unwrap()
    }

    async fn next_due(&self) -> Option<DateTime<Utc>> {
        next_due(self.log.database().readers(), &claiming("p")).await.unwrap()
    }

    /// Status, attempts and code of an effect.
    async fn row(&self, key: &str) -> (String, i64, Option<String>) {
        let row = sql::query("SELECT status, attempt, error_code FROM effects WHERE effect_key = $1")
            .bind(key)
            .fetch_one(self.log.database().readers())
            .await
            .unwrap();
        (row.try_get(0).unwrap(), row.try_get(1).unwrap(), row.try_get(2).unwrap())
    }

    fn pass(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }
}

async fn crash_uses_up_no_attempt_and_leaves_an_unknown_outcome(on: On) {
    let book = Book::new(on).await;
    book.plan(vec![planned("k", None)]).await;
    let effect = book.claim("p", 1).await.remove(0);
    assert!(!effect.unknown && !effect.was_tried());
    assert_eq!(book.recover_all().await, 1);
    assert_eq!(book.row("k").await, ("unknown".to_owned(), 0, None));
    assert!(book.claim("p", 1).await.is_empty(), "the provider gets time to finish first");
    book.pass(2);
    let effect = book.claim("p", 1).await.remove(0);
    assert!(effect.unknown && effect.was_tried());
    assert_eq!(effect.attempt, 0);
}

async fn settling_remembers_when_the_effect_was_really_started(on: On) {
    let book = Book::new(on).await;
    book.plan(vec![planned("k", None)]).await;
    let begun = book.clock_now();
    book.claim("p", 1).await;
    for _ in 0..3 {
        book.recover_all().await;
        book.pass(3600);
        let effect = book.claim("p", 1).await.remove(0);
        assert_eq!(effect.unknown_since, Some(begun));
    }
}

/// A batch of a mapping, by the number of its first line.
fn batch(mapping: &str, number: i64) -> Planned {
    let sequence = Some(Sequence { key: mapping.to_owned(), number });
    let key = format!("{mapping}{number}");
    Planned { kind: Kind::PostBatch, source_account: None, sequence, ..planned(&key, None) }
}

async fn effects_of_a_sequence_are_claimed_in_its_order_whatever_was_tried(on: On) {
    let book = Book::new(on).await;
    // Planned in another order than theirs, and some later than others.
    book.plan(vec![batch("m", 40), batch("n", 7), batch("m", 0)]).await;
    book.pass(1);
    book.plan(vec![batch("m", 20)]).await;
    let claiming = Claim { lane: Lane::Control, queues: vec![Queue::Batches], ..claiming("p") };
    let claim_all = async || {
        let claiming = claiming.clone();
        let claimed = book.log.write(move |unit| Box::pin(async move { claim(unit, &claiming, 9).await })).await;
        let mut claimed: Vec<Effect> = claimed.unwrap();
        claimed.sort_by(|a, b| a.key.cmp(&b.key));
        claimed
    };
    let keys = |effects: &[Effect]| effects.iter().map(|effect| effect.key.clone()).collect::<Vec<_>>();
    let first = claim_all().await;
    assert_eq!(keys(&first), ["m0", "n7"]);
    let later = book.clock_now() + TimeDelta::seconds(60);
    let retry = Verdict::Retry { code: "c".to_owned(), error: "e".to_owned(), not_before: later };
    book.finish(&first[0], retry).await.unwrap();
    assert!(claim_all().await.is_empty(), "nothing overtakes what is to be tried again");
    book.pass(61);
    let again = claim_all().await;
    assert_eq!(keys(&again), ["m0"]);
    book.finish(&again[0], failed("refused")).await.unwrap();
    let second = claim_all().await;
    assert_eq!(keys(&second), ["m20"], "what is given up does not hold up the next");
    let key = again[0].key.clone();
    let starting = book.log.write::<_, Error, _>(move |unit| {
        Box::pin(async move {
            let now = unit.now();
            start_over(unit.connection(), now, &key).await
        })
    });
    assert!(starting.await.unwrap());
    book.finish(&second[0], succeeded()).await.unwrap();
    assert_eq!(keys(&claim_all().await), ["m0"], "sent on its way again, it goes before what waits");
}

async fn lost_lease_writes_nothing(on: On) {
    let book = Book::new(on).await;
    book.plan(vec![planned("k", None)]).await;
    let slow = book.claim("slow", 1).await.remove(0);
    book.pass(61);
    assert_eq!(book.recover_expired().await, 1);
    book.pass(2);
    let quick = book.claim("quick", 1).await.remove(0);
    let late = book.finish(&slow, succeeded()).await;
    assert!(matches!(late, Err(Error::LostLease { .. })));
    assert_eq!(book.row("k").await.0, "started");
    assert_eq!(book.finish(&quick, succeeded()).await.unwrap(), Finished { run: 1, is_last: true });
    assert_eq!(book.row("k").await.0, "succeeded");
}

async fn only_what_is_running_is_prolonged(on: On) {
    let book = Book::new(on).await;
    book.plan(vec![planned("alive", None), planned("abandoned", None)]).await;
    assert_eq!(book.claim("p", 2).await.len(), 2);
    book.pass(40);
    let renewing = book
        .log
        .write::<_, Error, _>(|unit| Box::pin(async move { renew(unit, "p", &["alive".to_owned()], LEASE).await }));
    assert_eq!(renewing.await.unwrap(), HashSet::from(["alive".to_owned()]));
    book.pass(40);
    assert_eq!(book.recover_expired().await, 1);
    assert_eq!(book.row("abandoned").await.0, "unknown");
    assert_eq!(book.row("alive").await.0, "started");
}

async fn parked_effects_are_settled_after_a_while(on: On) {
    let book = Book::new(on).await;
    book.plan(vec![planned("k", None)]).await;
    book.claim("p", 1).await;
    book.log.write::<_, Error, _>(|unit| Box::pin(park(unit, "p", SETTLE_AFTER))).await.unwrap();
    assert!(book.claim("q", 1).await.is_empty());
    book.pass(2);
    assert!(book.claim("q", 1).await[0].unknown);
}

async fn nothing_is_due_that_cannot_be_claimed(on: On) {
    let book = Book::new(on).await;
    book.plan(vec![planned("one", Some("change")), planned("two", Some("change"))]).await;
    let one = book.claim("p", 2).await;
    assert_eq!(one.len(), 1, "twins never run together");
    assert_eq!(book.next_due().await, None);
    book.finish(&one[0], succeeded()).await.unwrap();
    assert!(book.next_due().await.is_some());
    book.need_consent("b").await;
    assert_eq!(book.next_due().await, None);
    assert!(book.claim("p", 2).await.is_empty());
}

async fn two_unknown_twins_do_not_wait_for_each_other(on: On) {
    let book = Book::new(on).await;
    book.plan(vec![planned("one", Some("change")), planned("two", Some("change"))]).await;
    let marking = book.log.write::<_, Error, _>(|unit| {
        Box::pin(async move {
            sql::query("UPDATE effects SET status = 'unknown'").execute(unit.connection()).await?;
            Ok(())
        })
    });
    marking.await.unwrap();
    assert_eq!(book.claim("p", 2).await.len(), 1);
}

async fn row_that_does_not_decode_is_not_in_the_way(on: On) {
    let book = Book::new(on).await;
    book.plan(vec![planned("newer", None), planned("broken", None), planned("fine", None)]).await;
    let damaging = book.log.write::<_, Error, _>(|unit| {
        Box::pin(async move {
            sql::query("UPDATE effects SET kind = 'file.teleport' WHERE effect_key = 'newer'")
                .execute(unit.connection())
                .await?;
            sql::query("UPDATE effects SET stream_name = '' WHERE effect_key = 'broken'")
                .execute(unit.connection())
                .await?;
            Ok(())
        })
    });
    damaging.await.unwrap();
    let claimed: Vec<String> = book.claim("p", 5).await.into_iter().map(|effect| effect.key).collect();
    assert_eq!(claimed, ["fine"]);
    assert_eq!(book.row("newer").await.0, "planned");
    assert_eq!(book.row("broken").await.2.as_deref(), Some("undecodable"));
}

async fn unsettled_effect_is_settled_when_it_starts_over_and_others_are_not(on: On) {
    for (code, expected) in [(UNSETTLED, "unknown"), ("not_found", "planned")] {
        for by_a_later_run in [false, true] {
            let book = Book::new(on).await;
            book.plan(vec![planned("k", None)]).await;
            let effect = book.claim("p", 1).await.remove(0);
            book.finish(&effect, failed(code)).await.unwrap();
            if by_a_later_run {
                book.plan(vec![Planned { run: 2, ..planned("k", None) }]).await;
            } else {
                let starting = book.log.write::<_, Error, _>(|unit| {
                    Box::pin(async move {
                        let now = unit.now();
                        start_over(unit.connection(), now, "k").await
                    })
                });
                assert!(starting.await.unwrap());
            }
            let (status, attempt, _) = book.row("k").await;
            assert_eq!((status.as_str(), attempt), (expected, 0), "{code} {by_a_later_run}");
            assert!(book.claim("p", 1).await[0].was_tried());
        }
    }
}

async fn effect_that_moved_to_a_later_run_counts_there(on: On) {
    let book = Book::new(on).await;
    book.plan(vec![planned("k", None)]).await;
    let effect = book.claim("p", 1).await.remove(0);
    book.plan(vec![Planned { run: 2, ..planned("k", None) }]).await;
    assert_eq!(book.finish(&effect, succeeded()).await.unwrap(), Finished { run: 2, is_last: true });
}

async fn planning_again_changes_nothing_in_the_same_run(on: On) {
    let book = Book::new(on).await;
    book.plan(vec![planned("k", Some("change"))]).await;
    let effect = book.claim("p", 1).await.remove(0);
    book.finish(&effect, succeeded()).await.unwrap();
    book.plan(vec![Planned { request: "{\"other\":1}".to_owned(), ..planned("k", Some("change")) }]).await;
    assert_eq!(book.row("k").await.0, "succeeded");
    assert_eq!(done(book.log.database().readers(), &["change".to_owned()]).await.unwrap().len(), 1);
}

impl Book {
    fn clock_now(&self) -> DateTime<Utc> {
        self.log.now()
    }
}

/// What may happen to the ledger next. The number chooses a process and one of its effects.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// What was said of a claim is said once more, because the answer to it was lost.
    SayAgain(u8),
    Claim(u8),
    Succeed(u8),
    Retry(u8),
    Wait(u8),
    LoseAnswer(u8),
    /// One process ends without a word; its leases run out.
    Crash(u8),
    Pass(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<u8>().prop_map(Step::Claim),
        2 => any::<u8>().prop_map(Step::Succeed),
        1 => any::<u8>().prop_map(Step::Retry),
        1 => any::<u8>().prop_map(Step::Wait),
        1 => any::<u8>().prop_map(Step::LoseAnswer),
        1 => any::<u8>().prop_map(Step::Crash),
        1 => any::<u8>().prop_map(Step::Pass),
        1 => any::<u8>().prop_map(Step::SayAgain),
    ]
}

/// A provider that knows which changes were made, and how often; and what the test expects of the ledger.
#[derive(Default)]
struct World {
    made: BTreeMap<String, u32>,
    /// Failed attempts of each effect, as they should be counted.
    attempts: BTreeMap<String, i64>,
    /// How often an effect ended, and how often the run did.
    ended: BTreeMap<String, u32>,
    runs_ended: u32,
    held: [Vec<Effect>; 2],
    /// Claims whose outcome is recorded.
    said: Vec<Effect>,
}

const EFFECTS: [(&str, Option<&str>); 5] =
    [("a", Some("x")), ("b", Some("x")), ("c", Some("y")), ("d", None), ("e", None)];

impl World {
    fn take(&mut self, choice: u8) -> Option<(usize, Effect)> {
        let process = usize::from(choice % 2);
        let held = &mut self.held[process];
        if held.is_empty() {
            return None;
        }
        let at = usize::from(choice / 2) % held.len();
        Some((process, held.swap_remove(at)))
    }

    /// Does what an effect does: settles first, makes its change once.
    fn attempt(&mut self, effect: &Effect, reaches_provider: bool) -> bool {
        let change = effect.once_key.clone().unwrap_or_else(|| effect.key.clone());
        let is_made = self.made.contains_key(&change);
        if effect.unknown || is_made {
            return is_made;
        }
        if reaches_provider {
            *self.made.entry(change).or_default() += 1;
        }
        true
    }

    async fn record(&mut self, book: &Book, effect: &Effect, verdict: Verdict) {
        let is_final = verdict.is_final();
        let costs = matches!(verdict, Verdict::Retry { .. } | Verdict::Unknown { .. } | Verdict::Failed { .. });
        let finished = book.finish(effect, verdict).await.unwrap();
        self.said.push(effect.clone());
        *self.attempts.entry(effect.key.clone()).or_default() += i64::from(costs);
        if is_final {
            *self.ended.entry(effect.key.clone()).or_default() += 1;
        }
        self.runs_ended += u32::from(is_final && finished.is_last);
    }

    async fn apply(&mut self, book: &Book, step: Step) {
        let now = book.clock_now();
        match step {
            Step::Claim(choice) => {
                let process = usize::from(choice % 2);
                let claimed = book.claim(["p", "q"][process], 1 + u32::from(choice / 2) % 3).await;
                self.held[process].extend(claimed);
                let running: Vec<&String> =
                    self.held.iter().flatten().filter_map(|effect| effect.once_key.as_ref()).collect();
                let mut distinct = running.clone();
                distinct.sort();
                distinct.dedup();
                assert_eq!(distinct.len(), running.len(), "two effects make one change at a time");
            }
            Step::Succeed(choice) => {
                let Some((_, effect)) = self.take(choice) else { return };
                let verdict = if self.attempt(&effect, true) {
                    succeeded()
                } else if effect.attempt >= MAX_ATTEMPTS {
                    failed("attempts_exhausted")
                } else {
                    Verdict::NotDone
                };
                self.record(book, &effect, verdict).await;
            }
            Step::Retry(choice) => {
                let Some((process, effect)) = self.take(choice) else { return };
                if effect.unknown {
                    self.held[process].push(effect);
                    return;
                }
                let verdict = match effect.attempt + 1 < MAX_ATTEMPTS {
                    true => Verdict::Retry { code: "c".to_owned(), error: String::new(), not_before: now },
                    false => failed("c"),
                };
                self.record(book, &effect, verdict).await;
            }
            Step::Wait(choice) => {
                let Some((_, effect)) = self.take(choice) else { return };
                let until = now + TimeDelta::seconds(5);
                let verdict = Verdict::Wait { code: "throttled".to_owned(), error: String::new(), until };
                self.record(book, &effect, verdict).await;
            }
            Step::LoseAnswer(choice) => {
                let Some((_, effect)) = self.take(choice) else { return };
                self.attempt(&effect, choice >= 128);
                let verdict = Verdict::Unknown { code: "lost".to_owned(), error: String::new(), settle_at: now };
                self.record(book, &effect, verdict).await;
            }
            Step::Crash(choice) => {
                let process = usize::from(choice % 2);
                let lost: Vec<Effect> = self.held[process].drain(..).collect();
                for effect in &lost {
                    self.attempt(effect, choice >= 128);
                }
                book.pass(61);
                let other = ["p", "q"][1 - process];
                let alive: Vec<String> = self.held[1 - process].iter().map(|effect| effect.key.clone()).collect();
                let beating = book.log.write::<_, Error, _>(move |unit| {
                    Box::pin(async move {
                        renew(unit, other, &alive, LEASE).await?;
                        recover_expired(unit, SETTLE_AFTER).await
                    })
                });
                assert_eq!(beating.await.unwrap(), lost.len() as u64);
                // What the dead process would still have said is not heard.
                for effect in &lost {
                    let late = book.finish(effect, succeeded()).await;
                    assert!(matches!(late, Err(Error::LostLease { .. })));
                }
            }
            Step::SayAgain(choice) => {
                let Some(effect) = self.said.get(usize::from(choice) % self.said.len().max(1)) else { return };
                let again = book.finish(effect, Verdict::NotDone).await;
                assert!(matches!(again, Err(Error::LostLease { .. })), "{effect:?}");
            }
            Step::Pass(seconds) => book.pass(i64::from(seconds % 20)),
        }
        if let Step::Pass(_) = step {
            let alive: Vec<Vec<String>> =
                self.held.iter().map(|held| held.iter().map(|effect| effect.key.clone()).collect()).collect();
            for (process, keys) in ["p", "q"].into_iter().zip(alive) {
                let beating = book.log.write::<_, Error, _>(move |unit| {
                    Box::pin(async move { renew(unit, process, &keys, LEASE).await })
                });
                beating.await.unwrap();
            }
        }
    }
}

async fn any_story_ends_well(book: &Book, steps: Vec<Step>) {
    book.clear().await;
    book.plan(EFFECTS.iter().map(|(key, once_key)| planned(key, *once_key)).collect()).await;
    let mut world = World::default();
    for step in steps {
        world.apply(book, step).await;
    }
    // From here on everything goes well.
    for _ in 0..40 {
        for process in 0..2u8 {
            world.apply(book, Step::Claim(process + 4)).await;
            while !world.held[usize::from(process)].is_empty() {
                world.apply(book, Step::Succeed(process)).await;
            }
        }
        book.pass(10);
    }
    for (key, _) in EFFECTS {
        let (status, attempt, _) = book.row(key).await;
        assert!(
            status == "succeeded" || status == "failed" && attempt >= MAX_ATTEMPTS,
            "{key}: {status} after {attempt}"
        );
        assert_eq!(attempt, world.attempts[key], "only failed attempts count: {key}");
        assert_eq!(world.ended[key], 1, "{key} ended more than once");
    }
    assert!(world.made.values().all(|times| *times == 1), "a change was made twice: {:?}", world.made);
    assert_eq!(world.runs_ended, 1);
    assert_eq!(book.next_due().await, None);
}

/// As any twin may be: the same change, read from another account.
fn planned_from(source: &str, key: &str, once_key: Option<&str>) -> Planned {
    Planned { source_account: Some(source.to_owned()), ..planned(key, once_key) }
}

async fn what_is_said_of_an_earlier_claim_is_not_heard(on: On) {
    let book = Book::new(on).await;
    book.plan(vec![planned("k", None)]).await;
    let first = book.claim("p", 1).await.remove(0);
    let now = book.clock_now();
    let retry = || Verdict::Retry { code: "c".to_owned(), error: String::new(), not_before: now };
    book.finish(&first, retry()).await.unwrap();
    let second = book.claim("p", 1).await.remove(0);
    // The answer to the first was lost, so it is written again, by the same process.
    assert!(matches!(book.finish(&first, retry()).await, Err(Error::LostLease { .. })));
    assert_eq!(book.row("k").await.0, "started");
    assert!(second.was_tried());
    book.finish(&second, succeeded()).await.unwrap();
}

async fn twin_whose_account_waits_for_a_person_is_not_waited_for(on: On) {
    let book = Book::new(on).await;
    book.plan(vec![planned_from("b", "one", Some("change"))]).await;
    book.pass(1);
    book.plan(vec![planned_from("c", "two", Some("change"))]).await;
    book.pass(1);
    assert_eq!(book.claim("p", 2).await[0].key, "one", "the first of two is claimed alone");
    book.recover_all().await;
    book.pass(2);
    book.plan(vec![planned_from("b", "three", Some("other")), planned_from("c", "four", Some("other"))]).await;
    book.need_consent("b").await;
    let claimed: Vec<String> = book.claim("p", 5).await.into_iter().map(|effect| effect.key).collect();
    assert_eq!(claimed, ["four"], "what another may have done is waited for, what it will do is not");
}

async fn every_account_that_is_read_from_is_found(on: On) {
    let book = Book::new(on).await;
    let found = async || sources(book.log.database().readers(), "a", Lane::Files).await.unwrap();
    assert!(found().await.is_empty());
    let records = Planned { source_account: None, ..planned("r", None) };
    book.plan(vec![planned_from("c", "1", None), planned_from("b", "2", None), records]).await;
    book.plan((0..10).map(|number| planned_from("d", &format!("d{number}"), None)).collect()).await;
    assert_eq!(found().await, ["b", "c", "d"]);
}

fn any_story_ends_well_on(on: On) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let book = runtime.block_on(Book::new(on));
    let config = proptest::test_runner::Config { cases: 40, ..Default::default() };
    let stories = proptest::collection::vec(step(), 0..60);
    proptest::test_runner::TestRunner::new(config)
        .run(&stories, |steps| {
            runtime.block_on(any_story_ends_well(&book, steps));
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_interleaving_of_processes_crashes_and_lost_answers_ends_each_effect_once_on_sqlite() {
    any_story_ends_well_on(On::Sqlite);
}

#[test]
fn any_interleaving_of_processes_crashes_and_lost_answers_ends_each_effect_once_on_postgres() {
    any_story_ends_well_on(On::Postgres);
}
