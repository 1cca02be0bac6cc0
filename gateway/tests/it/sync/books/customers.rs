//! Customers of Books and whose they are.

use catalogue::books::ContactChanged;
use catalogue::erp::{AssignmentState, user_id};
use chrono::TimeDelta;
use simulator::Seed;
use simulator::control::BooksContactChange;
use simulator::seed::{BooksContactSeed, BooksUserSeed};
use testkit::on_both_databases;
use testkit::store::Backend;

use super::shop::{ACCOUNT, ANN, BEN, CLEO, NOBODY_KNOWN, Shop, contact};
use crate::sync::stage::ORG;

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    every_customer_is_what_its_owner_is,
    incremental_sync_reads_what_changed_and_nothing_else,
    merged_and_deleted_contacts_are_gone_after_they_were_asked_for,
    owner_who_appears_later_gets_their_customers_at_once,
    customers_of_one_who_left_stay_theirs_and_are_listed,
    changes_within_one_second_are_facts_of_their_own,
}

fn named(name: &str) -> BooksContactChange {
    BooksContactChange { name: Some(name.to_owned()), ..BooksContactChange::default() }
}

async fn every_customer_is_what_its_owner_is(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    let assignments = shop.assignments().await;
    let seen = |number: u64| {
        let one = &assignments[&contact(number)];
        (one.state, one.salesperson_id)
    };
    let account = |user: &str| Some(user_id(ACCOUNT, user));
    assert_eq!(seen(1), (AssignmentState::Assigned, account(ANN)));
    assert_eq!(seen(3), (AssignmentState::Assigned, account(CLEO)));
    assert_eq!(seen(5).0, AssignmentState::InactiveOwner);
    assert_eq!(seen(6).0, AssignmentState::InactiveOwner);
    assert_eq!(seen(7), (AssignmentState::UnmappedOwner, None));
    assert_eq!(seen(8), (AssignmentState::Unassigned, None));
    assert_eq!(seen(9), (AssignmentState::Assigned, account(BEN)), "an inactive contact is a customer");
    assert!(!assignments.contains_key(&contact(10)), "a vendor is no customer");
    shop.assert_complete().await;

    let again = shop.sync_customers(true).await;
    assert_eq!((again.counts["total_checked"], again.counts["updated"], again.counts["skipped"]), (10, 0, 10));
    assert_eq!(shop.count("books_contact.changed").await, 10);
    shop.stage.assert_well_behaved();
}

async fn incremental_sync_reads_what_changed_and_nothing_else(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    let calls = shop.stage.calls("books.contacts");
    let quiet = shop.sync_customers(false).await;
    assert_eq!((quiet.counts["updated"], quiet.counts["calls"]), (0, 1));
    shop.stage.control().change_books_contact(ORG, &contact(2), &named("Acme Traders")).unwrap();
    shop.stage.control().change_books_owner(ORG, &contact(8), Some(ANN)).unwrap();
    let new =
        BooksContactSeed { name: "New".to_owned(), owner_id: Some(BEN.to_owned()), ..BooksContactSeed::default() };
    shop.stage.control().add_books_contact(ORG, &new).unwrap();
    let job = shop.sync_customers(false).await;
    assert_eq!((job.counts["updated"], job.counts["calls"]), (3, 1));
    assert_eq!(shop.stage.calls("books.contacts") - calls, 2);
    assert_eq!(shop.count("books_contact.changed").await, 13);
    shop.assert_complete().await;
    shop.stage.advance(TimeDelta::days(1));
    shop.done(6).await;
    assert_eq!(shop.count("books_contact.changed").await, 13, "what was read again is nothing new");
    shop.stage.assert_well_behaved();
}

async fn merged_and_deleted_contacts_are_gone_after_they_were_asked_for(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    shop.stage.control().delete_books_contact(ORG, &contact(1)).unwrap();
    shop.stage.control().merge_books_contacts(ORG, &contact(3), &contact(4)).unwrap();
    shop.sync_customers(false).await;
    assert_eq!(shop.count("books_contact.gone").await, 0, "what changed does not tell who is gone");
    let job = shop.sync_customers(true).await;
    assert_eq!((job.counts["total_checked"], job.counts["updated"]), (10, 2));
    assert_eq!(shop.stage.calls("books.contact"), 2, "each is asked for once");
    assert_eq!(shop.state_of(&contact(1)).await, AssignmentState::Gone);
    assert_eq!(shop.state_of(&contact(4)).await, AssignmentState::Gone);
    shop.assert_complete().await;
    shop.sync_customers(true).await;
    assert_eq!((shop.stage.calls("books.contact"), shop.count("books_contact.gone").await), (2, 2));
    shop.stage.assert_well_behaved();
}

async fn owner_who_appears_later_gets_their_customers_at_once(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    assert_eq!(shop.state_of(&contact(7)).await, AssignmentState::UnmappedOwner);
    let late = BooksUserSeed {
        id: Some(NOBODY_KNOWN.to_owned()),
        name: "Late".to_owned(),
        email: "late@example.com".to_owned(),
        ..BooksUserSeed::default()
    };
    shop.stage.control().add_books_user(ORG, &late).unwrap();
    let calls = shop.stage.calls("books.contacts");
    shop.sync_users().await;
    let assignment = shop.assignments().await[&contact(7)].clone();
    assert_eq!(assignment.state, AssignmentState::Assigned);
    assert_eq!(assignment.salesperson_id, Some(user_id(ACCOUNT, NOBODY_KNOWN)));
    assert_eq!(assignment.before.unwrap().state, AssignmentState::UnmappedOwner);
    assert_eq!(shop.stage.calls("books.contacts"), calls);
}

async fn customers_of_one_who_left_stay_theirs_and_are_listed(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    shop.stage.control().deactivate_books_user(ORG, ANN).unwrap();
    shop.sync_users().await;
    let assignment = shop.assignments().await[&contact(1)].clone();
    assert_eq!((assignment.state, assignment.owner_id.as_deref()), (AssignmentState::InactiveOwner, Some(ANN)));
    assert_eq!(assignment.salesperson_id, Some(user_id(ACCOUNT, ANN)));
}

async fn changes_within_one_second_are_facts_of_their_own(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    for owner in [BEN, ANN] {
        let owner_id = Some(owner.to_owned());
        let change = BooksContactChange { owner_id, keep_modified_time: true, ..BooksContactChange::default() };
        shop.stage.control().change_books_contact(ORG, &contact(1), &change).unwrap();
        shop.sync_customers(true).await;
    }
    let facts = shop.stage.events("books_contact.changed").await;
    let facts = facts.iter().map(|event| event.decode::<ContactChanged>().unwrap());
    let owners: Vec<_> =
        facts.filter(|fact| fact.contact_id == contact(1)).map(|fact| fact.owner_id.unwrap()).collect();
    assert_eq!(owners, [ANN, BEN, ANN]);
}
