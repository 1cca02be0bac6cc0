//! Faults on the way, one at a time: nothing is lost, nothing is doubled.

use catalogue::transfer::{Completed, FileCompleted};
use serde_json::json;
use simulator::Fault;

use crate::database::On;
use crate::stage::{Plan, Stage, sized, text};

each_database! {
    file_that_fails_does_not_stop_the_rest_and_any_file_is_enough,
    when_all_files_are_demanded_a_redriven_file_completes_the_run_and_checks_the_record,
    lost_answers_are_settled_without_doubles,
    unreadable_answer_of_an_upload_is_settled_like_a_lost_one,
    outcome_that_stays_unknown_for_long_is_still_found,
    content_that_is_cut_on_its_way_is_sent_again,
    download_that_ends_early_and_calls_it_complete_is_not_taken_for_the_file,
    file_that_changes_after_its_folder_was_listed_is_copied_as_it_is_now,
    expired_tokens_and_server_errors_cost_nothing_but_time,
    server_that_fails_for_ever_ends_the_run_instead_of_being_asked_for_ever,
    effect_given_up_while_unsettled_is_settled_when_it_is_redriven,
    effect_given_up_while_unsettled_is_settled_by_the_next_one_of_the_same_file,
    effects_that_are_not_waited_for_are_parked_and_settled_at_the_next_start,
    running_effects_are_finished_when_there_is_time,
    copy_that_was_damaged_on_its_way_is_trashed_and_made_again,
    full_storage_is_a_dead_letter_that_says_so_and_goes_on_when_there_is_room,
    name_taken_between_look_and_upload_ends_in_our_style,
    folder_made_by_somebody_at_the_same_moment_is_shared,
    characters_that_the_upload_drops_are_put_back,
}

fn files(count: usize) -> Vec<serde_json::Value> {
    (0..count).map(|number| text(&format!("Acme/{}/{number}.txt", number % 2), &format!("content {number}"))).collect()
}

async fn file_that_fails_does_not_stop_the_rest_and_any_file_is_enough(on: On) {
    let mut stage = Stage::new(on, Plan { source: files(6), ..Plan::default() }).await;
    stage.fault("workdrive.download", Fault::Status { code: 404, html_body: false }, 1);
    stage.start();
    stage.learn(1).await;
    stage.until_idle().await;
    let completed: Completed = stage.events("transfer.completed").await[0].decode().unwrap();
    assert_eq!((completed.files_copied, completed.files_failed, completed.check), (5, 1, true));
    assert!(stage.is_ticked(1));
    assert_eq!(stage.dead_letters().await[0].reason, "rejected");
}

async fn when_all_files_are_demanded_a_redriven_file_completes_the_run_and_checks_the_record(on: On) {
    let plan = Plan { source: files(6), transfer: "check_when = \"all\"", ..Plan::default() };
    let mut stage = Stage::new(on, plan).await;
    stage.fault("workdrive.download", Fault::Status { code: 404, html_body: false }, 1);
    stage.start();
    stage.learn(1).await;
    stage.until_idle().await;
    assert!(!stage.is_ticked(1));
    assert_eq!(stage.calls("crm.update"), 0);

    stage.redrive_all().await;
    stage.until_events("transfer.completed", 2).await;
    stage.until_idle().await;
    assert!(stage.is_ticked(1));
    assert!(stage.dead_letters().await.is_empty());
    stage.assert_mirrored("Acme");
    assert_eq!(stage.events("effect.redriven").await.len(), 1);
}

async fn lost_answers_are_settled_without_doubles(on: On) {
    let mut source = files(6);
    source.push(sized("Acme/large.bin", 11 * 1024 * 1024));
    let mut stage = Stage::new(on, Plan { source, ..Plan::default() }).await;
    for (route, times) in
        [("workdrive.upload", 3), ("workdrive.upload_stream", 1), ("workdrive.create_folder", 2), ("crm.update", 1)]
    {
        stage.fault(route, Fault::CutAfter {}, times);
    }
    stage.start();
    stage.learn(1).await;
    stage.until_idle().await;
    stage.until_met(7).await;
    stage.assert_mirrored("Acme");
    assert!(stage.is_ticked(1));
    assert_eq!((stage.calls("workdrive.upload"), stage.calls("workdrive.upload_stream")), (6, 1));
    assert_eq!(stage.calls("crm.update"), 1);
    assert_eq!(stage.events("transfer.completed").await.len(), 1);
    let settled = stage.events("transfer_file.completed").await;
    let settled = settled.iter().filter(|event| event.decode::<FileCompleted>().unwrap().settled).count();
    assert_eq!(settled, 4);
}

