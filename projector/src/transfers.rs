//! Each run of each record's transfer, from the request to the ticked checkbox.

use catalogue::crm::{self, UpdateFailed};
use catalogue::transfer::{self, Completed, Failed, FolderPrepared, Located, Requested};
use chrono::{DateTime, Utc};
use event_log::{Error, EventType, ScannedEvent};
use serde::Deserialize;
use uuid::Uuid;

use crate::projection::{Changes, Projection};
use crate::row::{row, word};

word! {
    /// How far a run is. The newest event decides: parked work that is redriven opens a run again.
    pub enum TransferState {
        /// The record asks for its folder.
        Requested = "requested",
        /// The source folder was found.
        Located = "located",
        /// Folders and files are on their way.
        Copying = "copying",
        /// All that could be copied is copied.
        Completed = "completed",
        /// Nothing was copied.
        Failed = "failed",
    }
}

row! {
    /// One run of one record's transfer.
    pub struct Transfer in "rm_transfers";
    key RunKey {
        /// The transfer's name in the configuration.
        transfer: String,
        /// The record.
        record_id: String,
        /// Number of the run for this record, first is 1.
        run: i64,
    }
    columns {
        /// The organisation that owns it.
        organization: Option<String>,
        /// CRM module.
        module: Option<String>,
        /// The folder the record names.
        folder_name: Option<String>,
        /// Why it was requested: `changed`, `retry`, `operator`.
        reason: Option<String>,
        /// How far it is.
        state: TransferState,
        /// The folder that was chosen.
        source_folder_id: Option<String>,
        /// Folders that have their counterpart.
        folders: i64,
        /// Folders that could not be read or made.
        folders_failed: i64,
        /// Files found in the folders so far.
        files_total: i64,
        /// Files at the destination.
        files_copied: i64,
        /// Files that could not be copied.
        files_failed: i64,
        /// Bytes at the destination.
        bytes: i64,
        /// Whether the record's checkbox is to be set; absent until the run is complete.
        check_wished: Option<bool>,
        /// When the checkbox was set.
        checked_at: Option<DateTime<Utc>>,
        /// Stable code of why the run failed or the checkbox could not be set.
        code: Option<String>,
        /// The cause in words.
        error: Option<String>,
        /// When it was requested.
        requested_at: DateTime<Utc>,
        /// When it completed or failed.
        finished_at: Option<DateTime<Utc>>,
        /// The story.
        correlation_id: Uuid,
        /// Where its newest event stands.
        position: i64,
    }
}

impl RunKey {
    /// The run of a stream as [`transfer::stream`] names it: `transfer-<transfer>-<record id>`.
    ///
    /// A transfer's name may hold dashes, a record id holds none.
    pub(crate) fn of_stream(stream_name: &str, run: i64) -> Self {
        let id = stream_name.split_once('-').map_or(stream_name, |(_, id)| id);
        let (transfer, record_id) = id.rsplit_once('-').unwrap_or((id, ""));
        RunKey { transfer: transfer.to_owned(), record_id: record_id.to_owned(), run }
    }
}

/// The part of folder and file outcomes that counts here.
#[derive(Deserialize)]
struct Outcome {
    run: i64,
    #[serde(default)]
    bytes: u64,
}

/// The part of [`crm::Updated`] that matters here.
#[derive(Deserialize)]
struct Checked {
    transfer: String,
    record_id: String,
    run: i64,
    modified_time: Option<DateTime<Utc>>,
}

pub(crate) struct Transfers;

pub(crate) struct Change {
    at: DateTime<Utc>,
    position: i64,
    organization: Option<String>,
    correlation_id: Uuid,
    what: What,
}

enum What {
    Requested { module: String, folder_name: String, reason: String },
    Located { source_folder_id: String },
    FolderPrepared { files: i64 },
    FolderFailed,
    FileCompleted { bytes: i64 },
    FileFailed,
    Completed(Box<Completed>),
    Failed { folder_name: String, code: String, error: String },
    Checked { at: Option<DateTime<Utc>> },
    CheckFailed { code: String, error: String },
}

