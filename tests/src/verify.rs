//! Whether the providers hold what they should: seen from the simulator's state, before and after.

use std::collections::{BTreeMap, HashMap, HashSet};

use simulator::control::{ItemState, OrganizationState, RecordState, State};
use simulator::journal::Entry;
use simulator::seed::constants::{
    CHECKBOX_FIELD, DESTINATION_FOLDER_ID, FOLDER_FIELD, MODULE, ORG_A, ORG_B, SOURCE_TEAM_FOLDER_ID,
};

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// Files that were expected at the destination and are there.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these, under a name with a time because theirs was taken before.
    pub renamed: u64,
    /// Records whose checkbox was expected to be set and is.
    pub checked: u64,
    /// Everything that is not as it should be.
    pub problems: Vec<String>,
}

impl Findings {
    /// Demands that nothing was found wrong.
    ///
    /// # Panics
    /// When something was.
    pub fn assert_right(&self) {
        let shown = self.problems.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.problems.is_empty(), "{} problem(s):\n{shown}", self.problems.len());
    }
}

/// An organisation of a state.
///
/// # Panics
/// When there is none of that name.
#[must_use]
pub fn organization<'a>(state: &'a State, name: &str) -> &'a OrganizationState {
    state.organizations.iter().find(|one| one.name == name).unwrap_or_else(|| panic!("there is no organisation {name}"))
}

/// The records that a transfer may concern.
#[must_use]
pub fn records(state: &State) -> &[RecordState] {
    organization(state, ORG_A).records.get(MODULE).map_or(&[], Vec::as_slice)
}

/// Compares the destination with the source, given the state before anything was transferred: every file below the
/// folder a pending record names is there exactly once, nothing else is, and exactly those records are checked.
#[must_use]
pub fn compare(before: &State, after: &State) -> Findings {
    let source = Tree::of(organization(after, ORG_B));
    let destination = Tree::of(organization(after, ORG_A));
    let was_there = Tree::of(organization(before, ORG_A));
    let mut comparison =
        Comparison { source, destination, was_there, used: HashSet::new(), findings: Findings::default() };
    comparison.untouched(before, after);

    let done_before: HashSet<&str> =
        records(before).iter().filter(|record| is_checked(record)).map(|record| record.id.as_str()).collect();
    let mut copied: BTreeMap<String, u64> = BTreeMap::new();
    for record in records(after) {
        if done_before.contains(record.id.as_str()) {
            continue;
        }
        let name = record.fields.get(FOLDER_FIELD).and_then(|value| value.as_str()).unwrap_or_default().trim();
        let folder = comparison.chosen_folder(name).cloned();
        let files = match &folder {
            None => 0,
            Some(folder) => match copied.get(&folder.id) {
                Some(files) => *files,
                None => {
                    let files = comparison.folder(folder, DESTINATION_FOLDER_ID, &folder.name);
                    copied.insert(folder.id.clone(), files);
                    files
                }
            },
        };
        comparison.checkbox(record, files > 0);
    }
    comparison.nothing_else();
    comparison.findings
}

/// Requests that may change something at a provider.
#[must_use]
pub fn writes(journal: &[Entry]) -> Vec<&Entry> {
    let reads_by_post = ["oauth.token", "crm.coql"];
    journal.iter().filter(|entry| entry.method != "GET" && !reads_by_post.contains(&entry.route.as_str())).collect()
}

/// The files at the destination as paths with hashes, sorted.
#[must_use]
pub fn files_at_destination(state: &State) -> Vec<(String, Option<String>)> {
    let items = organization(state, ORG_A).items.iter().filter(|item| !item.is_folder && !item.trashed);
    let mut files: Vec<_> = items.map(|item| (item.path.clone(), item.md5.clone())).collect();
    files.sort();
    files
}

/// Whether a record's checkbox is set.
#[must_use]
pub fn is_checked(record: &RecordState) -> bool {
    record.fields.get(CHECKBOX_FIELD).and_then(|value| value.as_bool()) == Some(true)
}

/// Items that are not in the trash, by parent.
struct Tree<'a> {
    children: HashMap<&'a str, Vec<&'a ItemState>>,
    items: &'a [ItemState],
}

impl<'a> Tree<'a> {
    fn of(organization: &'a OrganizationState) -> Self {
        let mut children: HashMap<&str, Vec<&ItemState>> = HashMap::new();
        for item in organization.items.iter().filter(|item| !item.trashed) {
            children.entry(item.parent_id.as_str()).or_default().push(item);
        }
        Tree { children, items: &organization.items }
    }

    fn below(&self, folder_id: &str) -> &[&'a ItemState] {
        self.children.get(folder_id).map_or(&[], Vec::as_slice)
    }

    fn is_there(&self, id: &str) -> bool {
        self.items.iter().any(|item| item.id == id)
    }
}

struct Comparison<'a> {
    source: Tree<'a>,
    destination: Tree<'a>,
    was_there: Tree<'a>,
    used: HashSet<String>,
    findings: Findings,
}

impl<'a> Comparison<'a> {
    fn problem(&mut self, problem: String) {
        self.findings.problems.push(problem);
    }

