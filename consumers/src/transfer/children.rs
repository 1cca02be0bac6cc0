//! What is in a folder, written down as effects: in bounded units of work, so that a huge folder neither holds up the
//! other writers nor lies in memory twice.

use std::collections::HashMap;
use std::sync::Arc;

use catalogue::transfer::{FILE_COMPLETED, FileCompleted};
use event_log::{Append, EventId, NewEvent};
use providers::zoho::workdrive::Item;

use super::folder::{Counterpart, existing};
use super::locate::planned_folder;
use super::name::{TakenNames, free};
use super::request::{CopiedFile, CopyFile, CopyFolder};
use super::settings::Settings;
use crate::Error;
use crate::context::Context;
use crate::ledger::{Done, Effect, Kind, Planned, done, plan};
use crate::trouble::Trouble;

/// Children planned in one unit of work.
const CHUNK: usize = 400;

/// The folder whose content is planned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parent<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) effect: &'a Effect,
    pub(crate) request: &'a CopyFolder,
    pub(crate) counterpart: &'a Counterpart,
}

/// What is still to be written.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    pub(crate) planned: Vec<Planned>,
    pub(crate) told: Vec<Append>,
}

/// Plans children one after the other.
#[derive(Debug)]
pub(crate) struct Children<'a> {
    parent: &'a Parent<'a>,
    there: &'a Arc<Vec<Item>>,
    taken: TakenNames,
    rest: Rest,
}

impl<'a> Children<'a> {
    /// Of a folder whose counterpart holds `there`.
    pub(crate) fn of(parent: &'a Parent<'a>, there: &'a Arc<Vec<Item>>) -> Self {
        let mut taken = TakenNames::default();
        for item in there.iter().filter(|item| !item.trashed) {
            taken.insert(&item.name);
        }
        Children { parent, there, taken, rest: Rest::default() }
    }

