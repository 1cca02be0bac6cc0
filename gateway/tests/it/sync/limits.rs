//! Limits of the provider: respected over many channels, processes and hours.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use gateway::sync::jobs::State;
use mappings::channel::Change;
use simulator::seed::{CliqMessageSeed, CliqOptions};
use simulator::{Fault, FaultRule, Seed};
use testkit::on_both_databases;
use testkit::store::Backend;
use testkit::wait::until;

use super::stage::{ORG, Stage};

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    lock_is_waited_out_without_a_call,
    twenty_five_channels_share_the_limit_for_hours,
}

fn seed(channels: u32, messages: u32) -> Seed {
    Seed::cliq(&CliqOptions {
        channels,
        messages_per_channel: messages,
        threads_per_channel: 0,
        ..CliqOptions::default()
    })
}

async fn lock_is_waited_out_without_a_call(on: Backend) {
    let mut stage = Stage::new(on, &seed(2, 150)).await;
    let throttle = Fault::Throttle { retry_after_seconds: None };
    stage.control().add_fault(FaultRule::once("cliq.messages", throttle).skipping(1)).unwrap();
    let mapped = stage.map_all().await;
    stage.start();
    let waiting = until("a job waits for the limit", async || {
        stage.jobs().await.into_iter().find(|job| job.error_code.as_deref() == Some("throttled"))
    });
    let waiting = waiting.await;
    assert_eq!((waiting.state, waiting.failures), (State::Running, 0));
    let calls = stage.calls("cliq.messages");
    stage.with_time_flying(TimeDelta::seconds(5), stage.completed(mapped.len())).await;
    assert!(stage.calls("cliq.messages") > calls);
    stage.assert_complete().await;
    stage.assert_well_behaved();
}

/// Six hours in which every channel is synced every hour and messages come everywhere.
async fn twenty_five_channels_share_the_limit_for_hours(on: Backend) {
    let mut stage = Stage::new(on, &seed(25, 110)).await;
    let names: Vec<String> = stage.cliq().channels.iter().map(|channel| channel.name.clone()).collect();
    let mut mapped = Vec::new();
    for name in &names {
        let hourly = Change { schedule: Some(Some("0 * * * *".to_owned())), ..Change::default() };
        mapped.push(stage.map(name, hourly).await);
    }
    stage.start();
    stage.with_time_flying(TimeDelta::seconds(5), stage.completed(mapped.len())).await;
    for hour in 1..=6 {
        for (at, mapping) in mapped.iter().enumerate() {
            let message = CliqMessageSeed { text: format!("{hour}:{at}"), ..CliqMessageSeed::default() };
            stage.control().post_cliq_messages(ORG, &mapping.chat_id, &[message]).unwrap();
        }
        stage.advance(TimeDelta::minutes(60));
        let done = mapped.len() * (hour + 1);
        stage.with_time_flying(TimeDelta::seconds(5), stage.completed(done)).await;
    }
    stage.assert_complete().await;
    stage.assert_well_behaved();
    let mut runs: BTreeMap<String, usize> = BTreeMap::new();
    for job in stage.jobs().await {
        *runs.entry(job.subject).or_default() += 1;
    }
    // On a busy machine an hour may strike while a channel still waits for its turn: its open job then does for both.
    let (least, most) = (runs.values().min().unwrap(), runs.values().max().unwrap());
    assert!(most - least <= 2, "{runs:?}");
}
