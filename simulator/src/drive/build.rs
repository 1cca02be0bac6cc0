//! Fills a drive from entries and generated trees; used at the start and by the control API.

use std::sync::Arc;

use super::{Drive, NewNode};
use crate::clock::{Millis, parse_iso};
use crate::content::Content;
use crate::random::{Random, hash_text};
use crate::seed::{EntrySeed, GeneratedSeed};

impl Drive {
    /// Adds the file or folder of `entry` and the folders on its way. A taken name is reused for a folder and
    /// gets a new version for a file, unless the entry asks for a duplicate.
    pub(crate) fn add_entry(&mut self, entry: &EntrySeed, now: Millis) -> Result<Arc<str>, String> {
        let at = match &entry.modified_at {
            Some(text) => parse_iso(text)
                .ok_or_else(|| format!("entry {:?}: modified_at {text:?} is not RFC 3339", entry.path))?,
            None => now,
        };
        let content = entry_content(entry)?;
        if let Some(id) = entry.id.as_deref().filter(|id| self.node(id).is_some()) {
            return Err(format!("entry {:?}: id {id:?} is taken", entry.path));
        }
        let (folders, name) = entry.path.rsplit_once('/').unwrap_or(("", &entry.path));
        let name = entry.name.as_deref().unwrap_or(name);
        if name.is_empty() {
            return Err(format!("entry {:?} has no name", entry.path));
        }
        let parent = self.ensure_folder(&entry.in_folder, folders, now)?;
        let taken =
            self.child(&parent, name).filter(|_| !entry.duplicate).map(|node| (node.id.clone(), node.is_folder()));
        match (taken, content) {
            (Some((id, true)), None) => Ok(id),
            (Some((id, false)), Some(content)) => {
                self.replace_content(&id, content, at);
                Ok(id)
            }
            (Some(_), _) => Err(format!("entry {:?}: the name is taken by another kind of item", entry.path)),
            (None, content) => {
                Ok(self.insert(NewNode { id: entry.id.clone(), parent, name: name.to_owned(), content, at }))
            }
        }
    }

    /// Adds generated folders and files; the number of files made.
    pub(crate) fn add_generated(&mut self, generated: &GeneratedSeed, now: Millis) -> Result<u64, String> {
        let top = self.ensure_folder(&generated.in_folder, &generated.path, now)?;
        let mut random = Random::new(generated.seed);
        let mut files = 0;
        for number in 1..=generated.folders.max(1) {
            let folder = if generated.folders == 0 {
                top.clone()
            } else {
                self.ensure_folder(&top, &format!("folder-{number:04}"), now)?
            };
            for file in 1..=generated.files_per_folder {
                let largest = generated.max_size_bytes.unwrap_or(generated.min_size_bytes);
                let size = random.between(generated.min_size_bytes, largest);
                let content = Some(Content::recipe(size, random.next()));
                let name = format!("file-{file:05}.bin");
                self.insert(NewNode { id: None, parent: folder.clone(), name, content, at: now });
                files += 1;
            }
        }
        Ok(files)
    }

    fn ensure_folder(&mut self, start: &str, path: &str, now: Millis) -> Result<Arc<str>, String> {
        let Some(start) = self.node(start).filter(|node| node.is_folder()) else {
            return Err(format!("folder {start:?} does not exist"));
        };
        let mut current = start.id.clone();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let existing = self.child(&current, name).map(|node| (node.id.clone(), node.is_folder()));
            current = match existing {
                Some((id, true)) => id,
                Some((_, false)) => return Err(format!("{name:?} in path {path:?} is a file")),
                None => {
                    self.insert(NewNode { id: None, parent: current, name: name.to_owned(), content: None, at: now })
                }
            };
        }
        Ok(current)
    }
}

fn entry_content(entry: &EntrySeed) -> Result<Option<Content>, String> {
    match (entry.size_bytes, &entry.text) {
        (Some(_), Some(_)) => Err(format!("entry {:?} has both size_bytes and text", entry.path)),
        (Some(size), None) => {
            let seed = entry.seed.unwrap_or_else(|| hash_text(&entry.path));
            Ok(Some(Content::recipe(size, seed)))
        }
        (None, Some(text)) => Ok(Some(Content::literal(text.clone()))),
        (None, None) => Ok(None),
    }
}