impl Projection for Transfers {
    type Row = Transfer;
    type Change = Change;
    const NAME: &'static str = "transfers";
    const EVENT_TYPES: &'static [&'static EventType] = &[
        &transfer::REQUESTED,
        &transfer::LOCATED,
        &transfer::FOLDER_PREPARED,
        &transfer::FOLDER_FAILED,
        &transfer::FILE_COMPLETED,
        &transfer::FILE_FAILED,
        &transfer::COMPLETED,
        &transfer::FAILED,
        &crm::UPDATED,
        &crm::UPDATE_FAILED,
    ];

    fn read(event: &ScannedEvent<'_>, changes: &mut Changes<Self>) -> Result<(), Error> {
        let Some((key, what)) = read(event)? else { return Ok(()) };
        let change = Change {
            at: event.recorded_at()?,
            position: event.global_position.0,
            organization: event.organization.as_deref().map(str::to_owned),
            correlation_id: event.correlation_id,
            what,
        };
        changes.push((key, change));
        Ok(())
    }

    fn apply(row: &mut Transfer, change: Change) {
        if row.position == 0 {
            row.requested_at = change.at;
            row.correlation_id = change.correlation_id;
            row.organization = change.organization;
        }
        row.position = change.position;
        row.move_on(&change.what, change.at);
        match change.what {
            What::Requested { module, folder_name, reason } => {
                row.module = Some(module);
                row.folder_name = Some(folder_name);
                row.reason = Some(reason);
            }
            What::Located { source_folder_id } => row.source_folder_id = Some(source_folder_id),
            What::FolderPrepared { files } => {
                row.folders += 1;
                row.files_total += files;
            }
            What::FolderFailed => row.folders_failed += 1,
            What::FileCompleted { bytes } => {
                row.files_copied += 1;
                row.bytes += bytes;
            }
            What::FileFailed => row.files_failed += 1,
            What::Completed(data) => row.complete(*data),
            What::Failed { folder_name, code, error } => {
                row.folder_name = Some(folder_name);
                row.code = Some(code);
                row.error = Some(error);
            }
            What::Checked { at } => {
                row.checked_at = Some(at.unwrap_or(change.at));
                row.code = None;
                row.error = None;
            }
            What::CheckFailed { code, error } => {
                row.code = Some(code);
                row.error = Some(error);
            }
        }
    }
}

impl Transfer {
    fn move_on(&mut self, what: &What, at: DateTime<Utc>) {
        self.state = match what {
            What::Requested { .. } => TransferState::Requested,
            What::Located { .. } => TransferState::Located,
            What::Completed(_) => TransferState::Completed,
            What::Failed { .. } => TransferState::Failed,
            What::Checked { .. } | What::CheckFailed { .. } => return,
            _ => TransferState::Copying,
        };
        let finished = matches!(self.state, TransferState::Completed | TransferState::Failed);
        self.finished_at = finished.then_some(at);
    }

    /// The ledger's own counts replace ours: a redriven file was counted as failed before it was copied.
    fn complete(&mut self, data: Completed) {
        self.module = Some(data.module);
        self.folder_name = Some(data.folder_name);
        self.files_copied = data.files_copied.cast_signed();
        self.files_failed = data.files_failed.cast_signed();
        self.folders_failed = data.folders_failed.cast_signed();
        self.bytes = data.bytes.cast_signed();
        self.check_wished = Some(data.check);
        self.code = None;
        self.error = None;
    }
}

