//! Events as the product writes them, few things and many of them, so that they meet each other.

use catalogue::{account, crm, delivery, effect, poll, registration, transfer};
use chrono::{DateTime, Utc};
use event_log::{EventId, EventType, NewEvent, StreamName};
use proptest::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::erp_story::{ErpStep, erp_step};

pub(crate) const TRANSFER: &str = "old-contacts";

/// What happens, small enough to be drawn at random.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Delivery { account: u8, flagged: bool },
    Changed { account: u8, record: u8, second: Option<u8> },
    Deleted { account: u8, record: u8 },
    Updated { account: u8, record: u8, second: u8, run: u8 },
    UpdateFailed { account: u8, record: u8, run: u8 },
    Requested { record: u8, run: u8 },
    Located { record: u8, run: u8 },
    Folder { record: u8, run: u8, failed: bool },
    File { record: u8, run: u8, file: u8, failed: bool, reused: bool },
    Completed { record: u8, run: u8 },
    Failed { record: u8, run: u8 },
    Poll { poll: u8, run: u8, last: bool, failed: bool },
    Registration { id: u8, what: u8 },
    Access { account: u8, ok: bool },
    Settled { done: bool },
    Erp(ErpStep),
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let account = || 0..2_u8;
    let record = || 0..4_u8;
    let run = || 1..3_u8;
    prop_oneof![
        (account(), any::<bool>()).prop_map(|(account, flagged)| Step::Delivery { account, flagged }),
        (account(), record(), proptest::option::of(0..20_u8)).prop_map(|(account, record, second)| Step::Changed {
            account,
            record,
            second
        }),
        (account(), record()).prop_map(|(account, record)| Step::Deleted { account, record }),
        (account(), record(), 0..20_u8, run()).prop_map(|(account, record, second, run)| Step::Updated {
            account,
            record,
            second,
            run
        }),
        (account(), record(), run()).prop_map(|(account, record, run)| Step::UpdateFailed { account, record, run }),
        (record(), run()).prop_map(|(record, run)| Step::Requested { record, run }),
        (record(), run()).prop_map(|(record, run)| Step::Located { record, run }),
        (record(), run(), any::<bool>()).prop_map(|(record, run, failed)| Step::Folder { record, run, failed }),
        (record(), run(), 0..3_u8, any::<bool>(), any::<bool>())
            .prop_map(|(record, run, file, failed, reused)| Step::File { record, run, file, failed, reused }),
        (record(), run()).prop_map(|(record, run)| Step::Completed { record, run }),
        (record(), run()).prop_map(|(record, run)| Step::Failed { record, run }),
        (0..2_u8, 1..4_u8, any::<bool>(), any::<bool>()).prop_map(|(poll, run, last, failed)| Step::Poll {
            poll,
            run,
            last,
            failed
        }),
        (0..2_u8, 0..5_u8).prop_map(|(id, what)| Step::Registration { id, what }),
        (account(), any::<bool>()).prop_map(|(account, ok)| Step::Access { account, ok }),
        any::<bool>().prop_map(|done| Step::Settled { done }),
        erp_step().prop_map(Step::Erp),
    ]
}

impl Step {
    /// The event, with the id `derived` where the step has no identity of its own.
    pub(crate) fn event(&self, derived: EventId) -> (StreamName, NewEvent) {
        let (stream, event) = self.made();
        let id = match self {
            // The same change of a record is the same event, however often it is seen.
            Step::Changed { account, record, second: Some(second) } => {
                crm::change_id(&account_name(*account), "Contacts", &record_id(*record), &time(*second).to_rfc3339())
            }
            _ => derived,
        };
        (stream, event.with_id(id))
    }

