#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use event_log::StreamName;
use proptest::prelude::*;

use super::*;

fn checkpoint(name: impl Into<String>, position: i64) -> Checkpoint {
    Checkpoint {
        subscription_name: name.into(),
        global_position: GlobalPosition(position),
        updated_at: chrono::DateTime::UNIX_EPOCH,
    }
}

fn portion(partitions: u32, partition: u32) -> Portion {
    Portion::new(partitions, partition).unwrap()
}

fn stream(number: u32) -> StreamHash {
    StreamHash::of(&StreamName::new("thing", number))
}

#[test]
fn rows_of_other_subscriptions_are_not_its_marks() {
    let rows = [
        checkpoint("transfer", 5),
        checkpoint("transfer/12/3", 9),
        checkpoint("transfer/layouts", 1),
        checkpoint("transfers", 100),
        checkpoint("transfers/12/3", 100),
        checkpoint("transfer/12/12", 100),
        checkpoint("transfer/12", 100),
        checkpoint("relay/transfer/12/3", 100),
    ];
    let marks = Marks::of("transfer", &rows);
    assert_eq!(marks.rows, BTreeMap::from([(Portion::ALL, GlobalPosition(5)), (portion(12, 3), GlobalPosition(9))]));
    assert_eq!(marks.layouts_added, GlobalPosition(1));
}

#[test]
fn row_names_read_back_as_the_portion_they_were_made_for() {
    for of in [Portion::ALL, portion(12, 0), portion(12, 11), portion(1000, 999)] {
        let name = row_name("transfer", of);
        assert_eq!(portion_of(name.strip_prefix("transfer").unwrap()), Some(of), "{name}");
    }
}

#[test]
fn floor_is_what_the_rows_of_all_layouts_say_together() {
    let rows = [checkpoint("s", 5), checkpoint("s/2/0", 20), checkpoint("s/2/1", 10), checkpoint("s/4/1", 15)];
    let marks = Marks::of("s", &rows);
    assert_eq!(marks.floor(portion(2, 0)), GlobalPosition(20));
    // Of four lies within partition 1 of two, and was itself handled further.
    assert_eq!(marks.floor(portion(4, 1)), GlobalPosition(15));
    assert_eq!(marks.floor(portion(4, 3)), GlobalPosition(10));
    assert_eq!(marks.floor(portion(4, 2)), GlobalPosition(20));
    // Three partitions have nothing in common with two or four: only what is true of all streams.
    assert_eq!(marks.floor(portion(3, 1)), GlobalPosition(10));
    assert_eq!(marks.floor(Portion::ALL), GlobalPosition(10));
}

#[test]
fn chain_decides_between_duplicate_next_and_gap() {
    let marks = Marks::of("s", &[checkpoint("s/12/3", 10)]);
    let judge = |previous, position| marks.judge(portion(12, 3), GlobalPosition(previous), GlobalPosition(position));
    assert_eq!(judge(5, 10), Verdict::Duplicate);
    assert_eq!(judge(10, 14), Verdict::Next);
    assert_eq!(judge(5, 14), Verdict::Next);
    assert_eq!(judge(12, 14), Verdict::Gap { after: GlobalPosition(10) });
}

/// What a subscription goes through.
#[derive(Debug, Clone)]
enum Step {
    /// Follows the log directly for so many positions.
    Direct(i64),
    /// Reads so many records of a partition of a layout, from any of its records on.
    Kafka { partitions: u32, partition: u32, from: usize, records: usize },
    /// The same, and the process dies before its unit of work is durable.
    Crash { partitions: u32, partition: u32, from: usize, records: usize },
    /// A relay that does not know what was published before starts a partition at any position.
    Restarted { partitions: u32, after: i64 },
}

fn any_step() -> impl Strategy<Value = Step> {
    let layout = prop::sample::select(vec![1_u32, 2, 3, 4, 6, 12]);
    let reading = (layout.clone(), 0..12_u32, 0..40_usize, 0..20_usize);
    prop_oneof![
        (0..30_i64).prop_map(Step::Direct),
        reading.clone().prop_map(|(partitions, partition, from, records)| Step::Kafka {
            partitions,
            partition: partition % partitions,
            from,
            records
        }),
        reading.prop_map(|(partitions, partition, from, records)| Step::Crash {
            partitions,
            partition: partition % partitions,
            from,
            records
        }),
        (layout, 0..100_i64).prop_map(|(partitions, after)| Step::Restarted { partitions, after }),
    ]
}