async fn unreadable_answer_of_an_upload_is_settled_like_a_lost_one(on: On) {
    let mut stage = Stage::new(on, Plan { source: files(3), ..Plan::default() }).await;
    stage.fault("workdrive.upload", Fault::TruncatedJson {}, 2);
    stage.fault("workdrive.create_folder", Fault::TruncatedJson {}, 1);
    stage.start();
    stage.learn(1).await;
    stage.until_idle().await;
    stage.assert_mirrored("Acme");
    assert_eq!(stage.calls("workdrive.upload"), 3);
}

async fn outcome_that_stays_unknown_for_long_is_still_found(on: On) {
    let mut stage = Stage::new(on, Plan { source: files(1), ..Plan::default() }).await;
    stage.fault("workdrive.upload", Fault::CutAfter {}, 1);
    stage.start();
    stage.learn(1).await;
    stage.until_met(1).await;
    // Four long penalties in a row, each met by the settling.
    for round in 1..=4 {
        stage.fault("workdrive.list", Fault::Throttle { retry_after_seconds: Some(400) }, 1);
        stage.until_met(1 + round).await;
        stage
            .until("the penalty to be known", async || {
                let look = consumers::idle::look(&stage.log).await.unwrap();
                (look.effects.started == 0 && look.effects.unknown == 1).then_some(())
            })
            .await;
        stage.advance(410);
    }
    stage.until_idle().await;
    stage.assert_mirrored("Acme");
    assert_eq!(stage.calls("workdrive.upload"), 1);
}

async fn content_that_is_cut_on_its_way_is_sent_again(on: On) {
    let mut source = files(4);
    source.push(sized("Acme/large.bin", 11 * 1024 * 1024));
    let mut stage = Stage::new(on, Plan { source, ..Plan::default() }).await;
    stage.fault("workdrive.download", Fault::CutMidBody { after_bytes: 3 }, 2);
    stage.fault("workdrive.upload", Fault::CutMidBody { after_bytes: 3 }, 1);
    stage.fault("workdrive.upload_stream", Fault::CutMidBody { after_bytes: 5_000_000 }, 1);
    stage.start();
    stage.learn(1).await;
    stage.until_idle().await;
    stage.assert_mirrored("Acme");
    assert!(stage.dead_letters().await.is_empty());
}

async fn download_that_ends_early_and_calls_it_complete_is_not_taken_for_the_file(on: On) {
    let mut stage = Stage::new(on, Plan { source: files(3), ..Plan::default() }).await;
    stage.fault("workdrive.download", Fault::ShortBody { bytes: 4 }, 2);
    stage.start();
    stage.learn(1).await;
    stage.until_idle().await;
    stage.assert_mirrored("Acme");
}

async fn file_that_changes_after_its_folder_was_listed_is_copied_as_it_is_now(on: On) {
    let mut stage = Stage::new(on, Plan { source: files(1), ..Plan::default() }).await;
    stage.fault("workdrive.create_folder", Fault::Delay { ms: 700 }, 2);
    stage.start();
    stage.learn(1).await;
    stage
        .until("the listing", async || (stage.events("transfer_folder.prepared").await.len() == 1).then_some(()))
        .await;
    // The folder in it was listed before its counterpart is made.
    stage.until_met(2).await;
    let id = stage.items("org-b", "Customers/Acme").into_iter().find(|(_, item)| !item.is_folder).unwrap().1.id;
    stage.change_tree("org-b", json!({"modify": [{"id": id, "text": "longer than it was before"}]}));
    stage.until_idle().await;
    stage.assert_mirrored("Acme");
}

async fn expired_tokens_and_server_errors_cost_nothing_but_time(on: On) {
    let mut stage = Stage::new(on, Plan { source: files(6), transfer: "max_attempts = 4", ..Plan::default() }).await;
    for route in ["workdrive.list", "workdrive.download", "workdrive.upload", "workdrive.create_folder", "crm.update"] {
        stage.fault(route, Fault::ExpiredToken {}, 1);
        stage.fault(route, Fault::Status { code: 503, html_body: true }, 1);
        stage.fault(route, Fault::CutBefore {}, 1);
    }
    stage.start();
    stage.learn(1).await;
    stage.until_idle().await;
    stage.assert_mirrored("Acme");
    assert!(stage.is_ticked(1));
    assert!(stage.dead_letters().await.is_empty());
}