    fn made(&self) -> (StreamName, NewEvent) {
        match *self {
            Step::Delivery { account, flagged } => delivered(&account_name(account), flagged),
            Step::Changed { account, record, second } => changed(&account_name(account), &record_id(record), second),
            Step::Deleted { account, record } => {
                let data = crm::Deleted { module: "Contacts".into(), record_id: record_id(record) };
                about(account, record, crm::DELETED, &data)
            }
            Step::Updated { account, record, second, run } => {
                let data = crm::Updated {
                    module: "Contacts".into(),
                    record_id: record_id(record),
                    fields: Map::from_iter([("Done".to_owned(), Value::Bool(true))]),
                    modified_time: Some(time(second)),
                    transfer: TRANSFER.into(),
                    run: run.into(),
                    settled: false,
                };
                about(account, record, crm::UPDATED, &data)
            }
            Step::UpdateFailed { account, record, run } => {
                let data = crm::UpdateFailed {
                    module: "Contacts".into(),
                    record_id: record_id(record),
                    transfer: TRANSFER.into(),
                    run: run.into(),
                    code: "refused".into(),
                    error: "no".into(),
                };
                about(account, record, crm::UPDATE_FAILED, &data)
            }
            Step::Requested { record, run } => requested(&record_id(record), run.into()),
            Step::Located { record, run } => {
                let data = transfer::Located {
                    run: run.into(),
                    source_folder_id: "s".into(),
                    source_folder_name: "Müller".into(),
                    candidates: 1,
                    searched_everywhere: true,
                };
                of_transfer(record, transfer::LOCATED, &data)
            }
            Step::Folder { record, run, failed: false } => {
                let data = transfer::FolderPrepared {
                    run: run.into(),
                    source_folder_id: "s".into(),
                    destination_folder_id: "d".into(),
                    path: "a".into(),
                    created: true,
                    files: 3,
                    folders: 0,
                };
                of_transfer(record, transfer::FOLDER_PREPARED, &data)
            }
            Step::Folder { record, run, failed: true } => {
                let data = transfer::FolderFailed {
                    run: run.into(),
                    source_folder_id: "s".into(),
                    path: "a".into(),
                    code: "gone".into(),
                    error: "no".into(),
                };
                of_transfer(record, transfer::FOLDER_FAILED, &data)
            }
            Step::File { record, run, file, failed: true, .. } => {
                let data = transfer::FileFailed {
                    run: run.into(),
                    effect_key: "k".into(),
                    source_file_id: format!("f{file}"),
                    path: format!("a/{file}"),
                    bytes: 10,
                    code: "gone".into(),
                    error: "no \"file\"\n".into(),
                    attempts: 3,
                };
                of_transfer(record, transfer::FILE_FAILED, &data)
            }
            Step::File { record, run, file, reused, .. } => {
                copied(&record_id(record), run.into(), &format!("f{file}"), reused)
            }
            Step::Completed { record, run } => completed(&record_id(record), run.into(), 1),
            Step::Failed { record, run } => {
                let data = transfer::Failed {
                    transfer: TRANSFER.into(),
                    record_id: record_id(record),
                    folder_name: "Müller".into(),
                    run: run.into(),
                    code: "source_folder_not_found".into(),
                    error: "no".into(),
                };
                of_transfer(record, transfer::FAILED, &data)
            }
            Step::Poll { poll, run, last, failed: false } => {
                let data = poll::Completed {
                    poll: format!("p{poll}"),
                    transfer: TRANSFER.into(),
                    run: run.into(),
                    trigger: "schedule".into(),
                    cursor_before: None,
                    cursor_after: None,
                    pending: vec!["1".into(), "2".into()],
                    new_facts: 2,
                    found_missed: 1,
                    last_page: last,
                };
                (poll::stream(&format!("p{poll}")), event(poll::COMPLETED, "poll", &data))
            }
            Step::Poll { poll, run, failed: true, .. } => {
                let data =
                    poll::Failed { poll: format!("p{poll}"), run: run.into(), code: "down".into(), error: "no".into() };
                (poll::stream(&format!("p{poll}")), event(poll::FAILED, "poll", &data))
            }
            Step::Registration { id, what } => {
                let types = [
                    registration::CREATED,
                    registration::EXTENDED,
                    registration::LOST,
                    registration::REMOVED,
                    registration::FAILED,
                ];
                let data = registration::Registration {
                    registration_id: format!("r{id}"),
                    account: account_name(0),
                    kind: "zoho-crm-watch".into(),
                    target: "Contacts".into(),
                    expires_at: (what < 2).then(|| time(what)),
                    reason: (what >= 2).then(|| "so".to_owned()),
                };
                let stream = registration::stream(&account_name(0), "Contacts");
                (stream, event(types[usize::from(what)].clone(), "effect", &data))
            }
            Step::Access { account, ok } => {
                let data = account::Access { account: account_name(account), reason: "invalid_code".into() };
                let event_type = if ok { account::RECOVERED } else { account::NEEDS_CONSENT };
                let event = event(event_type, "effect", &data).of(account_name(account), "acme");
                (account::stream(&account_name(account)), event)
            }
            Step::Settled { done } => {
                let data = effect::Settled { effect_key: "k".into(), kind: "file.copy".into(), attempt: 1, done };
                of_transfer(0, effect::SETTLED, &data)
            }
            Step::Erp(ref step) => step.made(),
        }
    }
}

