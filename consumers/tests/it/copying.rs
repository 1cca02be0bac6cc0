//! What is copied, under which names, and what is told about it.

use catalogue::transfer::{Completed, Failed, FileCompleted};
use serde_json::json;

use crate::database::On;
use crate::stage::{Plan, Stage, record, sized, text};

each_database! {
    tree_is_copied_whole_with_every_kind_of_name,
    dry_run_says_what_the_transfer_then_does_and_changes_nothing,
    taken_names_get_a_stamp_and_what_was_there_stays,
    names_that_differ_in_case_only_and_equal_names_all_arrive,
    most_recently_modified_of_several_folders_is_chosen_also_a_nested_one,
    record_without_its_folder_fails_and_the_others_go_on,
    two_records_of_one_folder_bring_each_file_once,
    two_folders_of_one_name_share_a_destination_without_loss,
    destination_inside_the_source_is_not_copied_into_itself,
    huge_folder_is_planned_in_parts_and_copied_once,
    unticked_record_runs_again_and_copies_nothing_twice,
}

async fn tree_is_copied_whole_with_every_kind_of_name(on: On) {
    let long = format!("{}.pdf", "ü".repeat(251));
    let source = vec![
        text("Acme/a.txt", "alpha"),
        text("Acme/sub/deeper/b.txt", "beta"),
        json!({"path": "Acme/nothing inside"}),
        json!({"path": "Acme/empty.bin", "text": ""}),
        sized("Acme/large.bin", 11 * 1024 * 1024),
        text(&format!("Acme/{long}"), "long"),
        text("Acme/日本 資料/Ünïcödé & 100% +#?.txt", "unicode"),
        text("Acme/..", "dots"),
        text("Acme/trailing.", "trailing"),
        text("Acme/tab\there\u{1}.txt", "control"),
        json!({"path": "Acme/x", "name": "a/b\\c.txt", "text": "slash"}),
    ];
    let stage = Stage::started(on, Plan { source, ..Plan::default() }).await;
    stage.until_idle().await;
    assert!(stage.dead_letters().await.is_empty(), "{:?}", stage.dead_letters().await);
    stage.assert_mirrored("Acme");
    assert!(stage.is_ticked(1));
    assert_eq!(stage.calls("crm.update"), 1);
    let completed: Completed = stage.events("transfer.completed").await[0].decode().unwrap();
    assert_eq!((completed.files_copied, completed.files_failed), (10, 0));
    assert!(completed.check);
    assert!(stage.control().counts().misdeeds.is_empty(), "{:?}", stage.control().counts().misdeeds);
}

async fn dry_run_says_what_the_transfer_then_does_and_changes_nothing(on: On) {
    let source = vec![
        text("Acme/a.txt", "alpha"),
        text("Acme/new/b.txt", "beta"),
        text("Acme/there/c.txt", "gamma"),
        json!({"path": "Acme/hollow"}),
    ];
    let destination = vec![text("Acme/there/c.txt", "older")];
    let mut stage = Stage::new(on, Plan { source, destination, ..Plan::default() }).await;
    let fact: catalogue::crm::Changed = stage.learn(1).await.decode().unwrap();
    let (before, head) = (stage.tree("org-a", "Shared"), *stage.log.head().borrow());
    let context = stage.context();
    let settings = context.settings.transfers.get("contacts").unwrap();
    let plan = consumers::transfer::dry_run::plan_record(&context, settings, &fact).await.unwrap().unwrap();
    assert_eq!(stage.tree("org-a", "Shared"), before);
    assert_eq!(*stage.log.head().borrow(), head);
    let mut folders = plan.new_folders.clone();
    folders.sort();
    assert_eq!(folders, ["Acme/hollow", "Acme/new"]);
    assert_eq!((plan.files.len(), plan.bytes, plan.would_check), (3, 14, true));

    stage.start();
    stage.until_idle().await;
    let copied = stage.tree("org-a", "Shared/Migrated");
    for folder in folders {
        assert!(copied.contains_key(&folder), "{folder}");
    }
    for file in &plan.files {
        let (folder, _) = file.path.rsplit_once('/').unwrap();
        let is_stamped = consumers::transfer::name::is_stamped(&file.name);
        let arrived =
            copied.keys().any(|path| match path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')) {
                Some(name) if is_stamped => consumers::transfer::name::is_stamped(name),
                name => name == Some(file.name.as_str()),
            });
        assert!(arrived, "{file:?} in {copied:?}");
    }
    assert_eq!(copied.len(), 8);
}

