//! Transfers against a bare loop that downloads and uploads the same files with the same concurrency, and nothing else.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures::StreamExt as _;
use providers::http;
use serde_json::Value;

use crate::process::{Process, free_address, serve};
use crate::report::Report;
use crate::world::{DESTINATION_FOLDER, Files, SOURCE_FOLDER, World};

const CONCURRENCY: u32 = 8;
const SMALL: Files = Files { folders: 20, files_per_folder: 100, bytes: 64 * 1024 };
const LARGE: Files = Files { folders: 0, files_per_folder: 3, bytes: 1 << 30 };

struct Ran {
    seconds: f64,
    peak_bytes: u64,
}

pub(crate) fn measure(binary: &Path, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let idle = idle_bytes(binary)?;
    for (name, files, rounds) in [("2,000 × 64 KiB", SMALL, rounds), ("3 × 1 GiB", LARGE, 1)] {
        let (mut ours, mut bare, mut ratio, mut memory) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let loop_seconds = in_world(binary, files, |world, _| bare_loop(world))?;
            let ran = in_world(binary, files, |world, folder| transfer(binary, world, folder, files))?;
            bare.push(loop_seconds);
            ratio.push(loop_seconds / ran.seconds);
            memory.push((ran.peak_bytes.saturating_sub(idle)) as f64 / f64::from(1 << 20));
            ours.push(ran.seconds);
        }
        report.add(format!("transfer: {name}, bare loop"), &bare, "s", None);
        report.add(format!("transfer: {name}, gateledger"), &ours, "s", None);
        report.add(format!("transfer: {name}, speed / bare loop"), &ratio, "", Some("≥ 0.8"));
        report.add(format!("transfer: {name}, peak memory above idle"), &memory, "MiB", Some("≤ 64"));
    }
    Ok(())
}

fn in_world<T>(
    binary: &Path,
    files: Files,
    work: impl FnOnce(&World, &Path) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let folder = tempfile::tempdir()?;
    let world = World::start(binary, folder.path(), files, 1)?;
    work(&world, folder.path())
}

/// Memory of `serve` with accounts and nothing to do.
fn idle_bytes(binary: &Path) -> anyhow::Result<u64> {
    in_world(binary, Files { folders: 0, files_per_folder: 0, bytes: 0 }, |world, folder| {
        let address = free_address()?;
        let server: Process = serve(binary, folder, &world.config(address, CONCURRENCY), address)?;
        std::thread::sleep(Duration::from_secs(2));
        Ok(server.resident_bytes())
    })
}

/// `gateledger transfer`, timed from outside, its memory watched while it runs.
fn transfer(binary: &Path, world: &World, folder: &Path, files: Files) -> anyhow::Result<Ran> {
    std::fs::write(folder.join("gateledger.toml"), world.config(free_address()?, CONCURRENCY))?;
    let begun = Instant::now();
    let mut child = Command::new(binary)
        .args(["transfer", "--json"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut peak_bytes = 0;
    while child.try_wait()?.is_none() {
        peak_bytes = peak_bytes.max(peak_of(child.id()));
        std::thread::sleep(Duration::from_millis(5));
    }
    let seconds = begun.elapsed().as_secs_f64();
    let output = child.wait_with_output()?;
    let answer: Value = serde_json::from_slice(&output.stdout).context("the transfer printed no JSON")?;
    if answer["succeeded"] != true || answer["files"]["copied"] != files.count() {
        bail!("the transfer did not succeed: {answer}");
    }
    Ok(Ran { seconds, peak_bytes })
}

fn peak_of(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kibibytes: Option<u64> =
        text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// Lists, downloads and uploads; no ledger, no hash, no check, no folders made.
fn bare_loop(world: &World) -> anyhow::Result<f64> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = http::client().map_err(anyhow::Error::from_boxed)?;
        let begun = Instant::now();
        let reading = token(&client, world, "org-b").await?;
        let writing = token(&client, world, "org-a").await?;
        let mut files = Vec::new();
        let mut folders = vec![SOURCE_FOLDER.to_owned()];
        while let Some(folder) = folders.pop() {
            let url =
                format!("{}/workdrive/api/v1/files/{folder}/files?page%5Bnext%5D=0&page%5Blimit%5D=1000", world.base);
            let listing: Value = client.get(url).header("authorization", &reading).send().await?.json().await?;
            for item in listing["data"].as_array().into_iter().flatten() {
                let id = item["id"].as_str().unwrap_or_default().to_owned();
                let attributes = &item["attributes"];
                match attributes["is_folder"].as_bool() {
                    Some(true) => folders.push(id),
                    _ => files.push((id, attributes["name"].as_str().unwrap_or_default().to_owned())),
                }
            }
        }
        let copies = files.into_iter().enumerate().map(|(number, (id, name))| {
            let (client, reading, writing) = (&client, &reading, &writing);
            async move { copy(client, world, reading, writing, &id, &format!("{number}-{name}")).await }
        });
        let mut copies = futures::stream::iter(copies).buffer_unordered(CONCURRENCY as usize);
        while let Some(copied) = copies.next().await {
            copied?;
        }
        Ok(begun.elapsed().as_secs_f64())
    })
}

async fn token(client: &reqwest::Client, world: &World, organization: &str) -> anyhow::Result<String> {
    let form = [
        ("grant_type", "refresh_token".to_owned()),
        ("client_id", format!("client-{organization}")),
        ("client_secret", format!("secret-{organization}")),
        ("refresh_token", format!("refresh-{organization}")),
    ];
    let url = format!("{}/accounts/oauth/v2/token", world.base);
    let answer: Value = client.post(url).form(&form).send().await?.json().await?;
    Ok(format!("Zoho-oauthtoken {}", answer["access_token"].as_str().context("no token")?))
}

async fn copy(
    client: &reqwest::Client,
    world: &World,
    reading: &str,
    writing: &str,
    id: &str,
    name: &str,
) -> anyhow::Result<()> {
    let url = format!("{}/download/v1/workdrive/download/{id}", world.base);
    let download = client.get(url).header("authorization", reading).send().await?.error_for_status()?;
    let length = download.content_length().context("no length")?;
    let upload = client
        .post(format!("{}/upload/workdrive-api/v1/stream/upload", world.base))
        .header("authorization", writing)
        .header("content-length", length)
        .header("x-filename", name)
        .header("x-parent_id", DESTINATION_FOLDER)
        .header("x-override-name-exist", "false")
        .header("x-streammode", "1")
        .header("upload-id", uuid::Uuid::now_v7().to_string())
        .body(reqwest::Body::wrap_stream(download.bytes_stream()));
    upload.send().await?.error_for_status()?.bytes().await?;
    Ok(())
}