    /// Plans everything, and returns what is to be written together with the outcome of the folder itself: while that is
    /// open, the run does not end, and after a crash all of this is done again and finds its own rows.
    pub(crate) async fn plan(
        mut self,
        context: &Context,
        folders: &[&Item],
        files: Vec<&Item>,
    ) -> Result<Rest, Trouble> {
        for some in folders.chunks(CHUNK) {
            self.write(context).await?;
            let planned: Vec<Planned> = some.iter().map(|folder| self.folder(folder)).collect();
            self.rest.planned = planned;
        }
        let mut files = files;
        // Listings promise no order; sorted, every attempt gives the same names to the same files.
        files.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.id.cmp(&b.id)));
        for some in files.chunks(CHUNK) {
            self.write(context).await?;
            self.files(context, some).await?;
        }
        Ok(self.rest)
    }

    /// Writes what has been collected, if anything.
    async fn write(&mut self, context: &Context) -> Result<(), Error> {
        let rest = std::mem::take(&mut self.rest);
        if rest.planned.is_empty() {
            return Ok(());
        }
        let written = context.log.write::<_, Error, _>(move |unit| {
            Box::pin(async move {
                let now = unit.now();
                plan(unit.connection(), now, &rest.planned).await?;
                if !rest.told.is_empty() {
                    unit.append_all(&rest.told).await?;
                }
                Ok(())
            })
        });
        written.await?;
        context.work_was_planned();
        Ok(())
    }

    fn folder(&self, folder: &Item) -> Planned {
        let Parent { settings, effect, request, counterpart } = *self.parent;
        let request = CopyFolder {
            transfer: request.transfer.clone(),
            record_id: request.record_id.clone(),
            source_folder_id: folder.id.clone(),
            name: folder.name.clone(),
            path: format!("{}/{}", request.path, folder.name),
            destination_parent_id: counterpart.id.clone(),
            destination_folder_id: existing(self.there, &folder.name).map(|item| item.id.clone()),
            parent_is_new: counterpart.created,
        };
        planned_folder(settings, effect, request)
    }

    /// Plans files, and tells of those which an earlier run has copied.
    async fn files(&mut self, context: &Context, files: &[&Item]) -> Result<(), Trouble> {
        let once_keys: Vec<String> =
            files.iter().map(|file| once_key(&self.parent.counterpart.id, &file.id, &version(file))).collect();
        let copied: HashMap<String, Done> = done(context.log.database().readers(), &once_keys)
            .await?
            .into_iter()
            .map(|done| (done.once_key.clone(), done))
            .collect();
        let mut told = Vec::new();
        for (file, once_key) in files.iter().zip(once_keys) {
            let before = copied.get(&once_key);
            let result = before.and_then(|done| serde_json::from_str::<CopiedFile>(&done.result).ok());
            let name = match &result {
                Some(copied) => copied.name.clone(),
                None => free(&file.name, &self.taken, context.now()),
            };
            self.taken.insert(&name);
            let planned = self.file(file, name, once_key);
            if let Some(copied) = result.filter(|_| before.is_some_and(|done| done.effect_key == planned.key)) {
                told.push(self.told_again(&planned.key, file, copied));
            }
            self.rest.planned.push(planned);
        }
        if !told.is_empty() {
            self.rest.told.push(Append::new(self.parent.effect.stream.clone(), told));
        }
        Ok(())
    }

    fn file(&self, file: &Item, name: String, once_key: String) -> Planned {
        let Parent { settings, effect, request, counterpart } = *self.parent;
        let source_version = version(file);
        let key = format!(
            "file.copy:{}:{}:{}:{}@{source_version}",
            settings.name, request.record_id, counterpart.id, file.id
        );
        let request = CopyFile {
            transfer: request.transfer.clone(),
            record_id: request.record_id.clone(),
            source_file_id: file.id.clone(),
            source_version,
            source_name: file.name.clone(),
            name,
            path: format!("{}/{}", request.path, file.name),
            destination_folder_id: counterpart.id.clone(),
            size_bytes: if file.native { None } else { file.size },
        };
        Planned {
            key,
            kind: Kind::CopyFile,
            stream: effect.stream.clone(),
            run: effect.run,
            account: settings.destination.clone(),
            source_account: Some(settings.source.clone()),
            organization: settings.organization.clone(),
            once_key: Some(once_key),
            sequence: None,
            bytes: file.size,
            request: Planned::encode(&request),
            correlation_id: effect.correlation_id,
            causation_id: effect.causation_id,
            not_before: None,
        }
    }

    /// A file that an earlier run of this record has copied. Its id is derived, so that it is told once per run.
    fn told_again(&self, key: &str, file: &Item, copied: CopiedFile) -> NewEvent {
        let Parent { effect, request, counterpart, .. } = *self.parent;
        let data = FileCompleted {
            run: effect.run,
            effect_key: key.to_owned(),
            source_file_id: file.id.clone(),
            source_version: version(file),
            path: format!("{}/{}", request.path, file.name),
            name: copied.name,
            destination_folder_id: counterpart.id.clone(),
            destination_file_id: copied.destination_file_id,
            bytes: copied.bytes,
            verification: copied.verification,
            md5: copied.md5,
            attempts: 0,
            settled: false,
            reused: true,
        };
        NewEvent::new(FILE_COMPLETED, "effect", &data)
            .with_id(EventId::derived(&["transfer_file.reused", key, &effect.run.to_string()]))
            .in_story(effect.correlation_id, effect.causation_id)
            .of(&effect.account, &effect.organization)
    }
}

/// Which version of a file: the provider gives no revision, so its modification time and size stand for one.
pub(crate) fn version(file: &Item) -> String {
    let modified_ms = file.modified.map_or(0, |at| at.timestamp_millis());
    format!("{modified_ms}-{}", file.size.unwrap_or(0))
}

pub(crate) fn once_key(destination_folder_id: &str, source_file_id: &str, source_version: &str) -> String {
    format!("{destination_folder_id}:{source_file_id}@{source_version}")
}
