//! Whether both organisations agree: every file is read back from both through the API and compared byte by byte.

use std::collections::{BTreeSet, HashMap, HashSet};

use anyhow::Context as _;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use providers::error::Error as Refusal;
use providers::zoho::Client;
use providers::zoho::workdrive::{Item, ItemFilter, nfc_eq};
use simulator::seed::constants as demo;

use super::script::{Script, organization};
use crate::runtime::Parts;

/// Compares and returns what is not as it should be.
///
/// # Errors
/// When the organisations cannot be read.
pub async fn compare(parts: &Parts, script: &Script) -> anyhow::Result<Vec<String>> {
    let client = |name| parts.accounts.zoho(name).with_context(|| format!("there is no account {name}"));
    let (source, destination) = (client(demo::ORG_B)?, client(demo::ORG_A)?);
    let before: HashSet<&str> =
        organization(&script.before, demo::ORG_A)?.items.iter().map(|item| item.id.as_str()).collect();
    let mut check = Check { source, destination, before, problems: Vec::new() };
    check.records(parts, script).await?;

    let names: HashMap<&str, &str> = organization(&script.before, demo::ORG_B)?
        .items
        .iter()
        .map(|item| (item.id.as_str(), item.name.as_str()))
        .collect();
    let chosen: BTreeSet<&str> = script.wishes.iter().filter_map(|wish| wish.folder_id.as_deref()).collect();
    let top = destination.workdrive().list(demo::DESTINATION_FOLDER_ID, ItemFilter::All).await?;
    let mut expected_names = Vec::new();
    for folder_id in chosen {
        let name = names.get(folder_id).copied().unwrap_or_default();
        expected_names.push(name);
        match one_folder(&top, name) {
            Ok(counterpart) => check.tree(folder_id, &counterpart.id, name).await?,
            Err(problem) => check.problems.push(problem),
        }
    }
    // An empty source folder may have its counterpart; nothing else may have appeared.
    for item in top.iter().filter(|item| !check.before.contains(item.id.as_str())) {
        let empty = script.wishes.iter().any(|wish| wish.folder_id.is_none() && nfc_eq(&wish.folder_name, &item.name));
        if !empty && !expected_names.iter().any(|name| nfc_eq(name, &item.name)) {
            check.problems.push(format!("{} is at the destination, though nobody asked for it", item.name));
        }
    }
    Ok(check.problems)
}

struct Check<'a> {
    source: &'a Client,
    destination: &'a Client,
    before: HashSet<&'a str>,
    problems: Vec<String>,
}

impl Check<'_> {
    async fn records(&mut self, parts: &Parts, script: &Script) -> anyhow::Result<()> {
        let settings = parts.settings.transfers.get("contacts")?;
        let crm = self.destination.crm();
        for wish in &script.wishes {
            let fields = std::slice::from_ref(&settings.checkbox_field);
            let record = crm.record(&settings.module, &wish.record_id.parse()?, fields).await?;
            let ticked = record.is_some_and(|record| record.is_ticked(&settings.checkbox_field));
            if ticked != wish.folder_id.is_some() {
                let is = if ticked { "is" } else { "is not" };
                self.problems
                    .push(format!("the checkbox of record {} ({}) {is} set", wish.record_id, wish.folder_name));
            }
        }
        Ok(())
    }

    async fn tree(&mut self, source_id: &str, destination_id: &str, path: &str) -> anyhow::Result<()> {
        let mut pairs = vec![(source_id.to_owned(), destination_id.to_owned(), path.to_owned())];
        while let Some((source_id, destination_id, path)) = pairs.pop() {
            let wanted = self.source.workdrive().list(&source_id, ItemFilter::All).await?;
            let found = self.destination.workdrive().list(&destination_id, ItemFilter::All).await?;
            let mut left: Vec<&Item> = found.iter().filter(|item| !self.before.contains(item.id.as_str())).collect();
            for item in &wanted {
                let path = format!("{path}/{}", item.name);
                if item.is_folder {
                    match one_folder(&found, &item.name) {
                        Ok(folder) => {
                            left.retain(|one| one.id != folder.id);
                            pairs.push((item.id.clone(), folder.id.clone(), path));
                        }
                        Err(problem) => self.problems.push(format!("{path}: {problem}")),
                    }
                    continue;
                }
                let taken =
                    found.iter().any(|one| self.before.contains(one.id.as_str()) && nfc_eq(&one.name, &item.name));
                let copies: Vec<&Item> =
                    left.iter().copied().filter(|one| is_copy(&item.name, &one.name, taken)).collect();
                left.retain(|one| !copies.iter().any(|copy| copy.id == one.id));
                match copies.as_slice() {
                    [copy] => {
                        if !self.same_bytes(&item.id, &copy.id).await? {
                            self.problems.push(format!("{path}: the bytes differ"));
                        }
                    }
                    [] => self.problems.push(format!("{path}: is not at the destination")),
                    several => self.problems.push(format!("{path}: is there {} times", several.len())),
                }
            }
            self.problems.extend(left.iter().map(|item| format!("{path}/{}: nobody asked for it", item.name)));
        }
        Ok(())
    }

    async fn same_bytes(&self, source_id: &str, destination_id: &str) -> Result<bool, Refusal> {
        let ours = self.source.workdrive().download(source_id, None).await?;
        let theirs = self.destination.workdrive().download(destination_id, None).await?;
        equal(ours.stream, theirs.stream).await
    }
}

