//! The comparison itself: whoever trusts it has seen it find what is wrong.

use serde_json::json;
use simulator::control::{ItemChange, RecordChange, State, TreeChange};
use simulator::seed::EntrySeed;
use simulator::seed::constants::{CHECKBOX_FIELD, DESTINATION_FOLDER_ID, MODULE, ORG_A};
use tests::verify::{self, organization, records};
use tests::{Site, Store, story};

use crate::trees::small;

on_both! {
    story_reader_finds_holes_and_doubles,
}

/// A site after an undisturbed transfer, and the state before it.
fn transferred(store: Store) -> (Site, State) {
    let mut seed = small(2, 3);
    seed.organizations[0].workdrive.entries.push(EntrySeed {
        in_folder: DESTINATION_FOLDER_ID.to_owned(),
        path: "Customer 0001/file-00002.bin".to_owned(),
        text: Some("here before".to_owned()),
        ..EntrySeed::default()
    });
    let site = Site::on(store, &seed);
    let before = site.state();
    let ran = site.run(&["transfer"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let findings = verify::compare(&before, &site.state());
    findings.assert_right();
    assert_eq!((findings.files, findings.renamed, findings.checked), (6, 1, 2));
    story::read(&site.log()).assert_whole();
    (site, before)
}

fn id_of(site: &Site, path: &str) -> String {
    let state = site.state();
    let item = organization(&state, ORG_A).items.iter().find(|item| item.path.ends_with(path));
    item.unwrap_or_else(|| panic!("there is no {path}")).id.clone()
}

#[test]
fn comparison_finds_every_kind_of_damage() {
    let (site, before) = transferred(Store::Sqlite);
    let problems = || verify::compare(&before, &site.state()).problems;
    let change = |change: &TreeChange| site.control().change_tree(ORG_A, change).unwrap();
    let entry = |path: &str, duplicate: bool| EntrySeed {
        in_folder: DESTINATION_FOLDER_ID.to_owned(),
        path: path.to_owned(),
        text: Some("not asked for".to_owned()),
        duplicate,
        ..EntrySeed::default()
    };
    let mut found = 0;
    let mut worse = |what: &str| {
        let now = problems().len();
        assert!(now > found, "not noticed: {what}: {:?}", problems());
        found = now;
    };
    change(&TreeChange {
        entries: vec![entry("Customer 0002/file-00001 21-11-2026 10:00:00:000.bin", false)],
        ..TreeChange::default()
    });
    worse("a double under the provider's own style of names");
    change(&TreeChange { entries: vec![entry("Customer 0002/file-00002.bin", true)], ..TreeChange::default() });
    worse("a double under the same name");
    let mut trashed = entry("Customer 0002/left over.bin", false);
    trashed.id = Some("left-over".to_owned());
    change(&TreeChange { entries: vec![trashed], trash: vec!["left-over".to_owned()], ..TreeChange::default() });
    worse("something in the trash");
    let id = id_of(&site, "Customer 0002/file-00003.bin");
    let other = ItemChange { id, text: Some("other bytes".to_owned()), ..ItemChange::default() };
    change(&TreeChange { modify: vec![other], ..TreeChange::default() });
    worse("other bytes");
    change(&TreeChange { trash: vec![id_of(&site, "Customer 0001/file-00001.bin")], ..TreeChange::default() });
    worse("a missing file");
    let id = id_of(&site, "Customer 0001/file-00002.bin");
    let other = ItemChange { id, text: Some("was here before".to_owned()), ..ItemChange::default() };
    change(&TreeChange { modify: vec![other], ..TreeChange::default() });
    worse("a file that was there before and changed");
    let id = records(&site.state())[0].id.clone();
    let fields = json!({ CHECKBOX_FIELD: false }).as_object().cloned().unwrap();
    site.control()
        .change_record(ORG_A, MODULE, &id, &RecordChange { fields, silent: true, ..RecordChange::default() })
        .unwrap();
    worse("a checkbox that is not set");
}

fn story_reader_finds_holes_and_doubles(store: Store) {
    let (site, _) = transferred(store);
    let log = site.log();
    let problems = || story::read(&log).problems.len();
    for sql in log.either(
        ["DROP TRIGGER events_are_never_deleted", "DROP TRIGGER events_are_never_changed"],
        ["DROP TRIGGER events_are_never_removed ON events", "DROP TRIGGER events_are_never_changed ON events"],
    ) {
        tests::log::change(site.database(), sql);
    }
    let mut found = 0;
    for (what, sql) in [
        (
            "an event is gone",
            "DELETE FROM events WHERE event_type = 'transfer.completed' AND global_position = (SELECT max(global_position) FROM events WHERE event_type = 'transfer.completed')",
        ),
        (
            "a file is told of twice",
            "UPDATE events SET data = (SELECT data FROM events WHERE event_type = 'transfer_file.completed' ORDER BY global_position LIMIT 1) WHERE event_type = 'transfer_file.completed'",
        ),
        ("an effect is open", "UPDATE effects SET status = 'unknown' WHERE kind = 'folder.locate'"),
        (
            "a record is updated by nobody's wish",
            log.either(
                "UPDATE events SET data = json_set(data, '$.run', 7) WHERE event_type = 'crm_record.updated'",
                "UPDATE events SET data = data || '{\"run\": 7}' WHERE event_type = 'crm_record.updated'",
            ),
        ),
    ] {
        tests::log::change(site.database(), sql);
        let now = problems();
        assert!(now > found, "not noticed: {what}");
        found = now;
    }
}