pub(crate) fn account_name(account: u8) -> String {
    format!("org-{account}")
}

fn record_id(record: u8) -> String {
    format!("4876{record}")
}

pub(crate) fn time(second: u8) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_000_000 + i64::from(second), 0).unwrap()
}

pub(crate) fn delivered(account: &str, flagged: bool) -> (StreamName, NewEvent) {
    let data = delivery::Received {
        verify: "hmac".into(),
        delivery_id: None,
        registration_id: None,
        json: !flagged,
        flagged,
        size_bytes: 1,
    };
    let event = event(delivery::RECEIVED, "webhook", &data).of(account, "acme");
    (StreamName::new(delivery::CATEGORY, event.id), event)
}

pub(crate) fn changed(account: &str, record_id: &str, second: Option<u8>) -> (StreamName, NewEvent) {
    let value = second.map_or(Value::Null, Value::from);
    let data = crm::Changed {
        module: "Contacts".into(),
        record_id: record_id.into(),
        modified_time: second.map(time),
        fields: Map::from_iter([("Done".to_owned(), Value::Bool(false)), ("Nömber".to_owned(), value)]),
    };
    (crm::stream(account, "Contacts", record_id), event(crm::CHANGED, "fetch", &data).of(account, "acme"))
}

pub(crate) fn requested(record_id: &str, run: i64) -> (StreamName, NewEvent) {
    let data = transfer::Requested {
        transfer: TRANSFER.into(),
        module: "Contacts".into(),
        record_id: record_id.into(),
        folder_name: "Müller".into(),
        run,
        reason: "changed".into(),
    };
    (transfer::stream(TRANSFER, record_id), event(transfer::REQUESTED, "decision", &data).of("org-0", "acme"))
}

pub(crate) fn copied(record_id: &str, run: i64, file: &str, reused: bool) -> (StreamName, NewEvent) {
    let data = transfer::FileCompleted {
        run,
        effect_key: format!("file.copy:{file}"),
        source_file_id: file.into(),
        source_version: "1".into(),
        path: format!("a/{file}"),
        name: format!("{file}.pdf"),
        destination_folder_id: "d".into(),
        destination_file_id: format!("d-{file}"),
        bytes: 10,
        verification: transfer::Verification::VerifiedByReread,
        md5: None,
        attempts: 1,
        settled: false,
        reused,
    };
    (transfer::stream(TRANSFER, record_id), event(transfer::FILE_COMPLETED, "effect", &data).of("org-0", "acme"))
}

pub(crate) fn completed(record_id: &str, run: i64, files_copied: u64) -> (StreamName, NewEvent) {
    let data = transfer::Completed {
        transfer: TRANSFER.into(),
        module: "Contacts".into(),
        record_id: record_id.into(),
        folder_name: "Müller".into(),
        run,
        files_copied,
        files_failed: 0,
        folders_failed: 0,
        bytes: 10 * files_copied,
        check: true,
    };
    (transfer::stream(TRANSFER, record_id), event(transfer::COMPLETED, "decision", &data).of("org-0", "acme"))
}

fn about(account: u8, record: u8, event_type: EventType, data: &impl Serialize) -> (StreamName, NewEvent) {
    let account = account_name(account);
    (crm::stream(&account, "Contacts", &record_id(record)), event(event_type, "effect", data).of(account, "acme"))
}

fn of_transfer(record: u8, event_type: EventType, data: &impl Serialize) -> (StreamName, NewEvent) {
    (transfer::stream(TRANSFER, &record_id(record)), event(event_type, "effect", data).of("org-0", "acme"))
}

fn event(event_type: EventType, source: &'static str, data: &impl Serialize) -> NewEvent {
    NewEvent::new(event_type, source, data)
}