async fn taken_names_get_a_stamp_and_what_was_there_stays(on: On) {
    let destination = vec![text("Acme/a.txt", "older"), text("Acme/sub/B.TXT", "older too")];
    let stage = Stage::started(on, Plan { destination, ..Plan::default() }).await;
    stage.until_idle().await;
    let copied = stage.tree("org-a", "Shared/Migrated/Acme");
    let names: Vec<&str> = copied.keys().map(String::as_str).collect();
    assert_eq!(names.len(), 5, "{names:?}");
    let stamped = |stem: &str| {
        names.iter().any(|name| name.starts_with(stem) && name.ends_with(".txt") && name.len() == stem.len() + 18)
    };
    assert!(stamped("a_2") && stamped("sub/b_2"), "{names:?}");
    let source = stage.tree("org-b", "Customers/Acme");
    let of = |name: &str| copied.iter().find(|(copy, _)| copy.starts_with(name)).and_then(|(_, md5)| md5.clone());
    assert_eq!(of("a_2"), source["a.txt"]);
}

async fn names_that_differ_in_case_only_and_equal_names_all_arrive(on: On) {
    let source = vec![
        text("Acme/Plan.txt", "one"),
        text("Acme/PLAN.txt", "two"),
        json!({"path": "Acme/Plan.txt", "text": "three", "duplicate": true}),
        text("Acme/u\u{308}.txt", "four"),
        text("Acme/ü.txt", "five"),
        text("Acme/Sub/x.txt", "six"),
        text("Acme/SUB/x.txt", "seven"),
    ];
    let stage = Stage::started(on, Plan { source, ..Plan::default() }).await;
    stage.until_idle().await;
    let source: Vec<_> = stage.items("org-b", "Customers/Acme");
    let mut wanted: Vec<_> = source.into_iter().filter_map(|(_, item)| item.md5).collect();
    let mut found: Vec<_> = stage.tree("org-a", "Shared/Migrated/Acme").into_values().flatten().collect();
    wanted.sort();
    found.sort();
    assert_eq!(found, wanted);
}

async fn most_recently_modified_of_several_folders_is_chosen_also_a_nested_one(on: On) {
    let source = vec![
        json!({"path": "ACME", "modified_at": "2026-01-01T00:00:00Z"}),
        text("ACME/old.txt", "old"),
        text("Archive/acme/new.txt", "new"),
        json!({"path": "ACME", "modified_at": "2026-01-01T00:00:00Z"}),
        text("Beta/b.txt", "other"),
    ];
    let stage = Stage::started(on, Plan { source, ..Plan::default() }).await;
    stage.until_idle().await;
    let copied = stage.tree("org-a", "Shared/Migrated/acme");
    assert_eq!(copied.keys().collect::<Vec<_>>(), ["new.txt"]);
}

async fn record_without_its_folder_fails_and_the_others_go_on(on: On) {
    let plan = Plan { folders: vec!["Nobody", "Acme", "Hollow"], ..Plan::default() };
    let plan = Plan { source: vec![text("Acme/a.txt", "alpha"), json!({"path": "Hollow/inside"})], ..plan };
    let stage = Stage::started(on, plan).await;
    stage.until_idle().await;
    let failed: Vec<Failed> =
        stage.events("transfer.failed").await.iter().map(|event| event.decode().unwrap()).collect();
    let mut causes: Vec<(String, String)> = failed.into_iter().map(|one| (one.record_id, one.code)).collect();
    causes.sort();
    let expected = [(record(1), "source_folder_not_found".to_owned()), (record(3), "source_folder_empty".to_owned())];
    assert_eq!(causes, expected);
    assert_eq!([1, 2, 3].map(|number| stage.is_ticked(number)), [false, true, false]);
    assert!(stage.dead_letters().await.is_empty());
}