    /// What was there before is as it was, on both sides.
    fn untouched(&mut self, before: &State, after: &State) {
        for name in [ORG_A, ORG_B] {
            let now: HashMap<&str, &ItemState> =
                organization(after, name).items.iter().map(|item| (item.id.as_str(), item)).collect();
            for item in &organization(before, name).items {
                let same = now.get(item.id.as_str()).is_some_and(|now| {
                    (&now.md5, &now.name, &now.parent_id, now.versions, now.trashed)
                        == (&item.md5, &item.name, &item.parent_id, item.versions, item.trashed)
                });
                if !same {
                    self.problem(format!("{name}: {} was there before and has changed", item.path));
                }
            }
        }
    }

    /// The folder a name stands for: of all that match, the most recently modified.
    fn chosen_folder(&self, name: &str) -> Option<&'a ItemState> {
        let here = self.source.below(SOURCE_TEAM_FOLDER_ID).iter();
        let matching = here.filter(|item| item.is_folder && item.name.to_lowercase() == name.to_lowercase());
        matching.max_by_key(|item| item.modified_ms).copied()
    }

    /// Compares a folder with its one counterpart in `parent_id`; returns the number of files below it.
    fn folder(&mut self, folder: &ItemState, parent_id: &str, path: &str) -> u64 {
        let siblings = self.destination.below(parent_id).to_vec();
        let twins: Vec<&&ItemState> =
            siblings.iter().filter(|item| item.is_folder && item.name == folder.name).collect();
        let [twin] = twins.as_slice() else {
            self.problem(format!("{path}: the folder is there {} times", twins.len()));
            return 0;
        };
        self.used.insert(twin.id.clone());
        let mut files = 0;
        for item in self.source.below(&folder.id).to_vec() {
            let path = format!("{path}/{}", item.name);
            if item.is_folder {
                files += self.folder(item, &twin.id, &path);
            } else {
                self.file(item, &twin.id, &path);
                files += 1;
            }
        }
        files
    }

    fn file(&mut self, file: &ItemState, parent_id: &str, path: &str) {
        let taken =
            self.was_there.below(parent_id).iter().any(|item| item.name.to_lowercase() == file.name.to_lowercase());
        let new = self
            .destination
            .below(parent_id)
            .iter()
            .filter(|item| !item.is_folder && !self.was_there.is_there(&item.id));
        let copies: Vec<&ItemState> = new
            .filter(|item| if taken { is_stamped(&file.name, &item.name) } else { item.name == file.name })
            .copied()
            .collect();
        for copy in &copies {
            self.used.insert(copy.id.clone());
        }
        let [copy] = copies.as_slice() else {
            return self.problem(format!("{path}: the file is there {} times", copies.len()));
        };
        if copy.md5 != file.md5 || copy.size_bytes != file.size_bytes || copy.md5.is_none() {
            return self.problem(format!("{path}: the bytes differ"));
        }
        if copy.versions != 1 {
            self.problem(format!("{path}: was uploaded {} times over itself", copy.versions));
        }
        self.findings.files += 1;
        self.findings.bytes += copy.size_bytes;
        self.findings.renamed += u64::from(taken);
    }

    fn checkbox(&mut self, record: &RecordState, wished: bool) {
        match (is_checked(record), wished) {
            (true, true) if record.api_updates == 1 => self.findings.checked += 1,
            (true, true) => self.problem(format!("record {} was updated {} times", record.id, record.api_updates)),
            (false, false) => {}
            (true, false) => self.problem(format!("record {} is checked and should not be", record.id)),
            (false, true) => self.problem(format!("record {} is not checked and should be", record.id)),
        }
    }

    /// Nothing is at the destination that nobody asked for, not even in the trash.
    fn nothing_else(&mut self) {
        let unasked: Vec<String> = self
            .destination
            .items
            .iter()
            .filter(|item| !self.was_there.is_there(&item.id) && !self.used.contains(&item.id))
            .map(|item| {
                format!(
                    "{} ({}{}): nobody asked for it",
                    item.path,
                    item.id,
                    if item.trashed { ", in the trash" } else { "" }
                )
            })
            .collect();
        self.findings.problems.extend(unasked);
    }
}

/// Whether `found` is `name` with `_YYYYMMDD_HHMMSS` before its extension.
fn is_stamped(name: &str, found: &str) -> bool {
    let (stem, extension) = match name.rfind('.') {
        Some(at) if at > 0 => name.split_at(at),
        _ => (name, ""),
    };
    let stamp = found.strip_prefix(stem).and_then(|rest| rest.strip_suffix(extension)).unwrap_or_default();
    stamp.len() == 16
        && stamp
            .char_indices()
            .all(|(at, letter)| if at == 0 || at == 9 { letter == '_' } else { letter.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use super::is_stamped;

    #[test]
    fn only_our_own_style_of_renaming_counts() {
        assert!(is_stamped("a.b.txt", "a.b_20260102_030405.txt"));
        assert!(is_stamped("notes", "notes_20260102_030405"));
        assert!(!is_stamped("a.txt", "a.txt"));
        assert!(!is_stamped("a.txt", "a 02-01-2026 03:04:05:678.txt"));
        assert!(!is_stamped("a.txt", "a_20260102_030405_20260102_030405.txt"));
    }
}