async fn server_that_fails_for_ever_ends_the_run_instead_of_being_asked_for_ever(on: On) {
    for route in ["workdrive.list", "workdrive.download", "workdrive.upload", "workdrive.create_folder"] {
        let mut stage = Stage::new(on, Plan { source: files(1), ..Plan::default() }).await;
        let rule = simulator::FaultRule::once(route, Fault::Status { code: 500, html_body: false }).forever();
        stage.control().add_fault(rule).unwrap();
        stage.start();
        stage.learn(1).await;
        stage.until_idle().await;
        assert!(!stage.is_ticked(1), "{route}");
        assert!(!stage.dead_letters().await.is_empty(), "{route}");
        stage.control().clear_faults();
        stage.redrive_all().await;
        stage.until("the copy", async || stage.is_ticked(1).then_some(())).await;
        stage.until_idle().await;
        stage.assert_mirrored("Acme");
    }
}

async fn effect_given_up_while_unsettled_is_settled_when_it_is_redriven(on: On) {
    let mut stage = Stage::new(on, Plan { source: files(1), ..Plan::default() }).await;
    stage.fault("workdrive.upload", Fault::CutAfter {}, 1);
    stage.start();
    stage.learn(1).await;
    stage.until_met(1).await;
    // The listing is asked for by cursor, then by offset.
    stage.fault("workdrive.list", Fault::Status { code: 403, html_body: false }, 2);
    stage.until_idle().await;
    let letters = stage.dead_letters().await;
    assert_eq!(letters.iter().map(|letter| letter.reason.as_str()).collect::<Vec<_>>(), ["unsettled"]);
    stage.redrive_all().await;
    stage.until("the check", async || stage.is_ticked(1).then_some(())).await;
    stage.until_idle().await;
    stage.assert_mirrored("Acme");
    assert_eq!(stage.calls("workdrive.upload"), 1);
}

async fn effect_given_up_while_unsettled_is_settled_by_the_next_one_of_the_same_file(on: On) {
    let plan = Plan { folders: vec!["Acme", "acme"], source: files(1), ..Plan::default() };
    let mut stage = Stage::new(on, plan).await;
    stage.fault("workdrive.upload", Fault::CutAfter {}, 1);
    stage.start();
    stage.learn(1).await;
    stage.until_met(1).await;
    stage.fault("workdrive.list", Fault::Status { code: 403, html_body: false }, 2);
    stage.until_idle().await;
    assert_eq!(stage.dead_letters().await[0].reason, "unsettled");
    stage.learn(2).await;
    stage.until("the other record", async || stage.is_ticked(2).then_some(())).await;
    stage.until_idle().await;
    stage.assert_mirrored("Acme");
    assert_eq!(stage.calls("workdrive.upload"), 1);
}

async fn effects_that_are_not_waited_for_are_parked_and_settled_at_the_next_start(on: On) {
    let mut stage = Stage::new(on, Plan { source: files(8), ..Plan::default() }).await;
    // All is stored, and the answers come too late.
    stage.fault("workdrive.upload", Fault::Delay { ms: 400 }, 8);
    stage.start();
    stage.learn(1).await;
    stage.until_met(1).await;
    stage.abort().await;
    let left = consumers::idle::look(&stage.log).await.unwrap().effects;
    assert!(left.started == 0 && left.unknown > 0, "{left:?}");
    let sent: u64 = stage.control().faults().iter().map(|fault| fault.fired).sum();
    let stored = || stage.tree("org-a", "Shared/Migrated").values().flatten().count() as u64;
    stage.until("the provider to finish what it was sent", async || (stored() == sent).then_some(())).await;
    stage.start();
    stage.until_idle().await;
    stage.assert_mirrored("Acme");
    assert!(stage.is_ticked(1));
}

