//! Messages over Kafka: read, composed and delivered by many processes, any of which is killed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tests::Settings;
use tests::binary;
use tests::fleet::WITH_KAFKA;

use super::stage::Stage;
use crate::cliq;

#[test]
fn messages_reach_the_analysis_service_once_whichever_process_is_killed() {
    let mut seed = cliq::seed(60);
    seed.faults = cliq::faults();
    let mut stage = Stage::new(&seed, &testkit::kafka::broker(), WITH_KAFKA, "");
    let text = std::fs::read_to_string(stage.site.file("gateledger.toml")).unwrap();
    stage.site.configure(&Settings::default().with(&text).without("transfers").with(&cliq::ingesting(&stage.site)));
    cliq::map_all(&stage.site);
    stage.fleet.start_all();
    let mut random = StdRng::seed_from_u64(binary::seed().wrapping_add(6));
    let (chats, names) = (cliq::chats(&stage.site), stage.fleet.names());
    for kill in 0..binary::kills().div_ceil(5) {
        let chat = &chats[random.random_range(0..chats.len())];
        cliq::chat_about(&stage.site, chat, &kill.to_string(), random.random_range(1..30));
        let victim = &names[random.random_range(0..names.len())];
        stage.fleet.kill(victim);
        stage.fleet.start(victim);
        stage.fleet.until_ready();
    }
    cliq::until_all_is_received(&stage.site);
    stage.fleet.assert_alive();
    stage.land();
    cliq::assert_received_once(&stage.site);
    assert_eq!(stage.log().count("SELECT count(*) FROM dead_letters"), 0);
}