fn read(event: &ScannedEvent<'_>) -> Result<Option<(RunKey, What)>, Error> {
    let of = |run| RunKey::of_stream(&event.stream_name, run);
    // Files first: most events of a transfer are theirs.
    let read = if event.is(&transfer::FILE_COMPLETED) {
        let data: Outcome = event.decode()?;
        (of(data.run), What::FileCompleted { bytes: data.bytes.cast_signed() })
    } else if event.is(&transfer::FILE_FAILED) {
        (of(event.decode::<Outcome>()?.run), What::FileFailed)
    } else if event.is(&transfer::FOLDER_PREPARED) {
        let data: FolderPrepared = event.decode()?;
        (of(data.run), What::FolderPrepared { files: data.files.cast_signed() })
    } else if event.is(&transfer::FOLDER_FAILED) {
        (of(event.decode::<Outcome>()?.run), What::FolderFailed)
    } else if event.is(&transfer::REQUESTED) {
        let Requested { run, module, folder_name, reason, .. } = event.decode()?;
        (of(run), What::Requested { module, folder_name, reason })
    } else if event.is(&transfer::LOCATED) {
        let Located { run, source_folder_id, .. } = event.decode()?;
        (of(run), What::Located { source_folder_id })
    } else if event.is(&transfer::COMPLETED) {
        let data: Completed = event.decode()?;
        (of(data.run), What::Completed(Box::new(data)))
    } else if event.is(&transfer::FAILED) {
        let Failed { run, folder_name, code, error, .. } = event.decode()?;
        (of(run), What::Failed { folder_name, code, error })
    } else if event.is(&crm::UPDATED) {
        let data: Checked = event.decode()?;
        (of_record(&data.transfer, &data.record_id, data.run), What::Checked { at: data.modified_time })
    } else if event.is(&crm::UPDATE_FAILED) {
        let UpdateFailed { transfer, record_id, run, code, error, .. } = event.decode()?;
        (of_record(&transfer, &record_id, run), What::CheckFailed { code, error })
    } else {
        return Ok(None);
    };
    Ok(Some(read))
}

/// The same key as the run's own stream gives.
fn of_record(transfer: &str, record_id: &str, run: i64) -> RunKey {
    RunKey::of_stream(transfer::stream(transfer, record_id).as_str(), run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Row;

    fn folded(whats: Vec<What>) -> Transfer {
        let mut row = Transfer::blank(RunKey::of_stream("transfer-contacts-1", 1));
        for (what, position) in whats.into_iter().zip(1..) {
            let at = DateTime::from_timestamp(position, 0).expect("in range");
            let change = Change { at, position, organization: None, correlation_id: Uuid::nil(), what };
            Transfers::apply(&mut row, change);
        }
        row
    }

    fn completed(files_copied: u64, files_failed: u64) -> What {
        What::Completed(Box::new(Completed {
            transfer: "contacts".to_owned(),
            module: "Contacts".to_owned(),
            record_id: "1".to_owned(),
            folder_name: "F".to_owned(),
            run: 1,
            files_copied,
            files_failed,
            folders_failed: 0,
            bytes: 10,
            check: true,
        }))
    }

    #[test]
    fn names_with_dashes_split_at_the_record_id() {
        let key = RunKey::of_stream("transfer-my-old-files-4876", 2);
        assert_eq!((key.transfer.as_str(), key.record_id.as_str(), key.run), ("my-old-files", "4876", 2));
        assert_eq!(of_record("my-old-files", "4876", 2), key);
    }

    #[test]
    fn files_count_while_they_arrive_and_completion_has_the_last_word() {
        let files = || vec![What::FolderPrepared { files: 2 }, What::FileCompleted { bytes: 10 }, What::FileFailed];
        let copying = folded(files());
        assert_eq!((copying.state, copying.files_total, copying.files_copied), (TransferState::Copying, 2, 1));
        let mut all = files();
        all.extend([What::FileCompleted { bytes: 10 }, completed(2, 0)]);
        let done = folded(all);
        assert_eq!((done.state, done.files_copied, done.files_failed), (TransferState::Completed, 2, 0));
        assert!(done.finished_at.is_some());
    }

    #[test]
    fn a_run_that_is_redriven_after_its_failure_opens_again() {
        let failed = What::Failed { folder_name: "F".to_owned(), code: "c".to_owned(), error: "e".to_owned() };
        let row = folded(vec![failed, What::Located { source_folder_id: "s".to_owned() }]);
        assert_eq!((row.state, row.finished_at), (TransferState::Located, None));
        let row = folded(vec![What::Located { source_folder_id: "s".to_owned() }, completed(1, 0)]);
        assert_eq!((row.state, row.code), (TransferState::Completed, None));
    }

    #[test]
    fn a_set_checkbox_clears_the_trouble_that_it_had_before() {
        let trouble = || What::CheckFailed { code: "c".to_owned(), error: "e".to_owned() };
        assert_eq!(folded(vec![completed(1, 0), trouble()]).code.as_deref(), Some("c"));
        let row = folded(vec![completed(1, 0), trouble(), What::Checked { at: None }]);
        assert_eq!((row.code, row.state), (None, TransferState::Completed));
        assert!(row.checked_at.is_some());
    }
}