async fn running_effects_are_finished_when_there_is_time(on: On) {
    let mut stage = Stage::new(on, Plan { source: files(8), ..Plan::default() }).await;
    stage.fault("workdrive.upload", Fault::Delay { ms: 200 }, 8);
    stage.start();
    stage.learn(1).await;
    stage.until_met(1).await;
    stage.stop().await;
    let left = consumers::idle::look(&stage.log).await.unwrap().effects;
    assert_eq!((left.started, left.unknown), (0, 0));
    stage.start();
    stage.until_idle().await;
    stage.assert_mirrored("Acme");
    assert_eq!(stage.calls("workdrive.upload"), 8);
}

async fn copy_that_was_damaged_on_its_way_is_trashed_and_made_again(on: On) {
    let plan = Plan { source: files(3), damaged: Some("content 1"), ..Plan::default() };
    let stage = Stage::started(on, plan).await;
    stage.until_idle().await;
    stage.assert_mirrored("Acme");
    assert_eq!(stage.calls("workdrive.upload"), 4);
    let retried = stage.events("effect.retried").await;
    assert_eq!(retried.len(), 1);
    assert!(retried[0].data.contains("content_mismatch"), "{}", retried[0].data);
}

async fn full_storage_is_a_dead_letter_that_says_so_and_goes_on_when_there_is_room(on: On) {
    let knobs = json!({"workdrive": {"upload_refusal": "organization_storage"}});
    let stage = Stage::started(on, Plan { source: files(2), knobs, ..Plan::default() }).await;
    stage.until_idle().await;
    let letters = stage.dead_letters().await;
    assert_eq!(letters.len(), 2);
    assert!(letters.iter().all(|letter| letter.reason == "storage_full" && letter.error.contains("storage is full")));
    assert!(!stage.is_ticked(1));
    stage.control().set_knobs(json!({"workdrive": {"upload_refusal": "none"}})).unwrap();
    stage.redrive_all().await;
    stage.until("the check", async || stage.is_ticked(1).then_some(())).await;
    stage.until_idle().await;
    stage.assert_mirrored("Acme");
}

async fn name_taken_between_look_and_upload_ends_in_our_style(on: On) {
    for knob in ["suffix", "conflict"] {
        let source = vec![text("Acme/plan.txt", "ours")];
        let knobs = json!({"workdrive": {"file_collision": knob, "folder_collision": knob}});
        let mut stage = Stage::new(on, Plan { source, knobs, ..Plan::default() }).await;
        stage.fault("workdrive.download", Fault::Delay { ms: 600 }, 1);
        stage.start();
        stage.learn(1).await;
        stage.until_met(1).await;
        stage.add("org-a", "dest", &[text("Acme/plan.txt", "theirs")]);
        stage.until_idle().await;
        let names: Vec<String> = stage.tree("org-a", "Shared/Migrated/Acme").into_keys().collect();
        assert_eq!(names.len(), 2, "{knob}: {names:?}");
        assert!(names.iter().any(|name| consumers::transfer::name::is_stamped(name)), "{knob}: {names:?}");
        assert!(stage.is_ticked(1));
    }
}

async fn folder_made_by_somebody_at_the_same_moment_is_shared(on: On) {
    for knob in ["suffix", "conflict"] {
        let source = vec![text("Acme/sub/a.txt", "ours")];
        let knobs = json!({"workdrive": {"folder_collision": knob}});
        let mut stage = Stage::new(on, Plan { source, knobs, ..Plan::default() }).await;
        stage.fault("workdrive.create_folder", Fault::Delay { ms: 600 }, 1);
        stage.start();
        stage.learn(1).await;
        stage.until_met(1).await;
        stage.add("org-a", "dest", &[text("Acme/theirs.txt", "theirs")]);
        stage.until_idle().await;
        let root: Vec<String> = stage.tree("org-a", "Shared/Migrated").into_keys().collect();
        assert_eq!(root, ["Acme", "Acme/sub", "Acme/sub/a.txt", "Acme/theirs.txt"], "{knob}");
    }
}

async fn characters_that_the_upload_drops_are_put_back(on: On) {
    let knobs = json!({"workdrive": {"strip_full_width": true}});
    let source = vec![text("Acme/\u{ff21}plan\u{ff01}.txt", "wide")];
    let mut stage = Stage::new(on, Plan { source, knobs, ..Plan::default() }).await;
    stage.fault("workdrive.upload", Fault::CutAfter {}, 1);
    stage.start();
    stage.learn(1).await;
    stage.until_idle().await;
    stage.assert_mirrored("Acme");
    assert_eq!(stage.calls("workdrive.upload"), 1);
}
