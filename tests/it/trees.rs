//! What the organisations of a test hold.

use simulator::control::TreeChange;
use simulator::seed::constants::{CHECKBOX_FIELD, FOLDER_FIELD, MODULE, ORG_A, ORG_B, SOURCE_TEAM_FOLDER_ID};
use simulator::seed::{EntrySeed, GeneratedSeed, RecordSeed};
use simulator::{MigrationOptions, Seed};
use tests::Site;

/// Records `Customer 0001`, … with a folder of so many small files each, and no limits of the provider's.
pub fn small(records: u32, files: u32) -> Seed {
    let options = MigrationOptions { records, files_per_folder: files, ..MigrationOptions::default() };
    let mut seed = Seed::migration(&options);
    seed.knobs.oauth.tokens_per_window = 100_000;
    seed.knobs.workdrive.refused_listing = 0;
    seed.knobs.journal.entries = 1_000_000;
    seed.knobs.webhooks.retry_unit_ms = 200;
    seed
}

/// A file or, with neither size nor text, a folder of the source.
pub fn at_source(path: &str) -> EntrySeed {
    EntrySeed { in_folder: SOURCE_TEAM_FOLDER_ID.to_owned(), path: path.to_owned(), ..EntrySeed::default() }
}

/// A record that names a folder and waits for it.
pub fn pending(folder: &str) -> RecordSeed {
    let mut record = RecordSeed::default();
    record.fields.insert("Last_Name".to_owned(), folder.into());
    record.fields.insert(FOLDER_FIELD.to_owned(), folder.into());
    record.fields.insert(CHECKBOX_FIELD.to_owned(), false.into());
    record
}

/// Makes a folder with so many small files, and then the record that names it; returns the record's id.
pub fn arrive(site: &Site, folder: &str, files: u32) -> String {
    let generated = GeneratedSeed {
        in_folder: SOURCE_TEAM_FOLDER_ID.to_owned(),
        path: folder.to_owned(),
        folders: 0,
        files_per_folder: files,
        min_size_bytes: 100,
        max_size_bytes: Some(20_000),
        seed: 5,
    };
    let change = TreeChange { generated: vec![generated], ..TreeChange::default() };
    site.control().change_tree(ORG_B, &change).unwrap();
    site.control().create_record(ORG_A, MODULE, &pending(folder)).unwrap()
}
