//! Five hundred customers within the provider's limits, blocks that are waited out, processes that are killed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use catalogue::books::ContactChanged;
use chrono::TimeDelta;
use gateway::sync::books::want_assignments;
use gateway::sync::jobs::{Kind, State};
use simulator::control::BooksContactChange;
use simulator::seed::BooksOptions;
use simulator::{Fault, FaultRule, Seed};
use testkit::on_both_databases;
use testkit::store::Backend;
use testkit::wait::until;

use super::shop::Shop;
use crate::sync::stage::ORG;

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    five_hundred_customers_cost_six_calls_and_no_refusal,
    walk_goes_on_where_a_killed_process_stopped,
    block_of_an_hour_is_waited_out_and_said,
    faults_on_the_way_lose_and_repeat_nothing,
    everything_that_is_wanted_while_changes_are_read_is_read_after_them,
    change_that_a_deletion_moves_between_pages_is_read_by_the_next_sync,
}

fn seed() -> Seed {
    Seed::books(&BooksOptions::default())
}

async fn five_hundred_customers_cost_six_calls_and_no_refusal(on: Backend) {
    let mut shop = Shop::closed(on, &seed()).await;
    let began = Instant::now();
    shop.stage.start();
    let jobs = shop.done(2).await;
    let took = began.elapsed();
    let (users, contacts) = (shop.stage.calls("books.users"), shop.stage.calls("books.contacts"));
    assert_eq!((users, contacts, shop.stage.calls("books.contact")), (1, 4, 0));
    shop.stage.assert_well_behaved();
    let refused = shop.stage.control().counts().routes.values().any(|by_status| by_status.contains_key(&429));
    assert!(!refused);
    shop.assert_complete().await;
    let job = |kind| jobs.iter().find(|job| job.kind == kind).unwrap();
    assert_eq!(job(Kind::BooksUsers).counts["created"], 25);
    let counts = &job(Kind::BooksAssignments).counts;
    assert_eq!(counts["total_checked"], counts["updated"]);
    assert!(took.as_secs() < 60, "{took:?}");
}

async fn walk_goes_on_where_a_killed_process_stopped(on: Backend) {
    let mut shop = Shop::closed(on, &seed()).await;
    shop.stage.start();
    // The users, the newest change, the first page of customers.
    for pages in 3..=5 {
        until("another page is read", async || (shop.count("sync.read").await >= pages).then_some(())).await;
        shop.stage.process.crash().await;
        shop.stage.start();
    }
    let jobs = shop.done(2).await;
    shop.assert_complete().await;
    let facts = shop.stage.events("books_contact.changed").await;
    let ids: BTreeSet<String> =
        facts.iter().map(|event| event.decode::<ContactChanged>().unwrap().contact_id).collect();
    assert_eq!(ids.len(), facts.len(), "a contact has two facts");
    let counts = &jobs.iter().find(|job| job.kind == Kind::BooksAssignments).unwrap().counts;
    assert_eq!((counts["total_checked"], counts["skipped"]), (facts.len() as u64, 0));
    shop.stage.assert_well_behaved();
}

async fn block_of_an_hour_is_waited_out_and_said(on: Backend) {
    let mut shop = Shop::closed(on, &seed()).await;
    let block = Fault::Throttle { retry_after_seconds: Some(3600) };
    shop.stage.control().add_fault(FaultRule::once("books.contacts", block).skipping(2)).unwrap();
    shop.stage.start();
    let waiting = until("the job waits for the block", async || {
        shop.stage.jobs().await.into_iter().find(|job| job.error_code.as_deref() == Some("throttled"))
    });
    let waiting = waiting.await;
    assert_eq!((waiting.kind, waiting.state, waiting.failures), (Kind::BooksAssignments, State::Running, 0));
    let left = waiting.not_before - shop.stage.process.log.now();
    assert!(left > TimeDelta::minutes(58) && left < TimeDelta::minutes(62), "{left}");
    let calls = shop.stage.calls("books.contacts");
    shop.stage.advance(TimeDelta::minutes(30));
    let job = shop.stage.job(&waiting).await;
    assert_eq!((job.state, shop.stage.calls("books.contacts")), (State::Running, calls));
    shop.stage.advance(TimeDelta::minutes(31));
    shop.done(2).await;
    shop.assert_complete().await;
    shop.stage.assert_well_behaved();
}

