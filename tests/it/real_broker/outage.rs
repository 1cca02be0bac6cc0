//! The broker is away at the start, and once more later.

use std::time::Duration;

use testkit::kafka::OwnBroker;
use tests::database::block_on;
use tests::wait::until_true;

use super::stage::Stage;
use crate::partner::{Load, assert_kept};
use crate::trees::{arrive, small};

#[test]
fn broker_that_is_away_costs_neither_deliveries_nor_transfers() {
    let broker = block_on(OwnBroker::start());
    block_on(broker.kill());
    let crew = [("gateway", 1), ("poller", 1), ("registrar", 1), ("relay", 2), ("consumer", 2)];
    let mut stage = Stage::new(&small(1, 3), broker.address(), &crew, "");
    stage.fleet.start_all();
    let log = stage.log();
    let load = Load::start(&stage.fleet.gateways(), 2, Duration::from_millis(40));
    let mut expected = 0;
    for outage in ["first", "second"] {
        expected += 50;
        until_true("deliveries are accepted without a broker", 30, || load.acknowledged() >= expected);
        until_true("so are facts", 30, || log.events_of("crm_record.changed") > 0);
        stage.fleet.assert_alive();
        block_on(broker.start_again());
        stage.until_all_is_done();
        eprintln!("after the {outage} outage: {} deliveries acknowledged", load.acknowledged());
        if outage == "first" {
            expected = load.acknowledged();
            block_on(broker.kill());
            arrive(&stage.site, "During the second outage", 3);
        }
    }
    let acknowledged = load.stop();
    stage.land();
    stage.assert_transferred_once();
    assert_kept(&log, &acknowledged);
}
