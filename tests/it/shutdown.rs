//! SIGTERM: no new work, running work is finished or parked, and the next start goes on.

use std::time::{Duration, Instant};

use simulator::{Fault, FaultRule};
use tests::verify::{self, is_checked, records};
use tests::wait::until_true;
use tests::{Site, Store, story};

use crate::trees::{at_source, small};

on_both! {
    sigterm_parks_a_long_upload_and_the_next_start_finishes_it,
    second_signal_ends_at_once,
    sigterm_when_idle_ends_quickly_and_well,
}

const MIB: u64 = 1024 * 1024;

/// One record whose folder holds a large file that takes half a minute, and small ones.
fn slow_site(store: Store, grace_seconds: u32) -> Site {
    let mut seed = small(1, 3);
    let mut large = at_source("Customer 0001/large.bin");
    large.size_bytes = Some(30 * MIB);
    seed.organizations[1].workdrive.entries.push(large);
    seed.faults.push(FaultRule::once("workdrive.download", Fault::SlowDrip { bytes_per_second: MIB }).forever());
    let site = Site::on(store, &seed);
    site.configure(&site.settings().with(&format!("[service]\nshutdown_grace_seconds = {grace_seconds}")));
    site
}

fn until_only_the_large_file_is_left(site: &Site) {
    let log = site.log();
    until_true("only the large file is under way", 30, || {
        log.events_of("transfer_file.completed") == 3
            && log.count("SELECT count(*) FROM effects WHERE kind = 'file.copy' AND status = 'started'") == 1
    });
}

fn sigterm_parks_a_long_upload_and_the_next_start_finishes_it(store: Store) {
    let site = slow_site(store, 3);
    let before = site.state();
    let mut process = site.serve();
    until_only_the_large_file_is_left(&site);

    let told = Instant::now();
    process.terminate();
    process.wait(10);
    let took = told.elapsed();
    assert!(took < Duration::from_secs(4), "it took {took:?} with 3 s of grace");
    assert_eq!(
        site.log().count("SELECT count(*) FROM effects WHERE status = 'started'"),
        0,
        "work was left, not parked"
    );

    site.control().clear_faults();
    let mut process = site.serve();
    until_true("the next start finishes", 30, || records(&site.state()).iter().all(is_checked));
    process.terminate();
    assert!(process.wait(10).success());
    verify::compare(&before, &site.state()).assert_right();
    story::read(&site.log()).assert_whole();
    assert!(site.control().counts().misdeeds.is_empty(), "{:?}", site.control().counts().misdeeds);
}

fn second_signal_ends_at_once(store: Store) {
    let site = slow_site(store, 60);
    let mut process = site.serve();
    until_only_the_large_file_is_left(&site);
    process.terminate();
    until_true("the first signal is heard", 10, || site.get("/ready").is_none_or(|answer| answer.status != 200));
    assert!(process.is_running(), "work is under way, so the first signal only begins the end");
    let told = Instant::now();
    process.terminate();
    process.wait(10);
    assert!(told.elapsed() < Duration::from_secs(2), "it took {:?}", told.elapsed());
}

fn sigterm_when_idle_ends_quickly_and_well(store: Store) {
    let site = Site::on(store, &small(1, 2));
    let mut process = site.serve();
    until_true("the work is done", 30, || records(&site.state()).iter().all(is_checked));
    let told = Instant::now();
    process.terminate();
    assert!(process.wait(10).success());
    assert!(told.elapsed() < Duration::from_secs(2), "it took {:?}", told.elapsed());
}
