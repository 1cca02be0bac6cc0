//! All settings as one tree: the file first, variables over it.

use std::collections::BTreeMap;

use super::error::Problem;
use super::origin::Origin;
use super::value::{Leaf, Raw};

/// What environment variables that override settings begin with, in any case.
pub(super) const PREFIX: &str = "GATELEDGER__";

/// Sections whose keys are names that a person chose.
const NAMED: [&str; 2] = ["accounts", "transfers"];

pub(super) type Tree = BTreeMap<String, Node>;

#[derive(Clone)]
pub(super) enum Node {
    Table(Tree),
    Leaf(Leaf),
}

impl Node {
    /// Where it came from; for a table, where its first value came from.
    pub(super) fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Leaf(leaf) => Some(&leaf.origin),
            Self::Table(inner) => inner.values().find_map(Self::origin),
        }
    }
}

/// The tree of a file.
pub(super) fn from_file(table: toml::Table, origin: &Origin) -> Tree {
    table
        .into_iter()
        .map(|(key, value)| match value {
            toml::Value::Table(inner) => (key, Node::Table(from_file(inner, origin))),
            raw => (key, Node::Leaf(Leaf { raw: Raw::Typed(raw), origin: origin.clone() })),
        })
        .collect()
}

/// Puts the value of a variable `GATELEDGER__SECTION__KEY` into the tree, over what was there.
///
/// Case does not count and neither does the difference of `-` and `_`, as variables cannot be named `org-a`. A name that
/// is not there yet is taken with `-` in `accounts` and `transfers`.
pub(super) fn override_with(tree: &mut Tree, variable: &str, value: &str, origin: &Origin) -> Result<(), Problem> {
    let wrong = |message: String| Problem { key: variable.to_owned(), message, origin: Some(origin.clone()) };
    let path = variable.get(PREFIX.len()..).unwrap_or_default().to_lowercase();
    let segments: Vec<&str> = path.split("__").collect();
    if segments.iter().any(|segment| segment.is_empty()) {
        return Err(wrong(format!("`{variable}` names no setting; write {PREFIX}SECTION__KEY")));
    }
    let leaf = Leaf { raw: Raw::Text(value.to_owned()), origin: origin.clone() };
    insert(tree, &segments, leaf, 0)
        .map_err(|section| wrong(format!("`{variable}` goes through `{section}`, which is no section")))
}

fn insert(tree: &mut Tree, segments: &[&str], leaf: Leaf, depth: usize) -> Result<(), String> {
    let Some((first, rest)) = segments.split_first() else { return Ok(()) };
    let key = tree.keys().find(|key| same_name(key, first)).cloned().unwrap_or_else(|| (*first).to_owned());
    if rest.is_empty() {
        tree.insert(key, Node::Leaf(leaf));
        return Ok(());
    }
    let named = depth == 0 && NAMED.contains(&key.as_str());
    let node = tree.entry(key.clone()).or_insert_with(|| Node::Table(Tree::new()));
    let Node::Table(inner) = node else { return Err(key) };
    if !named {
        return insert(inner, rest, leaf, depth + 1);
    }
    let Some((name, below)) = rest.split_first() else { return Ok(()) };
    let name = inner.keys().find(|key| same_name(key, name)).cloned().unwrap_or_else(|| name.replace('_', "-"));
    let path: Vec<&str> = std::iter::once(name.as_str()).chain(below.iter().copied()).collect();
    insert(inner, &path, leaf, depth + 1)
}

/// Whether two names are the same for a variable.
pub(super) fn same_name(left: &str, right: &str) -> bool {
    let plain = |name: &str| name.to_lowercase().replace('-', "_");
    plain(left) == plain(right)
}

/// Adds a value where there is none. The lowest layer of all.
pub(super) fn add_missing(tree: &mut Tree, path: &[&str], leaf: Leaf) {
    match path {
        [] => {}
        [key] => {
            tree.entry((*key).to_owned()).or_insert(Node::Leaf(leaf));
        }
        [section, rest @ ..] => {
            let node = tree.entry((*section).to_owned()).or_insert_with(|| Node::Table(Tree::new()));
            if let Node::Table(inner) = node {
                add_missing(inner, rest, leaf);
            }
        }
    }
}

/// What stands at a path.
pub(super) fn at<'t>(tree: &'t Tree, path: &[&str]) -> Option<&'t Node> {
    match path {
        [] => None,
        [key] => tree.get(*key),
        [section, rest @ ..] => match tree.get(*section)? {
            Node::Table(inner) => at(inner, rest),
            Node::Leaf(_) => None,
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn text_at(tree: &Tree, path: &[&str]) -> Option<String> {
        match at(tree, path)? {
            Node::Leaf(Leaf { raw: Raw::Text(text), .. }) => Some(text.clone()),
            _ => None,
        }
    }

    fn origin() -> Origin {
        Origin::Environment("X".to_owned())
    }

    #[test]
    fn a_variable_finds_the_name_whatever_its_case_and_dashes() {
        let table: toml::Table = "[accounts.Org-A]\nregion = 'com'".parse().unwrap();
        let mut tree = from_file(table, &origin());
        override_with(&mut tree, "GATELEDGER__ACCOUNTS__ORG_A__REGION", "eu", &origin()).unwrap();
        override_with(&mut tree, "gateledger__http__public_url", "http://x", &origin()).unwrap();
        assert_eq!(text_at(&tree, &["accounts", "Org-A", "region"]).unwrap(), "eu");
        assert_eq!(text_at(&tree, &["http", "public_url"]).unwrap(), "http://x");
    }

    #[test]
    fn a_new_account_from_a_variable_is_named_with_dashes() {
        let mut tree = Tree::new();
        override_with(&mut tree, "GATELEDGER__ACCOUNTS__ORG_B__CLIENT_ID", "7", &origin()).unwrap();
        assert_eq!(text_at(&tree, &["accounts", "org-b", "client_id"]).unwrap(), "7");
    }

    #[test]
    fn a_variable_that_names_no_setting_is_refused() {
        let mut tree = Tree::new();
        for name in ["GATELEDGER__", "GATELEDGER__HTTP__", "GATELEDGER____LISTEN"] {
            assert!(override_with(&mut tree, name, "x", &origin()).is_err(), "{name}");
        }
    }

    #[test]
    fn the_lowest_layer_only_fills_gaps() {
        let table: toml::Table = "[a]\nset = 'file'".parse().unwrap();
        let mut tree = from_file(table, &origin());
        let leaf = Leaf { raw: Raw::Text("low".to_owned()), origin: origin() };
        add_missing(&mut tree, &["a", "set"], leaf.clone());
        add_missing(&mut tree, &["a", "gap"], leaf);
        assert_eq!(text_at(&tree, &["a", "set"]), None);
        assert_eq!(text_at(&tree, &["a", "gap"]).unwrap(), "low");
    }
}
