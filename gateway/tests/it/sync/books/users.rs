//! Users of Books and the accounts that follow.

use catalogue::books::UserChanged;
use catalogue::erp::UserState;
use gateway::sync::books::{pipeline, want_pipeline};
use gateway::sync::jobs::{Kind, State};
use simulator::Seed;
use simulator::control::BooksUserChange;
use simulator::seed::{BooksUserSeed, BooksUserStatus};
use testkit::on_both_databases;
use testkit::store::Backend;

use super::shop::{ANN, BEN, CLEO, DAN, EVE, FINN, OTHER_CLEO, Shop};
use crate::sync::stage::ORG;

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    every_kind_of_user_gets_the_account_that_fits,
    state_that_comes_again_is_a_fact_of_its_own,
    whoever_leaves_is_switched_off_and_whoever_comes_back_is_on_again,
    role_that_means_something_else_from_now_on_changes_accounts_without_a_fact,
    pipeline_reads_users_before_customers_in_one_story,
}

fn role(role: &str) -> BooksUserChange {
    BooksUserChange { role: Some(role.to_owned()), ..BooksUserChange::default() }
}

fn status(status: BooksUserStatus) -> BooksUserChange {
    BooksUserChange { status: Some(status), ..BooksUserChange::default() }
}

async fn every_kind_of_user_gets_the_account_that_fits(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    let jobs = shop.stage.jobs().await;
    let counts = &jobs.iter().find(|job| job.kind == Kind::BooksUsers).unwrap().counts;
    assert_eq!((counts["total_fetched"], counts["created"], counts["updated"], counts["skipped"]), (7, 7, 0, 0));
    let accounts = shop.accounts().await;
    let seen = |id: &str| {
        let account = &accounts[id];
        (account.erp_role.as_deref(), account.state, account.needs_invitation)
    };
    assert_eq!(seen(ANN), (Some("administrator"), UserState::Active, true));
    assert_eq!(seen(BEN), (Some("sales"), UserState::Active, true));
    assert_eq!(seen(CLEO), (None, UserState::Active, true), "a role that nobody named is for a person");
    assert_eq!(seen(OTHER_CLEO), (Some("sales"), UserState::Held, false));
    assert_eq!(seen(DAN), (None, UserState::Inactive, false));
    assert_eq!(seen(EVE), (Some("sales"), UserState::Active, true));
    assert_eq!(seen(FINN), (Some("sales"), UserState::Inactive, false));

    let again = shop.sync_users().await;
    assert_eq!((again.counts["total_fetched"], again.counts["skipped"]), (7, 7));
    assert_eq!((shop.count("books_user.changed").await, shop.count("books_user.gone").await), (7, 1));
    shop.stage.assert_well_behaved();
}

async fn state_that_comes_again_is_a_fact_of_its_own(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    for there in ["admin", "staff"] {
        shop.stage.control().change_books_user(ORG, BEN, &role(there)).unwrap();
        let job = shop.sync_users().await;
        assert_eq!((job.counts["updated"], job.counts["skipped"]), (1, 6));
    }
    let facts = shop.stage.events("books_user.changed").await;
    let facts = facts.iter().map(|event| event.decode::<UserChanged>().unwrap()).filter(|fact| fact.user_id == BEN);
    let roles: Vec<_> = facts.map(|fact| fact.role.unwrap()).collect();
    assert_eq!(roles, ["staff", "admin", "staff"]);
}

async fn whoever_leaves_is_switched_off_and_whoever_comes_back_is_on_again(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    shop.stage.control().delete_books_user(ORG, BEN).unwrap();
    shop.sync_users().await;
    let account = shop.accounts().await[BEN].clone();
    assert_eq!((account.state, account.needs_invitation), (UserState::Inactive, true));
    shop.stage.control().change_books_user(ORG, BEN, &status(BooksUserStatus::Active)).unwrap();
    shop.sync_users().await;
    assert_eq!(shop.accounts().await[BEN].state, UserState::Active);
    assert_eq!(shop.count("books_user.gone").await, 2, "one who was gone from the start, and this one once");
    shop.stage.assert_well_behaved();
}

async fn role_that_means_something_else_from_now_on_changes_accounts_without_a_fact(on: Backend) {
    let mut shop = Shop::open(on, &Seed::demo()).await;
    let facts = shop.count("books_user.changed").await;
    shop.stage.process.stop().await;
    let books = shop.stage.process.settings.books.get_mut("org-a").unwrap();
    books.roles.insert("sales executive".to_owned(), "sales".to_owned());
    shop.stage.start();
    let job = shop.sync_users().await;
    assert_eq!((job.counts["updated"], job.counts["skipped"]), (1, 6));
    assert_eq!(shop.accounts().await[CLEO].erp_role.as_deref(), Some("sales"));
    assert_eq!(shop.count("books_user.changed").await, facts);
}

async fn pipeline_reads_users_before_customers_in_one_story(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    let new = BooksUserSeed { name: "Gus".to_owned(), email: "gus@example.com".to_owned(), ..BooksUserSeed::default() };
    let gus = shop.stage.control().add_books_user(ORG, &new).unwrap();
    shop.stage.control().change_books_owner(ORG, &super::shop::contact(1), Some(&gus)).unwrap();
    let ask = shop.ask(true);
    let wanted = shop.write(move |unit| Box::pin(async move { want_pipeline(unit, &ask).await })).await;
    shop.done(4).await;
    let readers = shop.stage.process.log.database().readers();
    let found = pipeline(readers, &wanted).await.unwrap().unwrap();
    assert_eq!((found.state(), found.users.counts["created"]), (State::Completed, 1));
    assert_eq!((found.assignments.counts["total_checked"], found.assignments.counts["updated"]), (10, 1));
    assert_eq!(found.users.correlation_id, found.assignments.correlation_id);
    assert!(found.users.finished_at <= found.assignments.started_at);
    assert_eq!(shop.assignments().await[&super::shop::contact(1)].owner_id, Some(gus));
    shop.stage.assert_well_behaved();
}