/// A subscription over a log in which the event at position i belongs to stream `streams[i - 1]`.
struct World {
    streams: Vec<StreamHash>,
    rows: BTreeMap<String, i64>,
    handled: BTreeMap<i64, usize>,
    last_of_stream: BTreeMap<u32, i64>,
    /// Where the relay began to publish for a layout.
    began: BTreeMap<u32, i64>,
}

impl World {
    fn marks(&self) -> Marks {
        Marks::of(
            "s",
            &self.rows.iter().map(|(name, position)| checkpoint(name.as_str(), *position)).collect::<Vec<_>>(),
        )
    }

    fn of(&self, portion: Portion) -> Vec<i64> {
        (1..=self.streams.len() as i64).filter(|at| portion.holds(self.stream(*at))).collect()
    }

    fn stream(&self, position: i64) -> StreamHash {
        self.streams[usize::try_from(position - 1).unwrap()]
    }

    fn save(&mut self, portion: Portion, position: i64) {
        let row = self.rows.entry(row_name("s", portion)).or_default();
        *row = position.max(*row);
    }

    fn handle(&mut self, portion: Portion, position: i64) {
        if !self.marks().is_handled(self.stream(position), GlobalPosition(position)) {
            *self.handled.entry(position).or_default() += 1;
            let stream = self.stream(position).portion(u32::MAX).partition();
            let before = self.last_of_stream.insert(stream, position).unwrap_or_default();
            assert!(before < position, "{position} of a stream is handled after {before}");
        }
        self.save(portion, position);
    }

    fn direct(&mut self, up_to: i64) {
        for position in self.marks().floor(Portion::ALL).0 + 1..=up_to.min(self.streams.len() as i64) {
            self.handle(Portion::ALL, position);
        }
    }

    fn kafka(&mut self, portion: Portion, from: usize, records: usize) {
        let positions = self.of(portion);
        let began = self.began.get(&portion.partitions()).copied().unwrap_or_default();
        for (at, position) in positions.iter().enumerate().skip(from).take(records) {
            if *position <= began {
                continue;
            }
            let before = at.checked_sub(1).map_or(0, |before| positions[before]);
            let previous = GlobalPosition(before.max(began));
            match self.marks().judge(portion, previous, GlobalPosition(*position)) {
                Verdict::Duplicate => continue,
                Verdict::Next => {}
                Verdict::Gap { after } => {
                    for lost in positions.iter().filter(|lost| **lost > after.0 && *lost < position) {
                        self.handle(portion, *lost);
                    }
                }
            }
            self.handle(portion, *position);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Direct following, layouts of any size, replays, lost records, restarted relays and crashes, in any order: each
    /// event is handled once, and those of a stream in their order.
    #[test]
    fn each_event_is_handled_once_whatever_takes_turns(
        streams in prop::collection::vec(0..9_u32, 1..100),
        steps in prop::collection::vec(any_step(), 0..40),
    ) {
        let streams: Vec<StreamHash> = streams.into_iter().map(stream).collect();
        let mut world = World {
            streams,
            rows: BTreeMap::new(),
            handled: BTreeMap::new(),
            last_of_stream: BTreeMap::new(),
            began: BTreeMap::new(),
        };
        for step in steps {
            match step {
                Step::Direct(positions) => {
                    let from = world.marks().floor(Portion::ALL).0;
                    world.direct(from + positions);
                }
                Step::Kafka { partitions, partition, from, records } => {
                    world.kafka(portion(partitions, partition), from, records);
                }
                Step::Crash { partitions, partition, from, records } => {
                    let before = (world.rows.clone(), world.handled.clone(), world.last_of_stream.clone());
                    world.kafka(portion(partitions, partition), from, records);
                    (world.rows, world.handled, world.last_of_stream) = before;
                }
                Step::Restarted { partitions, after } => {
                    world.began.insert(partitions, after);
                }
            }
        }
        let all = world.streams.len() as i64;
        world.direct(all);
        prop_assert_eq!(world.handled, (1..=all).map(|position| (position, 1)).collect::<BTreeMap<_, _>>());
    }
}
