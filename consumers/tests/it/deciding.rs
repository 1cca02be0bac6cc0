//! Given facts and polls, when decided, then runs.

use catalogue::crm::Changed;
use catalogue::transfer::{Completed, Requested};
use serde_json::json;
use simulator::Fault;

use crate::database::On;
use crate::stage::{Plan, Stage, record, text};

each_database! {
    facts_in_any_order_and_any_number_ask_for_one_run,
    ticked_records_and_records_without_a_folder_ask_for_nothing,
    poll_that_still_finds_a_failed_record_asks_again,
    record_pointed_elsewhere_while_it_is_copied_is_not_ticked_before_the_other_folder_is_there,
    record_ticked_by_a_person_meanwhile_is_not_ticked_again,
    record_deleted_meanwhile_ends_as_a_dead_letter,
    file_of_an_earlier_run_that_is_redriven_leaves_the_present_run_alone,
    check_that_was_given_up_gets_another_chance_when_the_run_completes_again,
    dead_letter_is_redriven_once,
}

fn fact(seconds: u32, folder: &str, ticked: bool) -> Changed {
    Changed {
        module: "Contacts".to_owned(),
        record_id: record(1),
        modified_time: Some(format!("2026-01-01T00:00:{seconds:02}Z").parse().unwrap()),
        fields: json!({"Transfer_Complete": ticked, "Source_Folder_Name": folder}).as_object().unwrap().clone(),
    }
}

async fn requested(stage: &Stage) -> Vec<(i64, String, String)> {
    let events = stage.events("transfer.requested").await;
    events
        .iter()
        .map(|event| event.decode::<Requested>().unwrap())
        .map(|one| (one.run, one.folder_name, one.reason))
        .collect()
}

async fn facts_in_any_order_and_any_number_ask_for_one_run(on: On) {
    for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] {
        let mut stage = Stage::new(on, Plan::default()).await;
        for _ in 0..2 {
            for seconds in order {
                stage.append_fact(fact(seconds, "Acme", false)).await;
            }
            stage.poll(&[1]).await;
        }
        stage.start();
        stage.until_idle().await;
        assert_eq!(requested(&stage).await, [(1, "Acme".to_owned(), "changed".to_owned())], "{order:?}");
        stage.append_fact(fact(2, "Acme", false)).await;
        stage.until_idle().await;
        assert_eq!(requested(&stage).await.len(), 1);
        assert!(stage.is_ticked(1));
    }
}

async fn ticked_records_and_records_without_a_folder_ask_for_nothing(on: On) {
    let mut stage = Stage::new(on, Plan::default()).await;
    stage.append_fact(fact(1, "Acme", true)).await;
    stage.append_fact(fact(2, "   ", false)).await;
    stage.poll(&[1, 2]).await;
    stage.start();
    stage.until_idle().await;
    assert!(requested(&stage).await.is_empty());
}

async fn poll_that_still_finds_a_failed_record_asks_again(on: On) {
    let stage = Stage::started(on, Plan { source: vec![text("Beta/b.txt", "b")], ..Plan::default() }).await;
    stage.until_events("transfer.failed", 1).await;
    stage.add("org-b", "team-b", &[text("Acme/a.txt", "late")]);
    stage.advance(60);
    stage.poll(&[1]).await;
    stage.until("the second run", async || stage.is_ticked(1).then_some(())).await;
    let reasons: Vec<String> = requested(&stage).await.into_iter().map(|(_, _, reason)| reason).collect();
    assert_eq!(reasons, ["changed", "retry"]);
}

async fn record_pointed_elsewhere_while_it_is_copied_is_not_ticked_before_the_other_folder_is_there(on: On) {
    // Whether the log learns of it before the copy is complete, or only later.
    for learned_at_once in [true, false] {
        let source = vec![text("Acme/a.txt", "alpha"), text("Beta/b.txt", "beta")];
        let mut stage = Stage::new(on, Plan { source, ..Plan::default() }).await;
        stage.fault("workdrive.download", Fault::Delay { ms: 500 }, 1);
        stage.start();
        stage.learn(1).await;
        stage.until_met(1).await;
        stage.advance(5);
        stage.change_record(1, json!({"Source_Folder_Name": "Beta"}));
        if learned_at_once {
            stage.learn(1).await;
        }
        stage.until_events("transfer.completed", 1).await;
        stage
            .until("the first decision", async || {
                let look = consumers::idle::look(&stage.log).await.unwrap();
                (learned_at_once || look.is_idle()).then_some(())
            })
            .await;
        if !learned_at_once {
            assert!(!stage.is_ticked(1));
            assert_eq!(stage.events("crm_record.update_failed").await.len(), 1);
            stage.learn(1).await;
        }
        stage.until("the second folder", async || stage.is_ticked(1).then_some(())).await;
        stage.until_idle().await;
        stage.assert_mirrored("Beta");
        assert_eq!(stage.calls("crm.update"), 1);
    }
}

