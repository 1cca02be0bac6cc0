//! A process that is killed in the middle of its work loses nothing that it acknowledged.

use std::collections::HashMap;

use event_log::{Log, checkpoints};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use super::child::Process;
use crate::fixture::{Fixture, assert_contiguous, everything};

const KILLS: usize = 20;
/// The most lines that a process prints before it is killed: several for each story.
const LONGEST_LIFE: usize = 700;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_it_acknowledged_and_leaves_nothing_half() {
    let seed = std::env::var("GATELEDGER_TEST_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("GATELEDGER_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let fixture = Fixture::sqlite().await;
    let mut acknowledged = HashMap::new();
    for kill in 1..=KILLS {
        let mut process = Process::start("crasher", &fixture.url);
        process.line("ready").unwrap();
        // Before it does anything, while it hands in, in the middle of a unit or when something is durable.
        let lives = random.random_range(0..LONGEST_LIFE);
        let mut printed: Vec<_> = std::iter::from_fn(|| process.line("")).take(lives).collect();
        process.kill();
        printed.extend(std::iter::from_fn(|| process.line("")));
        assert!(process.line("\n").is_none());
        for line in printed.iter().filter_map(|line| line.strip_prefix("acknowledged ")) {
            let (story, count) = line.split_once(' ').unwrap();
            acknowledged.insert(story.parse::<Uuid>().unwrap(), count.parse::<usize>().unwrap());
        }
        let log = fixture.log().await;
        check(&log, &acknowledged).await;
        println!("kill {kill} after {lives} lines: {} stories acknowledged so far", acknowledged.len());
        log.close().await;
    }
    assert!(acknowledged.len() > KILLS, "the processes lived long enough to append");
}

async fn check(log: &Log, acknowledged: &HashMap<Uuid, usize>) {
    log.database().check_integrity().await.unwrap();
    let events = everything(log).await;
    assert_contiguous(log, events.len()).await;
    let mut told: HashMap<Uuid, usize> = HashMap::new();
    let mut versions: HashMap<_, i64> = HashMap::new();
    for event in &events {
        *told.entry(event.correlation_id).or_default() += 1;
        let version = versions.entry(&event.stream_name).or_default();
        *version += 1;
        assert_eq!(event.stream_version.0, *version);
    }
    for (story, count) in acknowledged {
        assert_eq!(told.get(story), Some(count), "story {story} was acknowledged");
    }
    // Stories without acknowledgement are there whole or not at all: their events carry their number as content.
    for event in &events {
        let count = told[&event.correlation_id];
        let expected: Vec<_> = (1..=count).map(|number| id(event.correlation_id, number)).collect();
        assert!(expected.contains(&event.id), "story {} lacks an event", event.correlation_id);
    }
    // A checkpoint stands at the last event of a unit that is there.
    for checkpoint in checkpoints(log.database().readers()).await.unwrap() {
        let at = log.event_at(checkpoint.global_position).await.unwrap().expect("the unit's event is there");
        assert_eq!(at.id, id(at.correlation_id, told[&at.correlation_id]), "the unit is there whole");
    }
}

fn id(story: Uuid, number: usize) -> event_log::EventId {
    event_log::EventId::derived(&[&story.to_string(), &number.to_string()])
}
