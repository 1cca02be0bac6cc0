//! One file or folder, and the children of a folder.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::clock::Millis;
use crate::content::Content;

/// A file or folder.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: Arc<str>,
    /// None for team folders.
    pub(crate) parent: Option<Arc<str>>,
    pub(crate) team_folder: Arc<str>,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) created_ms: Millis,
    pub(crate) modified_ms: Millis,
    pub(crate) uploaded_ms: Millis,
    /// Last change of any kind; the search index lags behind it.
    pub(crate) changed_ms: Millis,
    pub(crate) versions: u32,
    pub(crate) trashed: bool,
}

/// What a node holds.
#[derive(Debug)]
pub(crate) enum Kind {
    Folder(Children),
    File(Content),
}

impl Node {
    pub(crate) fn new(
        id: Arc<str>,
        parent: Option<Arc<str>>,
        team_folder: Arc<str>,
        name: String,
        content: Option<Content>,
        at: Millis,
    ) -> Self {
        let kind = content.map_or_else(|| Kind::Folder(Children::default()), Kind::File);
        Self {
            id,
            parent,
            team_folder,
            name,
            kind,
            created_ms: at,
            modified_ms: at,
            uploaded_ms: at,
            changed_ms: at,
            versions: 1,
            trashed: false,
        }
    }

    pub(crate) fn is_folder(&self) -> bool {
        matches!(self.kind, Kind::Folder(_))
    }

    pub(crate) fn content(&self) -> Option<&Content> {
        match &self.kind {
            Kind::File(content) => Some(content),
            Kind::Folder(_) => None,
        }
    }

    pub(crate) fn children(&self) -> Option<&Children> {
        match &self.kind {
            Kind::Folder(children) => Some(children),
            Kind::File(_) => None,
        }
    }

    pub(super) fn children_mut(&mut self) -> Option<&mut Children> {
        match &mut self.kind {
            Kind::Folder(children) => Some(children),
            Kind::File(_) => None,
        }
    }

    /// The extension in lower case, empty when there is none.
    pub(crate) fn extension(&self) -> String {
        match self.name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() && !self.is_folder() => extension.to_lowercase(),
            _ => String::new(),
        }
    }
}

/// Children of a folder in an order that no client can rely on (a hash of their ids), and by name.
///
/// The order never changes for an item that stays, so a cursor is simply the place after the last item shown.
#[derive(Debug, Default)]
pub(crate) struct Children {
    order: BTreeMap<u64, Arc<str>>,
    names: HashMap<String, Vec<Arc<str>>>,
}

impl Children {
    pub(super) fn add(&mut self, place: u64, name: &str, id: Arc<str>) {
        self.order.insert(place, id.clone());
        self.names.entry(name.to_owned()).or_default().push(id);
    }

    pub(super) fn remove(&mut self, place: u64, name: &str, id: &str) {
        self.order.remove(&place);
        if let Some(ids) = self.names.get_mut(name) {
            ids.retain(|other| &**other != id);
            if ids.is_empty() {
                self.names.remove(name);
            }
        }
    }

    pub(super) fn named(&self, name: &str) -> &[Arc<str>] {
        self.names.get(name).map_or(&[], Vec::as_slice)
    }

    /// Children from `place` on, with their places.
    pub(crate) fn from(&self, place: u64) -> impl Iterator<Item = (u64, &Arc<str>)> {
        self.order.range(place..).map(|(place, id)| (*place, id))
    }
}
