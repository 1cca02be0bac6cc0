//! The process dropped at random moments, under faults: every message is at the receiver once, in order, all the same.

use serde_json::json;
use simulator::{Fault, FaultRule};

use super::chat::{Channel, sizes, stage, usual};
use crate::crashes::go_on;
use crate::database::On;

each_database! {
    tokio::test(flavor = "multi_thread", worker_threads = 2);
    any_crashes_and_lost_answers_leave_every_message_at_the_receiver_once_and_in_order,
}

/// Rounds of the loop; each ends with the process dropped wherever it is.
const ROUNDS: i64 = 20;
/// Messages of each channel in each round.
const SAID: i64 = 7;

async fn any_crashes_and_lost_answers_leave_every_message_at_the_receiver_once_and_in_order(on: On) {
    let settings = "batch_lines = 4\nmax_attempts = 100\nretry_base_ms = 5\ntimeout_seconds = 1\nconcurrency = 3";
    let mut stage = stage(on, settings, json!({"messages": 3})).await;
    let mut channels = Vec::new();
    for number in 1..=4 {
        channels.push(Channel::map(&stage, &format!("O{number}"), usual()).await);
    }
    let faults = [
        Fault::CutAfter {},
        Fault::CutBefore {},
        Fault::HangAfter {},
        Fault::Status { code: 503, html_body: true },
        Fault::TruncatedJson {},
    ];
    for fault in faults {
        stage.control().add_fault(FaultRule::once("ingest.post", fault).forever().with_probability(0.07)).unwrap();
    }
    let mut moment = 0x5EED_u64;
    for round in 0..ROUNDS {
        for (which, channel) in channels.iter().enumerate() {
            for number in 0..SAID {
                let seconds = round * SAID + number;
                channel.say(&stage, seconds, "Ann", &format!("{which}: {seconds}")).await;
            }
            channel.sync(&stage).await;
        }
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        go_on(&stage, (moment >> 33) % 12).await;
        stage.crash().await;
    }
    stage.control().clear_faults();
    let all = ROUNDS * SAID;
    for (which, channel) in channels.iter().enumerate() {
        stage.until("every message", async || (channel.lines(&stage).len() as i64 >= all).then_some(())).await;
        let expected: Vec<String> = (0..all).map(|seconds| format!("{which}: {seconds}")).collect();
        assert_eq!(channel.words(&stage), expected);
    }
    stage.until_idle().await;
    assert!(sizes(&stage).iter().all(|size| *size <= 3));
    for channel in &channels {
        assert_eq!(channel.counts(&stage).await.delivered.messages as i64, all);
    }
    assert!(stage.dead_letters().await.is_empty());
    stage.stop().await;
}
