//! Seeds, and starting and stopping.

use simulator::{MigrationOptions, Options, Seed};

use crate::fixture::{Fixture, small_demo};

const MINIMAL: &str = r#"
seed = 9

[knobs.oauth]
access_token_seconds = 60

[[faults]]
route = "crm.*"
times = "forever"
fault = { kind = "delay", ms = 1 }

[[organizations]]
name = "acme"
region = "eu"

[[organizations.clients]]
id = "1000.A"
secret = "s"
refresh_token = "1000.r"

[[organizations.modules]]
name = "Deals"
fields = [{ name = "Docs_Folder", type = "text" }, { name = "Docs_Moved", type = "boolean" }]
records = [{ fields = { Docs_Folder = "Alpha", Docs_Moved = false } }]

[organizations.workdrive]
team_folders = [{ id = "tf", name = "Top" }]
entries = [{ in_folder = "tf", path = "Alpha/a.txt", text = "a" }]
generated = [{ in_folder = "tf", path = "Alpha", folders = 2, files_per_folder = 2, min_size_bytes = 1, max_size_bytes = 9 }]
"#;

#[tokio::test]
async fn seed_file_gives_what_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("seed.toml");
    std::fs::write(&path, MINIMAL).unwrap();
    let simulator = simulator::start(&Seed::from_file(&path).unwrap(), Options::default()).unwrap();
    let state = simulator.control().state(&simulator::control::StateQuery::default());
    let acme = &state.organizations[0];
    assert_eq!(acme.below("Top/Alpha").filter(|item| !item.is_folder).count(), 5);
    assert_eq!(acme.records["Deals"].len(), 1);
    assert_eq!(simulator.control().knobs().oauth.access_token_seconds, 60);
    assert_eq!(simulator.control().faults().len(), 1);
    simulator.stop().await;
}

#[test]
fn unknown_key_and_missing_file_are_named() {
    let error = Seed::from_toml("[[organizations]]\nname = \"a\"\nregin = \"eu\"").unwrap_err();
    assert!(error.to_string().contains("regin"), "{error}");
    let error = Seed::from_file(std::path::Path::new("nowhere.toml")).unwrap_err();
    assert!(error.to_string().contains("nowhere.toml"), "{error}");
}

#[test]
fn every_inconsistency_is_listed() {
    let text =
        MINIMAL.replace("in_folder = \"tf\", path = \"Alpha/a.txt\"", "in_folder = \"gone\", path = \"Alpha/a.txt\"");
    let text = text.replace("Docs_Moved = false", "Docs_Moved = \"no\"");
    let error = simulator::start(&Seed::from_toml(&text).unwrap(), Options::default()).unwrap_err().to_string();
    assert!(error.contains("gone") && error.contains("Docs_Moved"), "{error}");
}

#[tokio::test]
async fn same_seed_gives_the_same_ids_and_bytes() {
    let (first, second) = (Fixture::demo().await, Fixture::demo().await);
    let shape = |fixture: &Fixture| {
        let items = fixture.state("org-b").items;
        items.into_iter().map(|item| (item.id, item.path, item.md5)).collect::<Vec<_>>()
    };
    assert_eq!(shape(&first), shape(&second));
}

#[test]
fn demo_has_the_troublesome_folders() {
    let seed = small_demo();
    let paths: Vec<&str> = seed.organizations[1].workdrive.entries.iter().map(|entry| entry.path.as_str()).collect();
    assert!(paths.iter().any(|path| path.rsplit('/').next().unwrap().chars().count() == 255));
    assert!(paths.contains(&"Empty Handed"));
    assert!(seed.organizations[0].modules[0].records.len() >= 12);
}

#[tokio::test]
async fn migration_gives_one_tree_per_record() {
    let options = MigrationOptions { records: 3, folders: 2, files_per_folder: 4, ..MigrationOptions::default() };
    let fixture = Fixture::start(Seed::migration(&options)).await;
    let state = fixture.state("org-b");
    assert_eq!(state.below("Customers/Customer 0002").filter(|item| !item.is_folder).count(), 8);
    assert_eq!(fixture.state("org-a").records["Contacts"].len(), 3);
    let hashes: std::collections::BTreeSet<_> = state.items.iter().filter_map(|item| item.md5.clone()).collect();
    assert_eq!(hashes.len(), 24, "no two files are alike");
}

#[tokio::test]
async fn stopping_removes_the_spool_and_frees_the_port() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { spool_directory: directory.path().to_owned(), ..Options::default() };
    let simulator = simulator::start(&small_demo(), options.clone()).unwrap();
    let address = simulator.address();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    simulator.stop().await;
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    let again = simulator::start(&small_demo(), Options { listen: address, ..options }).unwrap();
    again.stop().await;
}
