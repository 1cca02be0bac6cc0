//! SIGKILL at any moment, under faults: every file is there once, every checkbox is set once, every story has its end.
//!
//! One process on SQLite here; many processes on PostgreSQL in [`fleet`].

pub mod fleet;
pub mod run;

use std::time::Duration;

use rand::RngExt;
use simulator::{Fault, FaultRule, MigrationOptions, Seed};
use tests::wait::until_true;
use tests::{Site, Store, binary, story, verify};

use crate::trees::pending;

use run::Run;

on_both! {
    lost_answer_about_a_new_folder_makes_no_double_for_another_record,
}

#[test]
fn serve_killed_at_any_moment_moves_every_file_once() {
    let mut run = Run::new(binary::seed());
    let kills = binary::kills();
    for _ in 0..kills {
        run.keep_busy();
        let process = run.site.start(&["serve"]);
        let life = Duration::from_millis(run.random.random_range(200..1_000));
        std::thread::sleep(life);
        let id = process.id();
        process.kill();
        run.look_at_the_dead(id);
    }
    let mut process = run.site.serve();
    run.until_all_is_done();
    process.terminate();
    assert!(process.wait(10).success(), "serve does not end well:\n{}", process.stderr());
    run.check(kills, kills + 1);
}

#[test]
fn transfer_killed_at_any_moment_goes_on_where_it_stopped() {
    let mut run = Run::new(binary::seed().wrapping_add(1));
    let kills = binary::kills().div_ceil(4);
    for _ in 0..kills {
        run.keep_busy();
        let process = run.site.start(&["transfer"]);
        let life = Duration::from_millis(run.random.random_range(200..1_600));
        std::thread::sleep(life);
        let id = process.id();
        process.kill();
        run.look_at_the_dead(id);
    }
    // A run ends when nothing is pending for it; what a fault made it miss is found by the next one.
    let mut starts = kills;
    until_true("a run of `transfer` succeeds", 120, || {
        starts += 1;
        run.site.run(&["transfer", "--json"]).code == Some(0) && run.pending() == 0
    });
    run.check(kills, starts);
}

fn lost_answer_about_a_new_folder_makes_no_double_for_another_record(store: Store) {
    let options = MigrationOptions { folders: 4, files_per_folder: 2, ..MigrationOptions::default() };
    let mut seed = Seed::migration(&options);
    let mut twin = pending("customer 0001");
    twin.id = Some("520000000000200001".to_owned());
    seed.organizations[0].modules[0].records.push(twin);
    // Two of the four inner folders are made and nobody hears of it.
    seed.faults.push(FaultRule::once("workdrive.create_folder", Fault::CutAfter {}).skipping(1).times(2));
    let site = Site::on(store, &seed);
    let before = site.state();
    let ran = site.run(&["transfer", "--json"]);
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    verify::compare(&before, &site.state()).assert_right();
    let told = story::read(&site.log());
    told.assert_whole();
    assert_eq!((told.runs, told.files, told.updated), (2, 8, 2));
    assert!(site.control().counts().misdeeds.is_empty(), "{:?}", site.control().counts().misdeeds);
}
