//! What happens in the demo: which records change when, what is announced, what is lost, what breaks.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use event_log::sql;
use gateway::intake::settings::Settings;
use gateway::registrar::registrations;
use serde_json::{Map, Value, json};
use simulator::control::{Control, RecordChange, State, StateQuery};
use simulator::seed::constants as demo;
use simulator::{Fault, FaultRule, Simulator};

use crate::runtime::Parts;

/// Records that ask for a folder from the start.
const BEFORE: [&str; 4] = ["Acme Trading", "Video Archive", "Globex", "Nobody Ever Made This Folder"];
/// Records that are changed while no notification gets through; the poll finds them.
const UNANNOUNCED: [&str; 2] = ["Deep Roots", "Long Names"];
/// Notifications that are sent twice.
const TWICE: u64 = 2;

/// Everything that breaks on the way, each a few times.
#[must_use]
pub fn faults() -> Vec<FaultRule> {
    let throttled = Fault::Throttle { retry_after_seconds: Some(2) };
    let lost = Fault::CutAfter {};
    vec![
        FaultRule::once("workdrive.list", throttled.clone()).for_organization(demo::ORG_B).skipping(3),
        FaultRule::once("crm.record", throttled),
        FaultRule::once("workdrive.download", Fault::ExpiredToken {}).skipping(5),
        FaultRule::once("crm.coql", Fault::ExpiredToken {}).skipping(1),
        FaultRule::once("workdrive.upload", lost.clone()).skipping(2).times(3),
        FaultRule::once("workdrive.upload_stream", lost.clone()),
        FaultRule::once("workdrive.create_folder", lost.clone()).skipping(2),
        FaultRule::once("crm.update", lost).skipping(1),
        FaultRule::once("workdrive.download", Fault::CutMidBody { after_bytes: 1_000 }).skipping(12).times(2),
        FaultRule::once("workdrive.upload", Fault::Status { code: 500, html_body: true }).skipping(20),
    ]
}

/// A record that asks for a folder.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The record.
    pub record_id: String,
    /// The folder it names.
    pub folder_name: String,
    /// The source folder that must be chosen; `None` when nothing can be copied.
    pub folder_id: Option<String>,
}

/// The demo's course.
#[derive(Debug)]
pub struct Script {
    control: Control,
    /// Records that ask, with what must come of it.
    pub wishes: Vec<Wish>,
    /// Everything as it was.
    pub before: State,
}

impl Script {
    /// Looks at the simulator and holds back the wishes that come later.
    ///
    /// # Errors
    /// When the simulator's state is not the demo's.
    pub fn prepare(simulator: &Simulator) -> anyhow::Result<Self> {
        let control = simulator.control();
        let before = control.state(&StateQuery { organization: None, md5: false });
        let records =
            organization(&before, demo::ORG_A)?.records.get(demo::MODULE).context("the demo has no records")?;
        let mut wishes = Vec::new();
        for record in records {
            let folder_name = record.fields.get(demo::FOLDER_FIELD).and_then(Value::as_str).unwrap_or_default().trim();
            let done = record.fields.get(demo::CHECKBOX_FIELD) == Some(&Value::Bool(true));
            if done || folder_name.is_empty() {
                continue;
            }
            wishes.push(Wish {
                record_id: record.id.clone(),
                folder_name: folder_name.to_owned(),
                folder_id: expected_folder(&before, folder_name)?,
            });
        }
        let script = Script { control, wishes, before };
        for wish in script.wishes.iter().filter(|wish| !BEFORE.contains(&wish.folder_name.as_str())) {
            script.set_folder(wish, Value::Null, true)?;
        }
        Ok(script)
    }

    /// Plays the demo until every wish is settled.
    ///
    /// # Errors
    /// When something that must happen cannot.
    pub async fn play(&self, parts: &Parts, say: &(dyn Fn(&str) + Sync)) -> anyhow::Result<()> {
        until("a watch channel is active", async || channel_is_active(parts).await).await?;
        say("the CRM promises to call us; the first poll looks for records that were pending before");
        until("the first poll is done", async || Ok(polls(parts).await? >= 1)).await?;

        self.control.set_webhooks(json!({ "duplicate_next": TWICE }))?;
        let (unannounced, announced): (Vec<&Wish>, Vec<&Wish>) = self
            .wishes
            .iter()
            .filter(|wish| !BEFORE.contains(&wish.folder_name.as_str()))
            .partition(|wish| UNANNOUNCED.contains(&wish.folder_name.as_str()));
        for wish in announced {
            self.set_folder(wish, Value::from(wish.folder_name.as_str()), false)?;
        }
        say("records changed; some notifications are sent twice");

        // Right after a poll, so that the next one comes when a notification can be called missing.
        let polled = polls(parts).await?;
        until("another poll is done", async || Ok(polls(parts).await? > polled)).await?;
        self.control.set_webhooks(json!({ "enabled": false }))?;
        for wish in unannounced {
            self.set_folder(wish, Value::from(wish.folder_name.as_str()), false)?;
        }
        say("two more records changed while no notification gets through; the next poll finds them");
        let polled = polls(parts).await?;
        until("a poll has found them", async || Ok(polls(parts).await? > polled)).await?;
        self.control.set_webhooks(json!({ "enabled": true }))?;

        until_long("every record is settled", async || self.is_settled(parts).await).await
    }