async fn two_records_of_one_folder_bring_each_file_once(on: On) {
    let source =
        (0..30).map(|number| text(&format!("Acme/{}/{number}.txt", number % 3), &number.to_string())).collect();
    let plan = Plan { folders: vec!["Acme", "acme", "ACME"], source, ..Plan::default() };
    let stage = Stage::started(on, plan).await;
    stage.until_idle().await;
    stage.assert_mirrored("Acme");
    assert_eq!(stage.calls("workdrive.upload"), 30);
    assert_eq!([1, 2, 3].map(|number| stage.is_ticked(number)), [true, true, true]);
}

async fn two_folders_of_one_name_share_a_destination_without_loss(on: On) {
    let source = vec![text("Acme/a.txt", "first"), text("Deep/Acme/a.txt", "second")];
    let mut stage = Stage::new(on, Plan { source, ..Plan::default() }).await;
    let folders = stage.items("org-b", "Customers");
    let top = folders.iter().find(|(path, _)| path == "Acme").unwrap().1.id.clone();
    stage.change_tree("org-b", json!({"modify": [{"id": top, "modified_at": "2035-01-01T00:00:00Z"}]}));
    stage.start();
    stage.learn(1).await;
    stage.until_events("crm_record.updated", 1).await;
    stage.change_tree("org-b", json!({"trash": [top]}));
    stage.crash().await;
    stage.advance(60);
    stage.change_record(1, json!({"Transfer_Complete": false}));
    stage.learn(1).await;
    stage.until_events("crm_record.updated", 2).await;
    let names: Vec<String> = stage.tree("org-a", "Shared/Migrated/Acme").into_keys().collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.iter().any(|name| consumers::transfer::name::is_stamped(name)), "{names:?}");
}

async fn destination_inside_the_source_is_not_copied_into_itself(on: On) {
    let source = vec![text("Acme/a.txt", "alpha"), json!({"path": "Acme/Copies", "id": "copies"})];
    let transfer = "destination_folder_id = \"copies\"";
    let plan = Plan { source, transfer, ..Plan::default() };
    let mut stage = Stage::new(on, plan).await;
    stage.same_account();
    stage.start();
    stage.learn(1).await;
    stage.until_idle().await;
    let copied = stage.tree("org-b", "Customers/Acme/Copies");
    assert_eq!(copied.keys().collect::<Vec<_>>(), ["Acme", "Acme/a.txt"]);
    assert!(stage.is_ticked(1));
}

async fn huge_folder_is_planned_in_parts_and_copied_once(on: On) {
    let source = (0..1_000).map(|number| text(&format!("Acme/{number:04}.txt"), &number.to_string())).collect();
    let stage = Stage::started(on, Plan { source, transfer: "concurrency = 16", ..Plan::default() }).await;
    stage.until_idle().await;
    stage.assert_mirrored("Acme");
    assert_eq!(stage.calls("workdrive.upload"), 1_000);
    assert_eq!(stage.events("transfer.completed").await.len(), 1);
}

async fn unticked_record_runs_again_and_copies_nothing_twice(on: On) {
    let stage = Stage::started(on, Plan::default()).await;
    stage.until_idle().await;
    stage.advance(60);
    stage.change_record(1, json!({"Transfer_Complete": false}));
    stage.learn(1).await;
    stage.until_events("transfer.completed", 2).await;
    stage.until_idle().await;
    stage.assert_mirrored("Acme");
    assert_eq!(stage.calls("workdrive.upload"), 2);
    assert!(stage.is_ticked(1));
    let told = stage.events("transfer_file.completed").await;
    assert_eq!(told.iter().filter(|event| event.decode::<FileCompleted>().unwrap().reused).count(), 2);
}
