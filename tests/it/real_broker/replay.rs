//! The whole topic once more: by offsets set back, by old records sent again, to a group that is new. Nothing changes.

use tests::verify;
use tests::wait::until_true;

use super::stage::Stage;
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
    for again in ["offsets set back", "old records in reverse", "another group"] {
        match again {
            "offsets set back" => CONSUMERS.iter().for_each(|consumer| stage.topic.rewind(&stage.group(consumer))),
            "old records in reverse" => stage.topic.publish(stage.topic.records().iter().rev()),
            _ => stage.rename_groups(),
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
}