fn one_folder<'a>(items: &'a [Item], name: &str) -> Result<&'a Item, String> {
    let matching: Vec<&Item> = items.iter().filter(|item| item.is_folder && nfc_eq(&item.name, name)).collect();
    match matching.as_slice() {
        [folder] => Ok(folder),
        [] => Err(format!("the folder {name} is not at the destination")),
        several => Err(format!("the folder {name} is there {} times", several.len())),
    }
}

/// The same name, or where that was taken before: `name_YYYYMMDD_HHMMSS.ext`.
fn is_copy(wanted: &str, found: &str, taken: bool) -> bool {
    if !taken {
        return nfc_eq(wanted, found);
    }
    let (stem, extension) = match wanted.rfind('.') {
        Some(at) if at > 0 => wanted.split_at(at),
        _ => (wanted, ""),
    };
    let stamp = found.strip_prefix(stem).and_then(|rest| rest.strip_suffix(extension)).unwrap_or_default();
    stamp.len() == 16 && stamp.chars().all(|one| one == '_' || one.is_ascii_digit())
}

/// Compares two contents of any length in step.
async fn equal(
    ours: impl Stream<Item = Result<Bytes, Refusal>>,
    theirs: impl Stream<Item = Result<Bytes, Refusal>>,
) -> Result<bool, Refusal> {
    let (mut ours, mut theirs) = (std::pin::pin!(ours), std::pin::pin!(theirs));
    let (mut left, mut right) = (Bytes::new(), Bytes::new());
    loop {
        while left.is_empty() {
            match ours.next().await.transpose()? {
                Some(chunk) => left = chunk,
                None => break,
            }
        }
        while right.is_empty() {
            match theirs.next().await.transpose()? {
                Some(chunk) => right = chunk,
                None => break,
            }
        }
        if left.is_empty() || right.is_empty() {
            return Ok(left.is_empty() && right.is_empty());
        }
        let length = left.len().min(right.len());
        if left.split_to(length) != right.split_to(length) {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_taken_name_may_carry_a_stamp() {
        assert!(is_copy("a.txt", "a.txt", false));
        assert!(!is_copy("a.txt", "a_20260101_000000.txt", false));
        assert!(is_copy("a.txt", "a_20260101_000000.txt", true));
        assert!(!is_copy("a.txt", "a.txt", true));
        assert!(is_copy("notes", "notes_20260101_000000", true));
    }

    #[tokio::test]
    async fn contents_are_compared_whatever_their_chunks() {
        let of = |parts: &'static [&'static str]| {
            futures::stream::iter(parts.iter().map(|part| Ok(Bytes::from_static(part.as_bytes()))))
        };
        assert!(equal(of(&["ab", "", "c"]), of(&["a", "bc"])).await.unwrap());
        assert!(!equal(of(&["ab"]), of(&["abc"])).await.unwrap());
        assert!(!equal(of(&["abd"]), of(&["abc"])).await.unwrap());
        assert!(equal(of(&[]), of(&[""])).await.unwrap());
    }
}
