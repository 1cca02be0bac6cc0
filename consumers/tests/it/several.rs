//! Several processes on one PostgreSQL: what one does is not done by another, and what one leaves behind is.

use std::time::Duration;

use consumers::Consumer;
use event_log::sql;
use simulator::{Fault, FaultRule};
use testkit::postgres::{Cluster, database_in};

use crate::database::{On, Place};
use crate::process::{LEASE, Process};
use crate::stage::{Plan, Stage, text};

fn files(count: usize) -> Vec<serde_json::Value> {
    (0..count).map(|number| text(&format!("Acme/{}/{number}.txt", number % 3), &format!("content {number}"))).collect()
}

fn plan(folders: Vec<&'static str>, count: usize) -> Plan {
    Plan { folders, source: files(count), transfer: "concurrency = 3\nmax_attempts = 20", ..Plan::default() }
}

fn slow(stage: &Stage, route: &str, ms: u64) {
    stage.control().add_fault(FaultRule::once(route, Fault::Delay { ms }).forever()).unwrap();
}

async fn learn_all(stage: &Stage, records: usize) {
    for number in 1..=records {
        stage.learn(number).await;
    }
}

/// Who is working on effects now.
async fn at_work(stage: &Stage) -> Vec<String> {
    sql::query_scalar("SELECT DISTINCT leased_by FROM effects WHERE status = 'started' AND leased_by IS NOT NULL")
        .fetch_all(stage.log.database().readers())
        .await
        .unwrap_or_default()
}

/// Everything was copied, and nothing twice.
async fn assert_copied_once(stage: &Stage, records: usize) {
    stage.until_idle().await;
    stage.assert_mirrored("Acme");
    let versions = stage.items("org-a", "Shared/Migrated");
    assert!(versions.iter().all(|(_, item)| item.versions == 1));
    assert!((1..=records).all(|number| stage.is_ticked(number)));
    assert_eq!(stage.events("transfer.completed").await.len(), records);
    assert_eq!(stage.events("crm_record.updated").await.len(), records);
    assert!(stage.dead_letters().await.is_empty());
}

#[tokio::test]
async fn records_of_one_folder_are_copied_once_by_several_processes() {
    let stage = Stage::new(On::Postgres, plan(vec!["Acme", "acme", "ACME"], 60)).await;
    slow(&stage, "workdrive.upload", 30);
    slow(&stage, "workdrive.create_folder", 200);
    let processes: Vec<Process> = (0..3).map(|_| Process::start(stage.site())).collect();
    learn_all(&stage, 3).await;
    stage.until("all of them to work", async || (at_work(&stage).await.len() == 3).then_some(())).await;
    assert_copied_once(&stage, 3).await;
    assert_eq!(stage.calls("workdrive.upload"), 60);
    assert_eq!(stage.calls("workdrive.create_folder"), 4);
    assert_eq!(stage.calls("crm.update"), 3);
    for process in processes {
        process.stop().await;
    }
}

#[tokio::test]
async fn folder_that_another_process_has_made_is_found_though_the_listing_at_hand_is_older() {
    let source = vec![text("Beta/b.txt", "beta"), text("Acme/a.txt", "alpha")];
    let stage = Stage::new(On::Postgres, Plan { source, folders: vec!["Acme", "Beta"], ..Plan::default() }).await;
    let process = Process::start(stage.site());
    stage.learn(2).await;
    stage.until("the other folder", async || stage.is_ticked(2).then_some(())).await;
    stage.add("org-a", "dest", &[text("Acme/theirs.txt", "theirs")]);
    let making = stage.log.write::<_, consumers::Error, _>(|unit| {
        Box::pin(async move {
            sql::query(
                "INSERT INTO effects (effect_key, kind, lane, stream_name, run, account, source_account, organization, \
                 status, not_before, once_key, request, correlation_id, planned_at, started_at) \
                 SELECT 'of another process', kind, lane, 'transfer-other', 1, account, source_account, organization, \
                 'succeeded', not_before, replace(once_key, 'beta', 'acme'), request, correlation_id, planned_at, \
                 started_at FROM effects WHERE kind = 'folder.copy'",
            )
            .execute(unit.connection())
            .await?;
            Ok(())
        })
    });
    making.await.unwrap();
    let made = stage.calls("workdrive.create_folder");
    stage.learn(1).await;
    stage.until("the folder", async || stage.is_ticked(1).then_some(())).await;
    assert_eq!(stage.calls("workdrive.create_folder"), made);
    process.stop().await;
}

