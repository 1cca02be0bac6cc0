//! Reads the keys of a section one by one, collects what is wrong, and knows in the end which keys nobody asked for.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Problem;
use super::nearest;
use super::origin::Origin;
use super::secret::SecretRef;
use super::tree::{Node, Tree, same_name};
use super::value::{Leaf, Misfit, Setting};

/// What all sections of one configuration share.
pub(super) struct Reading {
    problems: RefCell<Vec<Problem>>,
    asked: RefCell<BTreeSet<String>>,
    base: PathBuf,
}

impl Reading {
    /// Relative paths start at `base`.
    pub(super) fn new(base: PathBuf) -> Self {
        Self { problems: RefCell::default(), asked: RefCell::default(), base }
    }

    pub(super) fn base(&self) -> &Path {
        &self.base
    }

    pub(super) fn report(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// All problems, in the order of their keys.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by(|left, right| left.key.cmp(&right.key));
        problems
    }

    /// Full names of the keys that were asked for.
    #[cfg(test)]
    pub(super) fn asked(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }
}

/// One section of the tree. Each key is taken out as it is read; [`Section::finish`] reports what is left.
pub(super) struct Section<'r> {
    path: String,
    entries: Tree,
    known: BTreeSet<&'static str>,
    reading: &'r Reading,
}

impl<'r> Section<'r> {
    pub(super) fn root(entries: Tree, reading: &'r Reading) -> Self {
        Self { path: String::new(), entries, known: BTreeSet::new(), reading }
    }

    /// The full name of a key of this section.
    pub(super) fn name_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Reports that a key is wrong: "`key` what".
    pub(super) fn wrong(&self, key: &str, what: &str, origin: Option<Origin>) {
        let key = self.name_of(key);
        let message = format!("`{key}` {what}");
        self.reading.report(Problem { key, message, origin });
    }

    /// Whether a key is there and not read yet.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Whether nothing is left to read.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Relative paths start here.
    pub(super) fn base(&self) -> &Path {
        self.reading.base()
    }

    /// The value of a key, when it is there and fits.
    pub(super) fn optional<T: Setting>(&mut self, key: &'static str) -> Option<T> {
        self.read(key, T::EXPECTED, |leaf| T::read(&leaf.raw))
    }

    /// The value of a key, or its default.
    pub(super) fn or<T: Setting>(&mut self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// Reports a key that is missing.
    pub(super) fn require(&mut self, key: &'static str, remedy: &str) {
        if !self.has(key) {
            self.note(key);
            self.wrong(key, &format!("is missing; {remedy}"), None);
        }
    }

    /// A whole number within limits.
    pub(super) fn within(&mut self, key: &'static str, limits: RangeInclusive<u64>) -> Option<u64> {
        self.read(key, u64::EXPECTED, |leaf| {
            let number = u64::read(&leaf.raw)?;
            if limits.contains(&number) {
                return Ok(number);
            }
            Err(Misfit::Rule(format!("must be from {} to {}", limits.start(), limits.end())))
        })
    }

    /// A number of things to keep in memory or to do at once.
    pub(super) fn count(&mut self, key: &'static str, default: usize, limits: RangeInclusive<u64>) -> usize {
        self.within(key, limits).and_then(|number| usize::try_from(number).ok()).unwrap_or(default)
    }

    /// A number of seconds.
    pub(super) fn seconds(&mut self, key: &'static str, default: u64, limits: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.within(key, limits).unwrap_or(default))
    }

    /// A rate per second or the like: greater than 0, at most 1,000.
    pub(super) fn rate(&mut self, key: &'static str) -> Option<f64> {
        self.read(key, f64::EXPECTED, |leaf| {
            let rate = f64::read(&leaf.raw)?;
            let usable = rate > 0.0 && rate <= 1000.0;
            if usable { Ok(rate) } else { Err(Misfit::Rule("must be above 0 and at most 1000".to_owned())) }
        })
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        self.choice_but(key, words, &[])
    }

    /// One of a few words, where some more are known and cannot be used yet.
    pub(super) fn choice_but<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
        unsupported: &[&str],
    ) -> Option<T> {
        self.read(key, "a word in quotes", |leaf| {
            let text = leaf.raw.text()?.trim();
            if let Some((_, value)) = words.iter().find(|(word, _)| same_name(word, text)) {
                return Ok(*value);
            }
            let all = words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
            if unsupported.iter().any(|word| same_name(word, text)) {
                return Err(Misfit::Rule(format!("= \"{text}\" is not supported by this version; supported: {all}")));
            }
            let meant = nearest::nearest(text, words.iter().map(|(word, _)| *word));
            let meant = meant.map_or(String::new(), |word| format!(", did you mean `{word}`?"));
            Err(Misfit::Rule(format!("is none of {all}{meant}")))
        })
    }

