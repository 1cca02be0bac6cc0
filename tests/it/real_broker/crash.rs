//! Any process killed at any moment, with a broker and a database that restart in the middle.

use testkit::kafka::OwnBroker;
use tests::binary;
use tests::database::block_on;

use crate::crash::fleet::Voyage;

#[test]
fn any_process_killed_at_any_moment_and_both_servers_restarted() {
    let kills = binary::kills();
    let mut voyage = Voyage::new(binary::seed().wrapping_add(3), Some(block_on(OwnBroker::start())));
    voyage.live(kills);
    voyage.arrive(kills);
}
