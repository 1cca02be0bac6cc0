//! Records that are none of ours stop nothing and are told.

use std::sync::Arc;
use testkit::wait::until_true;

use crate::recorder::{POISONED, Recorder};
use crate::stage::Stage;
use crate::topic::{self, Writer};

#[tokio::test]
async fn poison_is_put_aside_and_its_partition_goes_on() {
    let stage = Stage::new(2).await;
    let recorder = Arc::new(Recorder::default());
    stage.append(20, 10).await;
    let relay = stage.relay();
    stage.published().await;
    let records = topic::records(&stage.settings);
    let last = records[&0].last().unwrap();
    let writer = Writer::new(&stage.settings);
    writer.garbage(0, "hello");
    writer.garbage(1, "{}");
    // A position that the log does not have, and a record of another log.
    writer.copy_with(last, &[("ce_position", "1000000")]);
    writer.copy_with(last, &[("ce_log", "6a1c2d7e-5b0f-4c83-9d14-7e2fa3b8c541")]);
    writer.copy_with(last, &[("ce_type", "nonsense")]);
    writer.flush();
    let consumer = stage.consumer(&stage.log, &recorder);
    stage.handled_once().await;
    until_true("all five are told", async || stage.of_type(&POISONED).await.len() == 5).await;
    stage.append(20, 10).await;
    stage.handled_once().await;
    consumer.stop().await;
    relay.stop().await;
    let told: String = stage.of_type(&POISONED).await.iter().map(|event| event.data.clone()).collect();
    for reason in ["ce_specversion is missing", "the log ends at", "another log", "ce_type is not", "hello"] {
        assert!(told.contains(reason), "{reason} is not in {told}");
    }
}
