//! Records with one tree each, in any numbers: for load tests and the crash harness.

use super::demo::constants::SOURCE_TEAM_FOLDER_ID;
use super::demo::{organization_a, organization_b, record};
use super::{GeneratedSeed, Seed, TeamFolderSeed, WorkDriveSeed};

/// How much there is to move.
#[derive(Debug, Clone)]
pub struct MigrationOptions {
    /// Pending records, each with a folder `Customer 0001`, …; 1.
    pub records: u32,
    /// Sub-folders of each; 0 puts the files directly into the folder.
    pub folders: u32,
    /// Files in each sub-folder; 20.
    pub files_per_folder: u32,
    /// Smallest file in bytes; 1 KiB.
    pub min_size_bytes: u64,
    /// Largest file in bytes; 64 KiB.
    pub max_size_bytes: u64,
    /// Root of ids, sizes and contents; 1.
    pub seed: u64,
}

impl Default for MigrationOptions {
    fn default() -> Self {
        Self { records: 1, folders: 0, files_per_folder: 20, min_size_bytes: 1024, max_size_bytes: 64 * 1024, seed: 1 }
    }
}

pub(super) fn seed(options: &MigrationOptions) -> Seed {
    let folder = |number: u32| format!("Customer {number:04}");
    let numbers = 1..=options.records;
    let records = numbers
        .clone()
        .map(|number| record(u64::from(number), &format!("Person {number}"), Some(&folder(number)), false))
        .collect();
    let generated = numbers
        .map(|number| GeneratedSeed {
            in_folder: SOURCE_TEAM_FOLDER_ID.to_owned(),
            path: folder(number),
            folders: options.folders,
            files_per_folder: options.files_per_folder,
            min_size_bytes: options.min_size_bytes,
            max_size_bytes: Some(options.max_size_bytes),
            seed: options.seed.wrapping_mul(1_000_003).wrapping_add(u64::from(number)),
        })
        .collect();
    let workdrive = WorkDriveSeed {
        team_name: "Organisation B".to_owned(),
        team_folders: vec![TeamFolderSeed { id: SOURCE_TEAM_FOLDER_ID.to_owned(), name: "Customers".to_owned() }],
        generated,
        ..WorkDriveSeed::default()
    };
    Seed {
        seed: options.seed,
        organizations: vec![organization_a(records), organization_b(workdrive)],
        ..Seed::default()
    }
}
