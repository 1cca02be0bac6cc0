//! A thousand messages of six channels into an analysis service: time, requests, batches; with the provider's limits and
//! without.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use simulator::Seed;
use simulator::control::BatchMessageKind;
use simulator::seed::CliqOptions;
use simulator::seed::constants::ORG_A;

use crate::process::{Process, free_address};
use crate::report::Report;
use crate::simulated::{self, Simulated, command};
use crate::store::{Kind, Stores};

/// The provider's limits let 15 calls a minute pass.
const LIMIT: Duration = Duration::from_secs(600);
const NO_LIMITS: &str = "cliq_messages_per_minute = 60000\ncliq_lists_per_minute = 60000\n";

pub(crate) fn measure(binary: &Path, rounds: usize, stores: &mut Stores, report: &mut Report) -> anyhow::Result<()> {
    for kind in Kind::BOTH {
        let mut runs = Vec::new();
        for _ in 0..rounds {
            runs.push(run(binary, stores, kind, false)?);
        }
        add(report, &format!("{}, no limits", kind.name()), &runs);
    }
    add(report, "SQLite, the provider's limits", &[run(binary, stores, Kind::Sqlite, true)?]);
    Ok(())
}

struct Run {
    seconds: f64,
    messages: f64,
    requests: f64,
    refused: f64,
    batches: f64,
}

fn add(report: &mut Report, how: &str, runs: &[Run]) {
    let all = |value: fn(&Run) -> f64| runs.iter().map(value).collect::<Vec<_>>();
    report.add(format!("messages: received, {how}"), &all(|run| run.messages), "", None);
    report.add(format!("messages: time until all are received, {how}"), &all(|run| run.seconds), "s", None);
    report.add(format!("messages: requests to the provider, {how}"), &all(|run| run.requests), "", None);
    report.add(format!("messages: of these refused with 429, {how}"), &all(|run| run.refused), "", Some("0"));
    report.add(format!("messages: batches, {how}"), &all(|run| run.batches), "", None);
}

fn run(binary: &Path, stores: &mut Stores, kind: Kind, is_limited: bool) -> anyhow::Result<Run> {
    let folder = tempfile::tempdir()?;
    let mut seed = Seed::cliq(&CliqOptions::default());
    if !is_limited {
        let cliq = &mut seed.knobs.cliq;
        (cliq.messages_per_minute, cliq.channels_per_minute, cliq.threads_per_minute, cliq.users_per_minute) =
            (0, 0, 0, 0);
    }
    let simulated = Simulated::start(&seed, folder.path())?;
    std::fs::write(folder.path().join("key.json"), simulated.control().service_account()?.to_string())?;
    let address = free_address()?;
    let store = stores.make(kind, folder.path());
    store.migrate(binary, folder.path())?;
    let config = format!(
        "{}{}[accounts.{ORG_A}.cliq]\ningest = \"analysis\"\n[accounts.{ORG_A}.limits]\n{}[ingest.analysis]\n\
         url = \"{}\"\nauth = \"google-id-token\"\nservice_account = \"file:key.json\"\n\
         [ingest.analysis.endpoints]\ntoken = \"{}/token\"\n",
        store.config(),
        simulated.config(address),
        if is_limited { "" } else { NO_LIMITS },
        simulated.service("ingest")?,
        simulated.service("google")?,
    );
    std::fs::write(folder.path().join("gateledger.toml"), config)?;
    let state = simulated.control().state(&simulator::control::StateQuery::default());
    let channels = state.organizations.iter().filter(|one| one.name == ORG_A).flat_map(|one| &one.cliq.channels);
    let mut messages = 0;
    for channel in channels {
        messages += channel.messages.len() + channel.threads.iter().map(|thread| thread.messages.len()).sum::<usize>();
        let (id, chat) = (channel.channel_id.as_str(), channel.chat_id.as_str());
        let of_channel = ["--channel", id, "--chat", chat, "--name", &channel.name, "--room", &channel.name];
        let create = ["mappings", "create", "--account", ORG_A, "--client", "client"];
        command(binary, folder.path(), &[&create[..], &of_channel].concat())?;
    }
    let _process = Process::start(Command::new(binary).arg("serve").current_dir(folder.path()), address)?;
    let received = || -> usize {
        let kept = simulated.control().ingest().batches;
        let of_batch = |messages: &[simulator::control::BatchMessage]| {
            messages.iter().filter(|message| message.kind == BatchMessageKind::Message).count()
        };
        kept.iter().map(|kept| of_batch(&kept.batch.messages)).sum()
    };
    let took = simulated::until(LIMIT, "every message is received", || received() >= messages)?;
    let (requests, refused) = simulated.requests("cliq.");
    Ok(Run {
        seconds: took.as_secs_f64(),
        messages: received() as f64,
        requests: requests as f64,
        refused: refused as f64,
        batches: simulated.control().ingest().batches.len() as f64,
    })
}