#[tokio::test]
async fn killed_process_is_taken_over_after_its_lease() {
    let stage = Stage::new(On::Postgres, plan(vec!["Acme"], 30)).await;
    slow(&stage, "workdrive.upload", 400);
    let dying = Process::start(stage.site());
    learn_all(&stage, 1).await;
    stage.until_met(2).await;
    stage.until("it to work", async || at_work(&stage).await.contains(&dying.name).then_some(())).await;
    let other = Process::start(stage.site());
    stage.until("the other to work", async || at_work(&stage).await.contains(&other.name).then_some(())).await;
    let dead = dying.name.clone();
    drop(dying);
    assert!(at_work(&stage).await.contains(&dead), "nobody said that it ended");
    assert_copied_once(&stage, 1).await;
    assert!(!at_work(&stage).await.contains(&dead));
    assert!(!stage.events("effect.settled").await.is_empty());
}

#[tokio::test]
async fn process_that_ends_in_order_leaves_its_work_to_the_others_at_once() {
    let stage = Stage::new(On::Postgres, plan(vec!["Acme"], 30)).await;
    slow(&stage, "workdrive.upload", 100);
    let (leaving, _other) = (Process::start(stage.site()), Process::start(stage.site()));
    learn_all(&stage, 1).await;
    stage.until("it to work", async || at_work(&stage).await.contains(&leaving.name).then_some(())).await;
    leaving.stop().await;
    assert_copied_once(&stage, 1).await;
    assert!(stage.events("effect.settled").await.is_empty());
    assert_eq!(stage.calls("workdrive.upload"), 30);
}

#[tokio::test]
async fn processes_without_their_database_let_go_of_what_runs_and_double_nothing() {
    let cluster = Cluster::start().await;
    let place = Place::of(database_in(cluster.url()).await);
    let source = (0..24).map(|number| text(&format!("Acme/{number}.txt"), &format!("{number:0100}"))).collect();
    let mut stage = Stage::at(place, Plan { source, ..plan(vec!["Acme"], 0) }).await;
    // Ten seconds each: whoever went on without its lease would upload beside its successor.
    stage.fault("workdrive.download", Fault::SlowDrip { bytes_per_second: 1 }, 4);
    let processes = [Process::start(stage.site()), Process::start(stage.site())];
    learn_all(&stage, 1).await;
    stage.until("both to work", async || (at_work(&stage).await.len() == 2).then_some(())).await;
    stage.until_met(4).await;
    cluster.stop_immediate().await;
    tokio::time::sleep(LEASE).await;
    cluster.start_again().await;
    stage.reopen().await;
    assert_copied_once(&stage, 1).await;
    assert!(stage.events("effect.settled").await.len() >= 4, "what was let go of is settled by reading back");
    for process in processes {
        process.stop().await;
    }
}

#[tokio::test]
async fn effect_that_was_taken_over_is_let_go_of() {
    let stage = Stage::new(On::Postgres, plan(vec!["Acme"], 3)).await;
    stage.fault("workdrive.download", Fault::Hang {}, 3);
    let process = Process::start(stage.site());
    learn_all(&stage, 1).await;
    stage.until_met(3).await;
    // As another process would do that takes this one for dead.
    let stealing = stage.log.write::<_, consumers::Error, _>(|unit| {
        Box::pin(async move { consumers::ledger::recover_all(unit, Duration::ZERO).await })
    });
    assert_eq!(stealing.await.unwrap(), 3);
    assert_copied_once(&stage, 1).await;
    assert_eq!(stage.calls("workdrive.upload"), 3);
    process.stop().await;
}

#[tokio::test]
async fn each_consumer_can_have_a_process_of_its_own() {
    let stage = Stage::new(On::Postgres, plan(vec!["Acme"], 6)).await;
    let transfer = Process::start_some(stage.site(), &[Consumer::Transfer]);
    learn_all(&stage, 1).await;
    stage.until_events("transfer.completed", 1).await;
    assert!(!stage.is_ticked(1));
    let update = Process::start_some(stage.site(), &[Consumer::CrmUpdate]);
    assert_copied_once(&stage, 1).await;
    transfer.stop().await;
    update.stop().await;
}