    async fn is_settled(&self, parts: &Parts) -> anyhow::Result<bool> {
        let state = self.control.state(&StateQuery { organization: Some(demo::ORG_A.to_owned()), md5: false });
        let records = organization(&state, demo::ORG_A)?.records.get(demo::MODULE).context("the records are gone")?;
        let ticked = |wish: &&Wish| {
            let record = records.iter().find(|record| record.id == wish.record_id);
            record.is_some_and(|record| record.fields.get(demo::CHECKBOX_FIELD) == Some(&Value::Bool(true)))
        };
        let all_ticked = self.wishes.iter().filter(|wish| wish.folder_id.is_some()).all(|wish| ticked(&wish));
        Ok(all_ticked && consumers::idle::look(&parts.log).await?.is_idle())
    }

    /// How many changes the provider carried out more often than once, by its own state (the trash included) and journal.
    ///
    /// # Errors
    /// When the state is not the demo's.
    pub fn repeated(&self) -> anyhow::Result<u64> {
        let after = self.control.state(&StateQuery { organization: Some(demo::ORG_A.to_owned()), md5: false });
        let known: HashSet<&str> =
            organization(&self.before, demo::ORG_A)?.items.iter().map(|item| item.id.as_str()).collect();
        let made: u64 = organization(&after, demo::ORG_A)?
            .items
            .iter()
            .filter(|item| !item.is_folder && !known.contains(item.id.as_str()))
            .map(|item| u64::from(item.versions))
            .sum();
        let source = organization(&self.before, demo::ORG_B)?;
        let chosen: BTreeSet<&str> = self.wishes.iter().filter_map(|wish| wish.folder_id.as_deref()).collect();
        let folders = source.items.iter().filter(|item| chosen.contains(item.id.as_str()));
        let wanted: usize =
            folders.map(|folder| source.below(&folder.path).filter(|item| !item.is_folder).count()).sum();
        let updates = self.control.journal(0).into_iter().filter(|entry| {
            entry.route == "crm.update"
                && (matches!(entry.status, 200..=299) || entry.fault.as_deref() == Some("cut_after"))
        });
        let ticks = self.wishes.iter().filter(|wish| wish.folder_id.is_some()).count();
        Ok(made.saturating_sub(wanted as u64) + (updates.count() as u64).saturating_sub(ticks as u64))
    }

    fn set_folder(&self, wish: &Wish, folder: Value, silent: bool) -> anyhow::Result<()> {
        let fields = Map::from_iter([(demo::FOLDER_FIELD.to_owned(), folder)]);
        let change = RecordChange { fields, silent, ..RecordChange::default() };
        Ok(self.control.change_record(demo::ORG_A, demo::MODULE, &wish.record_id, &change)?)
    }
}

/// The state of one organisation.
///
/// # Errors
/// When it is not there.
pub fn organization<'a>(state: &'a State, name: &str) -> anyhow::Result<&'a simulator::control::OrganizationState> {
    state.organizations.iter().find(|one| one.name == name).with_context(|| format!("there is no organisation {name}"))
}

/// The folder that a name stands for, found without the code under demonstration: the most recently modified one with the name,
/// whatever its case. `None` when there is none, or nothing in it.
fn expected_folder(state: &State, name: &str) -> anyhow::Result<Option<String>> {
    let source = organization(state, demo::ORG_B)?;
    let newest = source
        .items
        .iter()
        .filter(|item| item.is_folder && !item.trashed && item.name.to_lowercase() == name.to_lowercase())
        .max_by_key(|item| item.modified_ms);
    let with_files = newest.filter(|folder| source.below(&folder.path).any(|item| !item.is_folder));
    Ok(with_files.map(|folder| folder.id.clone()))
}

async fn channel_is_active(parts: &Parts) -> anyhow::Result<bool> {
    let settings = Settings::from_config(&parts.config)?;
    let views = registrations(parts.log.database().readers(), &settings, parts.log.now()).await?;
    Ok(views.iter().any(|view| view.state == "active"))
}

async fn polls(parts: &Parts) -> anyhow::Result<i64> {
    Ok(sql::query_scalar(
        "SELECT count(*) FROM events WHERE event_type = 'poll.completed' AND CAST(data ->> 'last_page' AS TEXT) IN ('true', '1')",
    )
    .fetch_one(parts.log.database().readers())
    .await?)
}

/// Steps that need no more than a moment.
const SOON: Duration = Duration::from_secs(60);
/// Transfers, on a slow machine.
const LATE: Duration = Duration::from_secs(24 * 3600);

async fn until(what: &str, happened: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    within(SOON, what, happened).await
}

async fn until_long(what: &str, happened: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    within(LATE, what, happened).await
}

async fn within(limit: Duration, what: &str, happened: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        if happened().await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("waited in vain until {what}")
}