    /// A path; relative ones start at the working directory.
    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        let text: String = self.optional(key)?;
        Some(self.base().join(text))
    }

    /// A reference to a secret.
    pub(super) fn secret(&mut self, key: &'static str) -> Option<SecretRef> {
        let base = self.base().to_owned();
        self.read(key, "\"env:NAME\", \"file:path\" or the secret, in quotes", |leaf| {
            SecretRef::parse(leaf.raw.text()?, &base).map_err(|why| Misfit::Rule(why.to_owned()))
        })
    }

    /// Several references to secrets.
    pub(super) fn secrets(&mut self, key: &'static str) -> Option<Vec<SecretRef>> {
        let base = self.base().to_owned();
        self.read(key, "a list of \"env:NAME\", \"file:path\" or secrets, in quotes", |leaf| {
            let texts = leaf.raw.texts()?;
            let read = texts.iter().map(|text| SecretRef::parse(text, &base));
            read.collect::<Result<Vec<_>, _>>().map_err(|why| Misfit::Rule(format!("has a member that {why}")))
        })
    }

    /// Texts: a list, or one text with commas between.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        self.read(key, "a list of texts", |leaf| {
            let texts = leaf.raw.texts()?;
            let parts = texts.iter().flat_map(|text| text.split(',')).map(|text| text.trim().to_owned());
            Ok(parts.filter(|text| !text.is_empty()).collect())
        })
    }

    /// All keys of a section whose keys belong to somebody else, as texts or references to secrets. `a.b` may be written
    /// as it is, as a section `a` with a key `b`, or in a variable as `a_b`.
    pub(super) fn all_secrets(self) -> BTreeMap<String, SecretRef> {
        let mut all = BTreeMap::new();
        for (key, node) in self.entries {
            let name = key.replace(['_', '-'], ".");
            match node {
                Node::Table(entries) => {
                    let path = format!("{}.{key}", self.path);
                    let inner = Section { path, entries, known: BTreeSet::new(), reading: self.reading };
                    all.extend(
                        inner.all_secrets().into_iter().map(|(rest, secret)| (format!("{name}.{rest}"), secret)),
                    );
                }
                Node::Leaf(leaf) => match SecretRef::parse(&leaf.raw.words(), self.reading.base()) {
                    Ok(secret) => {
                        all.insert(name, secret);
                    }
                    Err(why) => {
                        let key = format!("{}.{key}", self.path);
                        let message = format!("`{key}` {why}");
                        self.reading.report(Problem { key, message, origin: Some(leaf.origin) });
                    }
                },
            }
        }
        all
    }

    /// All keys of a section whose keys belong to somebody else, with their texts.
    pub(super) fn all_texts(self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for (key, node) in self.entries {
            let name = if self.path.is_empty() { key.clone() } else { format!("{}.{key}", self.path) };
            let wrong = |what: String, origin| {
                let message = format!("`{name}` {what}");
                self.reading.report(Problem { key: name.clone(), message, origin });
            };
            match node {
                Node::Table(_) => wrong("is a section here; expected a text in quotes".to_owned(), None),
                Node::Leaf(leaf) => match leaf.raw.text() {
                    Ok(text) => {
                        let _ = all.insert(key, text.to_owned());
                    }
                    Err(_) => {
                        let what = format!("is {} here; expected a text in quotes", leaf.raw.kind());
                        wrong(what, Some(leaf.origin));
                    }
                },
            }
        }
        all
    }

    /// A value with rules of its own.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&Leaf) -> Result<T, Misfit>,
    ) -> Option<T> {
        self.note(key);
        let leaf = match self.entries.remove(key)? {
            Node::Leaf(leaf) => leaf,
            Node::Table(_) => {
                self.wrong(key, &format!("is a section here; expected {expected}"), None);
                return None;
            }
        };
        match read(&leaf) {
            Ok(value) => Some(value),
            Err(Misfit::Type) => {
                let found = leaf.raw.kind();
                self.wrong(key, &format!("is {found} here; expected {expected}"), Some(leaf.origin));
                None
            }
            Err(Misfit::Rule(what)) => {
                self.wrong(key, &what, Some(leaf.origin));
                None
            }
        }
    }

    /// A section inside this one; empty when it is not there.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'r> {
        self.known.insert(key);
        let entries = match self.entries.remove(key) {
            Some(Node::Table(entries)) => entries,
            Some(Node::Leaf(leaf)) => {
                let found = leaf.raw.kind();
                let what = format!("is {found} here; expected a section [{}]", self.name_of(key));
                self.wrong(key, &what, Some(leaf.origin));
                Tree::new()
            }
            None => Tree::new(),
        };
        Section { path: self.name_of(key), entries, known: BTreeSet::new(), reading: self.reading }
    }

    /// The sections of a section whose keys are names.
    pub(super) fn named(&mut self, key: &'static str) -> Vec<(String, Section<'r>)> {
        let outer = self.section(key);
        let mut sections: Vec<(String, Section<'r>)> = Vec::new();
        for (name, node) in outer.entries {
            let path = format!("{key}.{name}");
            let wrong = |what: String| {
                let message = format!("`{path}` {what}");
                self.reading.report(Problem { key: path.clone(), message, origin: None });
            };
            if !is_name(&name) {
                wrong(
                    "is no usable name: up to 64 letters, digits, `-` and `_`, beginning with a letter or digit"
                        .to_owned(),
                );
            }
            if let Some((other, _)) = sections.iter().find(|(other, _)| same_name(other, &name)) {
                wrong(format!("and `{key}.{other}` differ only in case, `-` and `_`; rename one"));
            }
            match node {
                Node::Table(entries) => {
                    let inner = Section { path, entries, known: BTreeSet::new(), reading: self.reading };
                    sections.push((name, inner));
                }
                Node::Leaf(leaf) => wrong(format!("is {} here; expected a section [{path}]", leaf.raw.kind())),
            }
        }
        sections
    }

    /// Takes keys that mean nothing beside another setting, and says so.
    pub(super) fn does_not_apply(&mut self, keys: &[&'static str], beside: &str) {
        for key in keys {
            self.known.insert(key);
            if self.entries.remove(*key).is_some() {
                self.wrong(key, &format!("has no meaning with {beside}; remove it"), None);
            }
        }
    }

    /// Reports every key that nobody asked for, with the nearest known one.
    pub(super) fn finish(self) {
        for (key, node) in &self.entries {
            let hint = nearest::hint(key, self.known.iter().copied());
            let origin = node.origin().cloned();
            let key = self.name_of(key);
            let message = format!("unknown key `{key}`{hint}");
            self.reading.report(Problem { key, message, origin });
        }
    }

    fn note(&mut self, key: &'static str) {
        self.known.insert(key);
        self.reading.asked.borrow_mut().insert(self.name_of(key));
    }
}

/// Names stand in addresses, in stream names and in variables.
fn is_name(name: &str) -> bool {
    let usable = |one: char| one.is_ascii_alphanumeric() || one == '-' || one == '_';
    name.len() <= 64 && name.chars().all(usable) && name.starts_with(|one: char| one.is_ascii_alphanumeric())
}
