//! Each file of each transfer run, once its fate is known.

use catalogue::transfer::{FILE_COMPLETED, FILE_FAILED, FileFailed, Verification};
use chrono::{DateTime, Utc};
use event_log::{Error, EventType, ScannedEvent};
use serde::Deserialize;

use crate::projection::{Changes, Projection};
use crate::row::{row, word};
use crate::transfers::RunKey;

word! {
    /// What became of a file.
    pub enum FileState {
        /// It was uploaded.
        Copied = "copied",
        /// An earlier run, or another record, had copied this version already.
        Reused = "reused",
        /// It could not be copied.
        Failed = "failed",
    }
}

word! {
    /// How sure we are that the bytes are right.
    pub enum FileVerification {
        /// The provider gives no checksum; only the size was compared.
        Unverifiable = "unverifiable",
        /// The provider's checksum equals ours.
        Verified = "verified",
        /// We read the copy back and compared.
        VerifiedByReread = "verified_by_reread",
    }
}

row! {
    /// One file of one transfer run.
    pub struct TransferFile in "rm_transfer_files";
    key FileKey {
        /// The transfer's name in the configuration.
        transfer: String,
        /// The record.
        record_id: String,
        /// Number of the run.
        run: i64,
        /// The file at the source.
        source_file_id: String,
    }
    columns {
        /// Path from the transfer's root, with the source's name; for people, never used as a path.
        path: String,
        /// Name at the destination.
        name: Option<String>,
        /// The file at the destination.
        destination_file_id: Option<String>,
        /// Length.
        bytes: i64,
        /// What became of it.
        state: FileState,
        /// How sure we are; absent where nothing was copied.
        verification: Option<FileVerification>,
        /// The answer had been lost, and the copy was found by reading the destination back.
        settled: bool,
        /// Stable code of the cause of a failure.
        code: Option<String>,
        /// The cause in words.
        error: Option<String>,
        /// Attempts it took.
        attempts: i64,
        /// When its fate was recorded.
        finished_at: DateTime<Utc>,
    }
}

/// The part of [`catalogue::transfer::FileCompleted`] that is shown here: most events of a busy log are these.
#[derive(Deserialize)]
struct Completed {
    run: i64,
    source_file_id: String,
    path: String,
    name: String,
    destination_file_id: String,
    bytes: u64,
    verification: Verification,
    attempts: i64,
    #[serde(default)]
    settled: bool,
    #[serde(default)]
    reused: bool,
}

pub(crate) struct TransferFiles;

pub(crate) struct Change {
    at: DateTime<Utc>,
    what: What,
}

enum What {
    Completed(Completed),
    Failed(FileFailed),
}

impl Projection for TransferFiles {
    type Row = TransferFile;
    type Change = Change;
    const NAME: &'static str = "transfer_files";
    const EVENT_TYPES: &'static [&'static EventType] = &[&FILE_COMPLETED, &FILE_FAILED];

    fn read(event: &ScannedEvent<'_>, changes: &mut Changes<Self>) -> Result<(), Error> {
        let (run, source_file_id, what) = if event.is(&FILE_COMPLETED) {
            let mut data: Completed = event.decode()?;
            (data.run, std::mem::take(&mut data.source_file_id), What::Completed(data))
        } else if event.is(&FILE_FAILED) {
            let mut data: FileFailed = event.decode()?;
            (data.run, std::mem::take(&mut data.source_file_id), What::Failed(data))
        } else {
            return Ok(());
        };
        let RunKey { transfer, record_id, run } = RunKey::of_stream(&event.stream_name, run);
        let key = FileKey { transfer, record_id, run, source_file_id };
        changes.push((key, Change { at: event.recorded_at()?, what }));
        Ok(())
    }

    fn apply(row: &mut TransferFile, change: Change) {
        match change.what {
            What::Completed(data) => {
                row.path = data.path;
                row.name = Some(data.name);
                row.destination_file_id = Some(data.destination_file_id);
                row.bytes = data.bytes.cast_signed();
                row.state = if data.reused { FileState::Reused } else { FileState::Copied };
                row.verification = Some(data.verification.into());
                row.settled = data.settled;
                row.code = None;
                row.error = None;
                row.attempts = data.attempts;
            }
            // A copy that is there stays there, whatever a later attempt says.
            What::Failed(_) if row.destination_file_id.is_some() => return,
            What::Failed(data) => {
                row.path = data.path;
                row.bytes = data.bytes.cast_signed();
                row.state = FileState::Failed;
                row.code = Some(data.code);
                row.error = Some(data.error);
                row.attempts = data.attempts;
            }
        }
        row.finished_at = change.at;
    }
}

impl From<Verification> for FileVerification {
    fn from(verification: Verification) -> Self {
        match verification {
            Verification::Verified => FileVerification::Verified,
            Verification::VerifiedByReread => FileVerification::VerifiedByReread,
            Verification::Unverifiable => FileVerification::Unverifiable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Row;

    fn blank() -> TransferFile {
        let word = |text: &str| text.to_owned();
        TransferFile::blank(FileKey { transfer: word("t"), record_id: word("1"), run: 1, source_file_id: word("f") })
    }

    fn failed() -> Change {
        let data = serde_json::from_str(
            r#"{"run":1,"effect_key":"k","source_file_id":"f","path":"a/b","bytes":3,"code":"c","error":"e","attempts":3}"#,
        );
        Change { at: DateTime::UNIX_EPOCH, what: What::Failed(data.expect("valid")) }
    }

    fn completed() -> Change {
        let data = serde_json::from_str(
            r#"{"run":1,"effect_key":"k","source_file_id":"f","source_version":"1","path":"a/b","name":"b",
                "destination_folder_id":"d","destination_file_id":"df","bytes":3,"verification":"verified","attempts":1}"#,
        );
        Change { at: DateTime::UNIX_EPOCH, what: What::Completed(data.expect("valid")) }
    }

    #[test]
    fn a_failed_file_that_is_redriven_is_copied_without_a_trace_of_the_failure() {
        let mut row = blank();
        TransferFiles::apply(&mut row, failed());
        assert_eq!((row.state, row.code.as_deref(), row.verification), (FileState::Failed, Some("c"), None));
        TransferFiles::apply(&mut row, completed());
        assert_eq!((row.state, row.code), (FileState::Copied, None));
    }

    #[test]
    fn a_copied_file_does_not_fail_afterwards() {
        let mut row = blank();
        TransferFiles::apply(&mut row, completed());
        TransferFiles::apply(&mut row, failed());
        assert_eq!((row.state, row.attempts), (FileState::Copied, 1));
    }
}
