//! How far processes are: a test kills them at a moment of their work, not of a clock.

use std::path::Path;

use crate::Site;
use crate::wait::becomes_true;

/// After so many seconds a process that does little is killed all the same.
const LONGEST_SECONDS: u64 = 2;
/// What a process writes to standard error counts as a step by so many bytes, about a line.
const STEP_BYTES: u64 = 200;

/// Waits until the processes of a site have done so many steps more. A step is a request to a provider, or a line on
/// standard error: 0 is the moment of the start, a few are in the middle of start-up. Processes that wait for something
/// themselves are waited for only for two seconds.
pub fn go_on(site: &Site, steps: u64) {
    let end = done(site) + steps;
    becomes_true(LONGEST_SECONDS, || done(site) >= end);
}

/// Steps so far, of all processes that ever ran.
fn done(site: &Site) -> u64 {
    let counts = site.control().counts();
    let requests: u64 = counts.routes.values().flat_map(|by_status| by_status.values()).sum();
    requests + written_bytes(site.folder()) / STEP_BYTES
}

/// What all processes wrote to standard error.
fn written_bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let errors = files.filter(|file| file.file_name().to_string_lossy().starts_with("stderr"));
    errors.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}
