//! Names come from people and providers; they are compared and sent, and are never paths.

use std::collections::BTreeSet;
use std::path::Path;

use simulator::control::TreeChange;
use simulator::seed::constants::{MODULE, ORG_A, ORG_B};
use tests::verify::{self, is_checked, records};
use tests::wait::until_true;
use tests::{Site, Store, story};

use crate::trees::{at_source, pending, small};

on_both! {
    hostile_names_arrive_as_they_are_and_touch_no_file_here,
}

const HOSTILE: [&str; 10] = [
    "../../etc/passwd",
    "a/b",
    "..",
    ".",
    "/absolute",
    "back\\slash",
    "tab\tline\nbell\u{7}.txt",
    "$(touch owned) `touch owned` ; | & > <.txt",
    "%2e%2e%2fescape",
    "right\u{202e}to left.txt",
];

fn hostile_names_arrive_as_they_are_and_touch_no_file_here(store: Store) {
    let mut site = Site::on(store, &small(0, 0));
    std::fs::create_dir(site.file("tmp")).unwrap();
    let temporary = site.file("tmp").display().to_string();
    site.set_variable("TMPDIR", &temporary);
    site.configure(&site.settings().with("[log]\nlevel = \"debug\"\ndirectory = \"logs\""));
    for (at, name) in HOSTILE.iter().enumerate() {
        // The same name for a file, and for a folder with a file in it.
        let mut file = at_source(&format!("Hostile/files {at}/x"));
        file.name = Some((*name).to_owned());
        file.text = Some(format!("content of {at}"));
        let mut folder = at_source(&format!("Hostile/folders {at}/x"));
        folder.name = Some((*name).to_owned());
        let made =
            site.control().change_tree(ORG_B, &TreeChange { entries: vec![file, folder], ..TreeChange::default() });
        let id = made.unwrap().ids.pop().unwrap();
        let mut inner = at_source("inner.txt");
        inner.in_folder = id;
        inner.text = Some(format!("inner content of {at}"));
        site.control().change_tree(ORG_B, &TreeChange { entries: vec![inner], ..TreeChange::default() }).unwrap();
    }
    let mut top = at_source("x");
    top.name = Some("../top".to_owned());
    let top =
        site.control().change_tree(ORG_B, &TreeChange { entries: vec![top], ..TreeChange::default() }).unwrap().ids;
    let mut inner = at_source("inner.txt");
    inner.in_folder = top[0].clone();
    inner.text = Some("in a folder that a record names".to_owned());
    site.control().change_tree(ORG_B, &TreeChange { entries: vec![inner], ..TreeChange::default() }).unwrap();
    for folder in ["Hostile", "../top"] {
        site.control().create_record(ORG_A, MODULE, &pending(folder)).unwrap();
    }
    let before = site.state();

    let mut process = site.serve();
    until_true("both records are checked", 60, || records(&site.state()).iter().all(is_checked));
    process.terminate();
    assert!(process.wait(10).success());
    let findings = verify::compare(&before, &site.state());
    findings.assert_right();
    assert_eq!(findings.files, 2 * HOSTILE.len() as u64 + 1);
    story::read(&site.log()).assert_whole();

    let ours: BTreeSet<String> = names_in(site.folder());
    let expected = ["disk", "gateledger.", "logs", "simulator-", "stderr.txt", "stdout.txt", "tmp"];
    let strange: Vec<_> = ours.iter().filter(|name| !expected.iter().any(|known| name.starts_with(known))).collect();
    assert!(strange.is_empty(), "files nobody expects: {strange:?}");
    assert!(names_in(&site.file("tmp")).is_empty());
    let logs = names_in(&site.file("logs"));
    assert!(logs.iter().all(|name| name.starts_with("gateledger.") && name.ends_with(".log")), "{logs:?}");
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect()
}