async fn record_ticked_by_a_person_meanwhile_is_not_ticked_again(on: On) {
    let mut stage = Stage::new(on, Plan::default()).await;
    stage.fault("workdrive.download", Fault::Delay { ms: 400 }, 1);
    stage.start();
    stage.learn(1).await;
    stage.until_met(1).await;
    stage.change_record(1, json!({"Transfer_Complete": true}));
    stage.until_events("transfer.completed", 1).await;
    stage.until_idle().await;
    assert_eq!(stage.calls("crm.update"), 0);
    stage.assert_mirrored("Acme");
}

async fn record_deleted_meanwhile_ends_as_a_dead_letter(on: On) {
    let mut stage = Stage::new(on, Plan::default()).await;
    stage.fault("workdrive.download", Fault::Delay { ms: 400 }, 1);
    stage.start();
    stage.learn(1).await;
    stage.until_met(1).await;
    stage.control().delete_record("org-a", "Contacts", &record(1)).unwrap();
    stage.until_events("transfer.completed", 1).await;
    stage.until_idle().await;
    assert_eq!(stage.dead_letters().await[0].reason, "record_gone");
}

async fn file_of_an_earlier_run_that_is_redriven_leaves_the_present_run_alone(on: On) {
    let source = vec![text("Acme/a.txt", "alpha"), text("Acme/b.txt", "beta"), text("Beta/c.txt", "gamma")];
    let mut stage = Stage::new(on, Plan { source, ..Plan::default() }).await;
    stage.fault("workdrive.download", Fault::Status { code: 404, html_body: false }, 1);
    stage.start();
    stage.learn(1).await;
    stage.until_events("crm_record.updated", 1).await;
    stage.advance(60);
    stage.change_record(1, json!({"Transfer_Complete": false, "Source_Folder_Name": "Beta"}));
    stage.learn(1).await;
    stage.until_events("crm_record.updated", 2).await;
    stage.until_idle().await;
    stage.redrive_all().await;
    stage.until_events("transfer.completed", 3).await;
    stage.until_idle().await;
    let runs: Vec<i64> = requested(&stage).await.into_iter().map(|(run, _, _)| run).collect();
    assert_eq!(runs, [1, 2]);
    assert_eq!(stage.calls("crm.update"), 2);
    let completed = stage.events("transfer.completed").await;
    let runs: Vec<i64> = completed.iter().map(|event| event.decode::<Completed>().unwrap().run).collect();
    assert_eq!(runs, [1, 2, 1]);
    stage.assert_mirrored("Acme");
    // The record can still be asked for again.
    stage.advance(60);
    stage.change_record(1, json!({"Transfer_Complete": false}));
    stage.learn(1).await;
    stage.until_events("crm_record.updated", 3).await;
}

async fn check_that_was_given_up_gets_another_chance_when_the_run_completes_again(on: On) {
    let source = vec![text("Acme/a.txt", "alpha"), text("Acme/b.txt", "beta")];
    let mut stage = Stage::new(on, Plan { source, ..Plan::default() }).await;
    stage.fault("workdrive.download", Fault::Status { code: 404, html_body: false }, 1);
    stage.fault("crm.update", Fault::Status { code: 403, html_body: false }, 1);
    stage.start();
    stage.learn(1).await;
    stage.until_events("crm_record.update_failed", 1).await;
    stage.until_idle().await;
    let file = stage.dead_letters().await.into_iter().find(|letter| letter.kind == "file.copy").unwrap();
    stage.redrive(file.dead_letter_id).await.unwrap();
    stage.until("the check", async || stage.is_ticked(1).then_some(())).await;
    stage.until_idle().await;
    assert!(stage.dead_letters().await.is_empty());
}

async fn dead_letter_is_redriven_once(on: On) {
    let mut stage = Stage::new(on, Plan::default()).await;
    stage.fault("workdrive.download", Fault::Status { code: 404, html_body: false }, 1);
    stage.start();
    stage.learn(1).await;
    stage.until_idle().await;
    stage.stop().await;
    let letter = stage.dead_letters().await[0].dead_letter_id;
    stage.redrive(letter).await.unwrap();
    let again = stage.redrive(letter).await;
    assert!(matches!(again, Err(consumers::Error::NoSuchDeadLetter(_))));
    assert!(matches!(stage.redrive(999).await, Err(consumers::Error::NoSuchDeadLetter(999))));
    assert_eq!(stage.events("effect.redriven").await.len(), 1);
    stage.start();
    stage.until_idle().await;
    stage.assert_mirrored("Acme");
}
