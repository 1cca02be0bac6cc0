//! The files and folders of one organisation, as a tree of nodes under team folders.

mod build;
mod node;

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::Millis;
use crate::content::Content;
use crate::random::{Random, hash_text};

pub(crate) use node::{Children, Kind, Node};

/// WorkDrive of one organisation.
#[derive(Debug)]
pub(crate) struct Drive {
    pub(crate) team_id: String,
    pub(crate) team_name: String,
    pub(crate) user_id: String,
    pub(crate) member_id: String,
    pub(crate) private_space_id: String,
    pub(crate) team_folders: Vec<Arc<str>>,
    nodes: HashMap<Arc<str>, Node>,
    random: Random,
}

/// What a new item starts with.
#[derive(Debug)]
pub(crate) struct NewNode {
    pub(crate) id: Option<String>,
    pub(crate) parent: Arc<str>,
    pub(crate) name: String,
    pub(crate) content: Option<Content>,
    pub(crate) at: Millis,
}

impl Drive {
    pub(crate) fn new(team_id: Option<String>, team_name: String, seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            team_id: team_id.unwrap_or_else(|| random.opaque_id()),
            team_name,
            user_id: (random.next() % 1_000_000_000).to_string(),
            member_id: random.opaque_id(),
            private_space_id: random.opaque_id(),
            team_folders: Vec::new(),
            nodes: HashMap::new(),
            random,
        }
    }

    pub(crate) fn add_team_folder(&mut self, id: &str, name: String, at: Millis) {
        let id: Arc<str> = id.into();
        self.team_folders.push(id.clone());
        self.nodes.insert(id.clone(), Node::new(id.clone(), None, id, name, None, at));
    }

    /// Any item, trashed ones included.
    pub(crate) fn node(&self, id: &str) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// An item that is neither in the trash nor below something in the trash.
    pub(crate) fn live(&self, id: &str) -> Option<&Node> {
        let node = self.nodes.get(id)?;
        let mut above = Some(node);
        while let Some(current) = above {
            if current.trashed {
                return None;
            }
            above = current.parent.as_ref().and_then(|parent| self.nodes.get(parent));
        }
        Some(node)
    }

    /// A live folder and its children.
    pub(crate) fn live_folder(&self, id: &str) -> Option<(&Node, &Children)> {
        let node = self.live(id)?;
        node.children().map(|children| (node, children))
    }

    /// All items in no particular order.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// The item with exactly this name in a folder, if it is not in the trash; the oldest of several.
    pub(crate) fn child(&self, parent: &str, name: &str) -> Option<&Node> {
        let ids = self.nodes.get(parent)?.children()?.named(name);
        ids.iter().filter_map(|id| self.nodes.get(id)).find(|node| !node.trashed)
    }

    /// Adds an item; the parent must be a folder of this drive.
    pub(crate) fn insert(&mut self, new: NewNode) -> Arc<str> {
        let id: Arc<str> = new.id.unwrap_or_else(|| self.random.opaque_id()).into();
        let team_folder =
            self.nodes.get(&new.parent).map_or_else(|| new.parent.clone(), |node| node.team_folder.clone());
        let parent = new.parent.clone();
        let node = Node::new(id.clone(), Some(new.parent), team_folder, new.name, new.content, new.at);
        self.attach(&parent, &node.name.clone(), &id);
        self.nodes.insert(id.clone(), node);
        id
    }

    fn attach(&mut self, parent: &str, name: &str, id: &Arc<str>) {
        if let Some(children) = self.nodes.get_mut(parent).and_then(Node::children_mut) {
            children.add(hash_text(id), name, id.clone());
        }
    }

    fn detach(&mut self, parent: &str, name: &str, id: &str) {
        if let Some(children) = self.nodes.get_mut(parent).and_then(Node::children_mut) {
            children.remove(hash_text(id), name, id);
        }
    }

    /// Puts a new version on top of a file.
    pub(crate) fn replace_content(&mut self, id: &str, content: Content, at: Millis) {
        if let Some(node) = self.nodes.get_mut(id) {
            node.kind = Kind::File(content);
            node.versions += 1;
            node.modified_ms = at;
            node.uploaded_ms = at;
            node.changed_ms = at;
        }
    }

    pub(crate) fn rename(&mut self, id: &str, name: String, at: Millis) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        let old = std::mem::replace(&mut node.name, name.clone());
        node.modified_ms = at;
        node.changed_ms = at;
        let (own_id, parent) = (node.id.clone(), node.parent.clone());
        if let Some(parent) = parent {
            self.detach(&parent, &old, id);
            self.attach(&parent, &name, &own_id);
        }
    }

    /// Moves an item into another folder; false when that would put a folder below itself.
    pub(crate) fn relocate(&mut self, id: &str, new_parent: &str, at: Millis) -> bool {
        let Some(target) = self.nodes.get(new_parent) else { return false };
        let (target_id, target_team) = (target.id.clone(), target.team_folder.clone());
        let mut above = Some(target);
        while let Some(current) = above {
            if &*current.id == id {
                return false;
            }
            above = current.parent.as_ref().and_then(|parent| self.nodes.get(parent));
        }
        let Some(node) = self.nodes.get_mut(id) else { return false };
        let Some(old_parent) = node.parent.replace(target_id) else { return false };
        node.team_folder = target_team;
        node.changed_ms = at;
        let (own_id, name) = (node.id.clone(), node.name.clone());
        self.detach(&old_parent, &name, id);
        self.attach(new_parent, &name, &own_id);
        true
    }

    pub(crate) fn set_trashed(&mut self, id: &str, at: Millis) {
        if let Some(node) = self.nodes.get_mut(id) {
            node.trashed = true;
            node.changed_ms = at;
        }
    }

    pub(crate) fn set_modified(&mut self, id: &str, at: Millis) {
        if let Some(node) = self.nodes.get_mut(id) {
            node.modified_ms = at;
        }
    }

    /// Names from the team folder down to the item, separated by `/`.
    pub(crate) fn path(&self, id: &str) -> String {
        let mut names = Vec::new();
        let mut above = self.nodes.get(id);
        while let Some(node) = above {
            names.push(node.name.as_str());
            above = node.parent.as_ref().and_then(|parent| self.nodes.get(parent));
        }
        names.reverse();
        names.join("/")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn drive() -> (Drive, Arc<str>, Arc<str>) {
        let mut drive = Drive::new(None, "T".to_owned(), 1);
        drive.add_team_folder("top", "Top".to_owned(), 0);
        let folder =
            drive.insert(NewNode { id: None, parent: "top".into(), name: "a".to_owned(), content: None, at: 1 });
        let file = drive.insert(NewNode {
            id: None,
            parent: folder.clone(),
            name: "f".to_owned(),
            content: Some(Content::literal("x")),
            at: 1,
        });
        (drive, folder, file)
    }

    #[test]
    fn what_lies_below_the_trash_is_not_live() {
        let (mut drive, folder, file) = drive();
        assert_eq!(drive.path(&file), "Top/a/f");
        drive.set_trashed(&folder, 2);
        assert!(drive.live(&file).is_none());
        assert!(drive.child("top", "a").is_none());
    }

    #[test]
    fn rename_and_move_are_found_under_the_new_place() {
        let (mut drive, folder, file) = drive();
        drive.rename(&file, "g".to_owned(), 2);
        assert!(drive.child(&folder, "f").is_none());
        assert!(drive.relocate(&file, "top", 3));
        assert_eq!(drive.child("top", "g").unwrap().id, file);
        assert!(!drive.relocate(&folder, &folder.clone(), 4));
    }
}
