//! `transfer` for people who come from the old script: its environment names, its exit codes, its logs.

use simulator::seed::constants::{
    CHECKBOX_FIELD, DESTINATION_FOLDER_ID, FOLDER_FIELD, MODULE, ORG_A_CLIENT_ID, ORG_A_CLIENT_SECRET,
    ORG_A_REFRESH_TOKEN, ORG_B_CLIENT_ID, ORG_B_CLIENT_SECRET, ORG_B_REFRESH_TOKEN, SOURCE_TEAM_FOLDER_ID,
};
use tests::verify::{self, is_checked, records};
use tests::{Settings, Site, Store};

use crate::trees::{arrive, pending, small};

on_both! {
    old_environment_names_move_everything_once,
    missing_folder_is_shown_fails_the_run_and_holds_up_nobody,
    dry_run_says_what_it_would_do_and_changes_nothing,
}

const VARIABLES: [(&str, &str); 12] = [
    ("ZOHO_REGION", "com"),
    ("ORG_A_CLIENT_ID", ORG_A_CLIENT_ID),
    ("ORG_A_CLIENT_SECRET", ORG_A_CLIENT_SECRET),
    ("ORG_A_REFRESH_TOKEN", ORG_A_REFRESH_TOKEN),
    ("ORG_B_CLIENT_ID", ORG_B_CLIENT_ID),
    ("ORG_B_CLIENT_SECRET", ORG_B_CLIENT_SECRET),
    ("ORG_B_REFRESH_TOKEN", ORG_B_REFRESH_TOKEN),
    ("ORG_B_TEAM_FOLDER_ID", SOURCE_TEAM_FOLDER_ID),
    ("CRM_MODULE_API_NAME", MODULE),
    ("CRM_CHECKBOX_FIELD_API_NAME", CHECKBOX_FIELD),
    ("CRM_FOLDER_NAME_FIELD_API_NAME", FOLDER_FIELD),
    ("WORKDRIVE_DEST_FOLDER_ID", DESTINATION_FOLDER_ID),
];

/// A site with the old names alone; the file holds nothing but addresses.
fn site(store: Store, records: u32) -> Site {
    let mut site = Site::on(store, &small(records, 3));
    site.configure(&Settings::endpoints(site.simulator()));
    for (name, value) in VARIABLES {
        site.set_variable(name, value);
    }
    site
}

fn checked(site: &Site) -> Vec<String> {
    let state = site.state();
    records(&state).iter().filter(|record| is_checked(record)).map(|record| record.id.clone()).collect()
}

