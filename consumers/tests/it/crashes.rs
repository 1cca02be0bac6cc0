//! The process dropped at random moments, under faults: the end is exactly right all the same.

use serde_json::json;
use simulator::{Fault, FaultRule};

use crate::database::On;
use crate::stage::{Plan, Stage, sized, text};

each_database! {
    tokio::test(flavor = "multi_thread", worker_threads = 2);
    any_crashes_and_lost_answers_leave_every_file_once_and_every_box_ticked_once,
}

/// Rounds of the loop; each ends with the process dropped wherever it is.
const ROUNDS: u64 = 36;

/// A small generator, so that a round can be repeated from its seed.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Waits until providers and receivers have met so many requests more, or nothing is left to do.
pub(crate) async fn go_on(stage: &Stage, requests: u64) {
    let met = || -> u64 { stage.control().counts().routes.values().flat_map(|by_status| by_status.values()).sum() };
    let end = met() + requests;
    stage
        .until("some more requests", async || {
            (met() >= end || consumers::idle::look(&stage.log).await.unwrap().is_idle()).then_some(())
        })
        .await;
}

async fn any_crashes_and_lost_answers_leave_every_file_once_and_every_box_ticked_once(on: On) {
    let seed = 0x5EED_0001;
    let mut random = seed;
    let mut source: Vec<_> = Vec::new();
    for number in 0..60 {
        source.push(text(&format!("Acme/{}/{number}.txt", number % 4), &format!("content {}", number % 20)));
        source.push(text(&format!("Beta/{number}.txt"), &format!("other {}", number % 10)));
    }
    source.push(sized("Acme/large.bin", 11 * 1024 * 1024));
    source.push(json!({"path": "Beta/empty.bin", "text": ""}));
    let plan = Plan {
        folders: vec!["Acme", "Beta"],
        source,
        transfer: "max_attempts = 100\nconcurrency = 4",
        ..Plan::default()
    };
    let mut stage = Stage::started(on, plan).await;
    let routes =
        ["workdrive.upload", "workdrive.upload_stream", "workdrive.create_folder", "crm.update", "workdrive.download"];
    for route in routes {
        for fault in [Fault::CutAfter {}, Fault::CutBefore {}, Fault::Delay { ms: 40 }, Fault::TruncatedJson {}] {
            if route == "workdrive.download" && fault == (Fault::TruncatedJson {}) {
                continue;
            }
            stage.control().add_fault(FaultRule::once(route, fault).forever().with_probability(0.08)).unwrap();
        }
    }
    for round in 0..ROUNDS {
        go_on(&stage, next(&mut random) % 25).await;
        if round == ROUNDS - 6 {
            stage.control().clear_faults();
        }
        stage.crash().await;
    }
    stage.until_idle().await;
    for folder in ["Acme", "Beta"] {
        stage.assert_mirrored(folder);
    }
    let root: Vec<String> = stage.items("org-a", "Shared/Migrated").into_iter().map(|(path, _)| path).collect();
    assert!(root.iter().filter(|path| !path.contains('/')).eq(["Acme", "Beta"]), "seed {seed:#x}: {root:?}");
    let versions = stage.items("org-a", "Shared/Migrated");
    assert!(versions.iter().all(|(_, item)| item.versions == 1), "seed {seed:#x}");
    assert!(stage.is_ticked(1) && stage.is_ticked(2));
    assert_eq!(stage.events("transfer.completed").await.len(), 2, "seed {seed:#x}");
    assert_eq!(stage.events("crm_record.updated").await.len(), 2, "seed {seed:#x}");
    assert_eq!(stage.events("transfer_file.completed").await.len(), 122, "seed {seed:#x}");
    assert!(stage.dead_letters().await.is_empty());
    stage.stop().await;
}
