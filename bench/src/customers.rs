//! Users and customers of Books into the ERP's tables, through the old address that asks for everything: time, requests, 429s.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::ensure;
use providers::http;
use serde_json::Value;
use simulator::Seed;
use simulator::seed::BooksOptions;
use simulator::seed::constants::{BOOKS_ORGANIZATION_ID, ORG_A};

use crate::process::{Process, free_address};
use crate::report::Report;
use crate::simulated::{Simulated, token};
use crate::store::{Kind, Stores};

/// Some of them are vendors or not in use, and are not read.
const CONTACTS: u32 = 525;

pub(crate) fn measure(binary: &Path, rounds: usize, stores: &mut Stores, report: &mut Report) -> anyhow::Result<()> {
    for kind in Kind::BOTH {
        let mut runs = Vec::new();
        for _ in 0..rounds {
            runs.push(run(binary, stores, kind)?);
        }
        let all = |value: fn(&Run) -> f64| runs.iter().map(value).collect::<Vec<_>>();
        let name = kind.name();
        report.add(format!("customers: users, {name}"), &all(|run| run.users), "", None);
        report.add(format!("customers: customers, {name}"), &all(|run| run.customers), "", None);
        report.add(format!("customers: time until all are kept, {name}"), &all(|run| run.seconds), "s", Some("< 60"));
        report.add(format!("customers: requests to the provider, {name}"), &all(|run| run.requests), "", None);
        report.add(format!("customers: of these refused with 429, {name}"), &all(|run| run.refused), "", Some("0"));
    }
    Ok(())
}

struct Run {
    seconds: f64,
    users: f64,
    customers: f64,
    requests: f64,
    refused: f64,
}

fn run(binary: &Path, stores: &mut Stores, kind: Kind) -> anyhow::Result<Run> {
    let folder = tempfile::tempdir()?;
    let mut options = BooksOptions::default();
    options.generated.contacts = CONTACTS;
    let simulated = Simulated::start(&Seed::books(&options), folder.path())?;
    let address = free_address()?;
    let store = stores.make(kind, folder.path());
    store.migrate(binary, folder.path())?;
    // The schedule is far away: only what is asked for is measured.
    let config = format!(
        "{}{}[accounts.{ORG_A}.books]\norganization_id = \"{BOOKS_ORGANIZATION_ID}\"\nschedule = \"0 3 29 2 *\"\n\
         default_role = \"sales\"\n",
        store.config(),
        simulated.config(address),
    );
    std::fs::write(folder.path().join("gateledger.toml"), config)?;
    let token = token(binary, folder.path(), "admin")?;
    let _process = Process::start(Command::new(binary).arg("serve").current_dir(folder.path()), address)?;
    let begun = Instant::now();
    let answer: Value = stores.wait(async {
        let client = http::client().map_err(anyhow::Error::from_boxed)?;
        let url = format!("http://{address}/api/tds/sync/full-pipeline");
        let answer = client.post(url).bearer_auth(token).json(&serde_json::json!({})).send().await?;
        anyhow::Ok(answer.error_for_status()?.json().await?)
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(answer["success"] == true, "the pipeline answered {answer}");
    let result = &answer["result"];
    let customers = result["customer_assignments"]["total_checked"].as_f64().unwrap_or_default();
    let users = result["users"]["total_fetched"].as_f64().unwrap_or_default();
    let (requests, refused) = simulated.requests("books.");
    Ok(Run { seconds, users, customers, requests: requests as f64, refused: refused as f64 })
}