async fn faults_on_the_way_lose_and_repeat_nothing(on: Backend) {
    let mut shop = Shop::closed(on, &seed()).await;
    for (route, skipped) in [("books.users", 0), ("books.contacts", 1), ("books.contacts", 2)] {
        let rule = FaultRule::once(route, Fault::Status { code: 503, html_body: false }).skipping(skipped);
        shop.stage.control().add_fault(rule).unwrap();
    }
    shop.stage.start();
    shop.done(2).await;
    shop.assert_complete().await;
    shop.stage.assert_well_behaved();
}

async fn everything_that_is_wanted_while_changes_are_read_is_read_after_them(on: Backend) {
    let shop = Shop::open(on, &seed()).await;
    let wait = Fault::Throttle { retry_after_seconds: Some(300) };
    shop.stage.control().add_fault(FaultRule::once("books.contacts", wait)).unwrap();
    let ask = shop.ask(false);
    let first = shop.write(move |unit| Box::pin(async move { want_assignments(unit, &ask).await })).await;
    until("the job waits", async || (shop.stage.job(&first).await.state == State::Running).then_some(())).await;
    let ask = shop.ask(true);
    let same = shop.write(move |unit| Box::pin(async move { want_assignments(unit, &ask).await })).await;
    assert_eq!((same.job_id, same.is_full), (first.job_id, false));
    let jobs = shop.done(4).await;
    let last = jobs.iter().max_by_key(|job| job.job_id).unwrap();
    assert!(last.is_full && last.counts["total_checked"] > 400, "{last:?}");
    shop.stage.assert_well_behaved();
}

async fn change_that_a_deletion_moves_between_pages_is_read_by_the_next_sync(on: Backend) {
    let shop = Shop::open(on, &seed()).await;
    let customers: Vec<String> = shop.books().contacts.into_iter().map(|one| one.id).collect();
    for (number, id) in customers.iter().enumerate() {
        let renamed = BooksContactChange { name: Some(format!("Renamed {number}")), ..BooksContactChange::default() };
        shop.stage.control().change_books_contact(ORG, id, &renamed).unwrap();
        if number % 50 == 0 {
            shop.stage.advance(TimeDelta::seconds(1));
        }
    }
    shop.stage.advance(TimeDelta::minutes(10));
    let block = Fault::Throttle { retry_after_seconds: Some(60) };
    shop.stage.control().add_fault(FaultRule::once("books.contacts", block).skipping(1)).unwrap();
    let ask = shop.ask(false);
    let job = shop.write(move |unit| Box::pin(async move { want_assignments(unit, &ask).await })).await;
    until("the first page is read", async || {
        (shop.stage.job(&job).await.error_code.as_deref() == Some("throttled")).then_some(())
    })
    .await;
    // The last that changed is on the page that was read.
    shop.stage.control().delete_books_contact(ORG, customers.last().unwrap()).unwrap();
    shop.ended(&job).await;
    shop.stage.advance(TimeDelta::minutes(10));
    shop.sync_customers(false).await;
    let here: BTreeMap<String, String> = shop.books().contacts.into_iter().map(|one| (one.id, one.name)).collect();
    let known = shop.assignments().await;
    let stale: Vec<&String> = known
        .values()
        .filter(|one| here.get(&one.contact_id).is_some_and(|name| *name != one.name))
        .map(|one| &one.name)
        .collect();
    assert!(stale.is_empty(), "not known as they are now: {stale:?}");
}
