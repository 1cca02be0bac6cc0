//! The whole topic once more: by offsets set back, by old records sent again, to a group that is new. Nothing changes.

use tests::log::Log;
use tests::topic::Published;
use tests::wait::until_true;
use tests::{publication, verify};

use super::stage::{PARTITIONS, Stage};
use crate::trees::small;

const CONSUMERS: [&str; 2] = ["transfer", "crm-update"];

#[test]
fn topic_that_is_read_again_changes_nothing() {
    let broker = testkit::kafka::broker();
    let crew = [("poller", 1), ("relay", 1), ("consumer", 3)];
    let mut stage = Stage::new(&small(4, 5), &broker, &crew, "");
    stage.fleet.start_all();
    stage.until_all_is_done();
    // Only consumers from here on, so that nothing new happens.
    stage.fleet.stop("poller-1");
    stage.until_published();
    stage.fleet.stop("relay-1");
    let caught_up = |stage: &Stage| {
        for consumer in CONSUMERS {
            let group = stage.group(consumer);
            until_true(&format!("{consumer} has read everything"), 60, || stage.topic.lag(&group) == 0);
        }
    };
    caught_up(&stage);
    let consumers = stage.fleet.names_of("consumer");
    stage.fleet.stop_together(&consumers);

    let (log, site) = (stage.log(), stage.site.clone());
    let state = || {
        let tables = ["events", "effects", "dead_letters"].map(|table| log.rows(table));
        (tables, verify::files_at_destination(&site.state()), verify::writes(&site.control().journal(0)).len())
    };
    let before = state();
    for again in ["offsets set back, and old records in reverse behind them", "another group"] {
        if again == "another group" {
            stage.rename_groups();
        } else {
            CONSUMERS.iter().for_each(|consumer| stage.topic.rewind(&stage.group(consumer)));
            stage.topic.publish(stage.topic.records().iter().rev());
        }
        for consumer in CONSUMERS {
            assert!(stage.topic.lag(&stage.group(consumer)) > 0, "{again}: nothing is left to read");
        }
        for name in &consumers {
            stage.fleet.start(name);
        }
        caught_up(&stage);
        stage.fleet.assert_alive();
        stage.fleet.stop_together(&consumers);
        assert!(state() == before, "{again} changed something");
    }
    stage.assert_transferred_once();
    comparison_finds_every_kind_of_damage(&log, &stage.topic.records());
}

type Damage<'d> = &'d dyn Fn(&mut Vec<Published>);

/// The comparison of topic and log itself: whoever trusts it has seen it find what is wrong.
fn comparison_finds_every_kind_of_damage(log: &Log, records: &[Published]) {
    let problems = |records: &[Published]| publication::compare(log, records, PARTITIONS).problems;
    assert!(problems(records).is_empty());
    let of_partition: Vec<usize> =
        (0..records.len()).filter(|at| records[*at].partition == records[0].partition).collect();
    let (first, second) = (of_partition[0], of_partition[1]);
    let event = records[first].position();
    let damages: [(&str, Damage<'_>); 6] = [
        ("an event is missing", &|records| records.retain(|record| record.position() != event)),
        ("two are in the wrong order", &|records| records.swap(first, second)),
        ("one is in another partition", &|records| records[first].partition ^= 1),
        ("other data", &|records| records[first].value = "{}".to_owned()),
        ("a header is missing", &|records| {
            records[first].headers.remove("ce_correlationid");
        }),
        ("the chain is wrong", &|records| {
            let position = records[second].position();
            records[second].headers.insert("ce_previous".to_owned(), position.to_string());
        }),
    ];
    for (what, damage) in damages {
        let mut damaged = records.to_vec();
        damage(&mut damaged);
        assert!(!problems(&damaged).is_empty(), "not noticed: {what}");
    }
}