fn old_environment_names_move_everything_once(store: Store) {
    let site = site(store, 3);
    let before = site.state();
    let ids: Vec<String> = records(&before).iter().map(|record| record.id.clone()).collect();

    let limited = site.run(&["transfer", "--limit", "1", "--json"]);
    assert_eq!(limited.code, Some(0), "{}", limited.stderr);
    assert_eq!(limited.json()["records"].as_array().map(Vec::len), Some(1));
    assert_eq!(limited.json()["records"][0]["outcome"], "succeeded");
    assert_eq!(checked(&site).len(), 1);

    let wanted = ids.iter().rfind(|id| !checked(&site).contains(*id)).unwrap();
    let one = site.run(&["transfer", "--record-id", wanted, "--json"]);
    assert_eq!(one.code, Some(0), "{}", one.stderr);
    assert_eq!(one.json()["records"][0]["record_id"], wanted.as_str());
    assert_eq!(checked(&site).len(), 2);
    assert!(checked(&site).contains(wanted));

    let rest = site.run(&["transfer"]);
    assert_eq!(rest.code, Some(0), "{}", rest.stderr);
    assert!(rest.stdout.contains("3 file(s) copied") && rest.stdout.contains("1 checkbox(es) set"), "{}", rest.stdout);
    verify::compare(&before, &site.state()).assert_right();

    let writes = verify::writes(&site.control().journal(0)).len();
    let again = site.run(&["transfer", "--json"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_eq!(again.json()["records"].as_array().map(Vec::len), Some(0));
    assert_eq!(verify::writes(&site.control().journal(0)).len(), writes, "a run with nothing to do changed something");
    assert!(site.control().counts().misdeeds.is_empty(), "{:?}", site.control().counts().misdeeds);

    let log = daily_log(&site);
    for record in records(&before) {
        assert!(log.contains(&record.id), "the log does not name record {}:\n{log}", record.id);
        let folder = record.fields[FOLDER_FIELD].as_str().unwrap();
        assert!(log.contains(folder), "the log does not name folder {folder}:\n{log}");
    }
    for file in ["file-00001.bin", "file-00002.bin", "file-00003.bin"] {
        assert!(log.matches(file).count() >= 3, "the log does not tell what became of each {file}:\n{log}");
    }
}

fn missing_folder_is_shown_fails_the_run_and_holds_up_nobody(store: Store) {
    let site = site(store, 1);
    let missing = site.control().create_record("org-a", MODULE, &pending("Nobody ever made this")).unwrap();
    let before = site.state();
    let run = site.run(&["transfer"]);
    assert_eq!(run.code, Some(1), "{}", run.stdout);
    assert!(run.stdout.contains(&missing) && run.stdout.contains("Nobody ever made this"), "{}", run.stdout);
    verify::compare(&before, &site.state()).assert_right();
    assert!(daily_log(&site).contains("Nobody ever made this"));

    arrive(&site, "Nobody ever made this", 2);
    let run = site.run(&["transfer", "--json"]);
    assert_eq!(run.code, Some(0), "the folder is there now: {}\n{}", run.stdout, run.stderr);
    verify::compare(&before, &site.state()).assert_right();
}

fn dry_run_says_what_it_would_do_and_changes_nothing(store: Store) {
    let site = site(store, 2);
    let before = site.state();
    let run = site.run(&["transfer", "--dry-run", "--json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let plan = run.json();
    assert_eq!(plan["files"], 6);
    assert_eq!(plan["records"].as_array().map(Vec::len), Some(2));
    let run = site.run(&["transfer", "--dry-run"]);
    for said in
        ["file-00001.bin", "Customer 0001", "Customer 0002", "make folder", "set the checkbox", "nothing was changed"]
    {
        assert!(run.stdout.contains(said), "the preview does not say {said:?}:\n{}", run.stdout);
    }
    let journal = site.control().journal(0);
    let writes = verify::writes(&journal);
    assert!(writes.is_empty(), "{writes:?}");
    assert_eq!(site.log().count("SELECT count(*) FROM events"), 0);
    assert_eq!(site.log().count("SELECT count(*) FROM effects"), 0);
    assert_eq!(verify::files_at_destination(&before), verify::files_at_destination(&site.state()));
    assert!(checked(&site).is_empty());
}

#[test]
fn all_missing_names_are_in_one_error() {
    let site = Site::new(&small(1, 1));
    std::fs::remove_file(site.file("gateledger.toml")).unwrap();
    let run = site.run(&["transfer"]);
    assert_eq!(run.code, Some(1));
    for (name, _) in VARIABLES.iter().filter(|(name, _)| *name != "ZOHO_REGION") {
        assert!(run.stderr.contains(name), "{name} is not named:\n{}", run.stderr);
    }
    assert!(!site.file("gateledger.db").exists(), "a database was made for settings that cannot work");
}

/// The one log file of the day.
fn daily_log(site: &Site) -> String {
    let files: Vec<_> = std::fs::read_dir(site.file("logs")).unwrap().map(|file| file.unwrap().path()).collect();
    let names: Vec<_> = files.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    for name in &names {
        let day = name.strip_prefix("gateledger.").and_then(|name| name.strip_suffix(".log")).unwrap_or_default();
        assert_eq!(day.len(), "2026-01-31".len(), "{names:?}");
    }
    files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}
