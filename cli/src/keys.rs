//! `keys generate | rotate`: the key under which tokens are encrypted.

use std::path::Path;

use accounts::Rotation;
use event_log::Access;
use serde::Serialize;
use service::config::{Config, ExposeSecret as _};

use crate::operator;
use crate::output::Output;
use crate::runtime::open_log;

#[derive(Debug, Serialize)]
struct Generated<'a> {
    key: Option<&'a str>,
    file: Option<String>,
}

#[derive(Debug, Serialize)]
struct Rotated {
    key_id: String,
    resealed: u64,
    unused_key_ids: Vec<String>,
    unused_keys_in: Vec<String>,
    unreadable: Vec<Unreadable>,
}

#[derive(Debug, Serialize)]
struct Unreadable {
    key_id: String,
    rows: u64,
}

/// `keys generate`
pub fn generate(out: Option<&Path>, output: Output) -> anyhow::Result<()> {
    let key = accounts::keys::generate()?;
    let Some(path) = out else {
        let generated = Generated { key: Some(key.expose_secret()), file: None };
        output.document(&generated, || key.expose_secret().to_owned())?;
        return Ok(());
    };
    accounts::keys::write(path, &key)?;
    let file = path.display().to_string();
    output.document(&Generated { key: None, file: Some(file.clone()) }, || format!("a new key is in {file}"))?;
    Ok(())
}

/// `keys rotate`; returns whether everything lies under the key now.
pub async fn rotate(config: &Config, output: Output) -> anyhow::Result<bool> {
    let log = open_log(config, Access::Existing).await?;
    let mut rotation = Rotation::begin(config, log).await?;
    let how = if rotation.made_key() { "a new key, in its place now" } else { "the key that is in place" };
    eprintln!("sealing everything with {} ({how})", rotation.key_id());
    while rotation.reseal_batch().await? {}
    let report = rotation.finish(&operator::actor(config)).await?;
    let unreadable = report.unreadable.into_iter().map(|(key_id, rows)| Unreadable { key_id, rows });
    let rotated = Rotated {
        key_id: report.key_id,
        resealed: report.resealed,
        unused_key_ids: report.unused_key_ids,
        unused_keys_in: report.unused_keys_in,
        unreadable: unreadable.collect(),
    };
    output.document(&rotated, || in_words(&rotated))?;
    Ok(rotated.unreadable.is_empty())
}

fn in_words(rotated: &Rotated) -> String {
    let mut lines =
        vec![format!("everything lies under {}; {} rows were sealed anew", rotated.key_id, rotated.resealed)];
    if !rotated.unused_key_ids.is_empty() {
        lines.push(format!(
            "no row needs {} any more: once every process runs with the new key, take it from {}",
            rotated.unused_key_ids.join(", "),
            rotated.unused_keys_in.join(" or ")
        ));
    }
    for Unreadable { key_id, rows } in &rotated.unreadable {
        lines.push(format!(
            "{rows} rows were sealed with {key_id}, which is not known or does not open them: add it to \
             GATELEDGER_KEY_PREVIOUS and rotate again, or connect their accounts anew"
        ));
    }
    lines.join("\n")
}
