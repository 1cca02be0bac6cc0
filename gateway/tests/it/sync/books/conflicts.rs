//! What contradicts: one address twice, one customer given to two people; and what people decide.

use catalogue::erp::{AssignmentState, ConflictAbout, ConflictState, Decision, UserState, user_id};
use mappings::Error;
use mappings::conflict::{self, Conflict, Filter};
use mappings::salesperson::assign;
use simulator::Seed;
use simulator::control::BooksUserChange;
use testkit::on_both_databases;
use testkit::store::Backend;
use uuid::Uuid;

use super::shop::{ACCOUNT, ANN, BEN, CLEO, OTHER_CLEO, Shop, contact};
use crate::sync::stage::{ORG, actor};

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    one_address_twice_waits_for_a_person_whose_word_moves_the_customers,
    address_that_is_corrected_ends_the_conflict_by_itself,
    wish_of_the_erp_is_over_once_books_follows,
    owner_changed_on_both_sides_is_for_a_person_to_decide,
    decisions_that_do_not_fit_are_refused,
}

impl Shop {
    async fn conflicts(&self) -> Vec<Conflict> {
        conflict::list(self.stage.process.log.database().readers(), &Filter::default(), None, 100).await.unwrap()
    }

    async fn only_conflict(&self, kind: &str) -> Conflict {
        let mut all = self.conflicts().await;
        all.retain(|conflict| conflict.about.kind().as_str() == kind);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    async fn decide(&self, conflict_id: Uuid, decision: &Decision) -> Result<Conflict, Error> {
        let process = &self.stage.process;
        conflict::decide(&process.log, &actor(), &process.config, conflict_id, decision).await
    }

    async fn assign(&self, number: u64, user: &str) {
        let process = &self.stage.process;
        let books = process.config.accounts[ACCOUNT].books.clone().unwrap();
        let salesperson = user_id(ACCOUNT, user);
        assign(&process.log, &actor(), ACCOUNT, &books, &contact(number), salesperson).await.unwrap();
    }
}

async fn one_address_twice_waits_for_a_person_whose_word_moves_the_customers(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    let found = shop.only_conflict("same_email").await;
    let user_ids = vec![CLEO.to_owned(), OTHER_CLEO.to_owned()];
    assert_eq!(found.about, ConflictAbout::SameEmail { email: "cleo@example.com".to_owned(), user_ids });
    assert_eq!(found.state, ConflictState::Open);
    let keep = Decision::KeepUser { user_id: OTHER_CLEO.to_owned() };
    shop.decide(found.conflict_id, &keep).await.unwrap();
    let accounts = shop.accounts().await;
    let into = Some(user_id(ACCOUNT, OTHER_CLEO));
    assert_eq!((accounts[OTHER_CLEO].state, accounts[OTHER_CLEO].needs_invitation), (UserState::Active, true));
    assert_eq!((accounts[CLEO].state, accounts[CLEO].merged_into), (UserState::Merged, into));
    let assignment = shop.assignments().await[&contact(3)].clone();
    assert_eq!((assignment.owner_id.as_deref(), assignment.salesperson_id), (Some(CLEO), into));

    let told = shop.stage.events("conflict.decided").await;
    assert!(told[0].metadata.contains("cli:test") && told[0].data.contains("cli:test"), "{told:?}");
    let head = shop.stage.process.log.high_water_mark().await.unwrap();
    shop.decide(found.conflict_id, &keep).await.unwrap();
    assert_eq!(shop.stage.process.log.high_water_mark().await.unwrap(), head, "what is decided is no event again");
    shop.sync_users().await;
    assert_eq!(shop.only_conflict("same_email").await.state, ConflictState::Decided);
    assert_eq!(shop.accounts().await[CLEO].state, UserState::Merged);
}

async fn address_that_is_corrected_ends_the_conflict_by_itself(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    let change = BooksUserChange { email: Some("cc@example.com".to_owned()), ..BooksUserChange::default() };
    shop.stage.control().change_books_user(ORG, OTHER_CLEO, &change).unwrap();
    shop.sync_users().await;
    assert_eq!(shop.only_conflict("same_email").await.state, ConflictState::Resolved);
    assert_eq!(shop.accounts().await[OTHER_CLEO].state, UserState::Active);
    let change = BooksUserChange { email: Some("CLEO@example.com ".to_owned()), ..BooksUserChange::default() };
    shop.stage.control().change_books_user(ORG, OTHER_CLEO, &change).unwrap();
    shop.sync_users().await;
    assert_eq!(shop.only_conflict("same_email").await.state, ConflictState::Open);
    assert_eq!(shop.count("conflict.found").await, 2);
}

async fn wish_of_the_erp_is_over_once_books_follows(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    shop.assign(1, BEN).await;
    shop.assign(1, BEN).await;
    assert_eq!(shop.count("salesperson.assigned").await, 1, "the same wish is no event again");
    let wanted = shop.assignments().await[&contact(1)].clone();
    assert_eq!(wanted.wanted_salesperson_id, Some(user_id(ACCOUNT, BEN)));
    assert_eq!(wanted.salesperson_id, Some(user_id(ACCOUNT, ANN)));
    shop.sync_customers(true).await;
    assert!(shop.assignments().await[&contact(1)].wanted_salesperson_id.is_some());
    shop.stage.control().change_books_owner(ORG, &contact(1), Some(BEN)).unwrap();
    shop.sync_customers(false).await;
    let followed = shop.assignments().await[&contact(1)].clone();
    assert_eq!((followed.wanted_salesperson_id, followed.salesperson_id), (None, Some(user_id(ACCOUNT, BEN))));
    assert_eq!(shop.count("conflict.found").await, 1, "only the address");
}

async fn owner_changed_on_both_sides_is_for_a_person_to_decide(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    for (number, decision) in [(1, Decision::KeepBooksOwner), (11, Decision::KeepErpOwner)] {
        shop.assign(number, BEN).await;
        shop.stage.control().change_books_owner(ORG, &contact(number), Some(CLEO)).unwrap();
        shop.sync_customers(false).await;
        let all = shop.conflicts().await;
        let found = all.iter().find(|one| one.about.subject() == contact(number)).unwrap();
        assert_eq!(found.state, ConflictState::Open);
        shop.decide(found.conflict_id, &decision).await.unwrap();
        let assignment = shop.assignments().await[&contact(number)].clone();
        assert_eq!(assignment.salesperson_id, Some(user_id(ACCOUNT, CLEO)));
        let wanted = (decision == Decision::KeepErpOwner).then_some(user_id(ACCOUNT, BEN));
        assert_eq!(assignment.wanted_salesperson_id, wanted);
    }
    assert_eq!(shop.count("salesperson.assigned").await, 3, "what a person decides for the erp is wanted anew");
    shop.sync_customers(true).await;
    let states: Vec<ConflictState> = shop.conflicts().await.iter().map(|one| one.state).collect();
    assert_eq!(states.iter().filter(|state| **state == ConflictState::Decided).count(), 2);
    assert_eq!(shop.state_of(&contact(1)).await, AssignmentState::Assigned);
}

async fn decisions_that_do_not_fit_are_refused(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    let found = shop.only_conflict("same_email").await;
    for decision in [Decision::KeepBooksOwner, Decision::KeepUser { user_id: ANN.to_owned() }] {
        let refused = shop.decide(found.conflict_id, &decision).await.unwrap_err();
        assert!(matches!(refused, Error::Invalid { .. }), "{refused}");
    }
    let keep = Decision::KeepUser { user_id: CLEO.to_owned() };
    assert!(matches!(shop.decide(Uuid::nil(), &keep).await, Err(Error::UnknownConflict { .. })));
    let mut stranger = actor();
    stranger.organization = Some("umbrella".to_owned());
    let process = &shop.stage.process;
    let refused = conflict::decide(&process.log, &stranger, &process.config, found.conflict_id, &keep).await;
    assert!(matches!(refused, Err(Error::UnknownConflict { .. })));
    assert_eq!(shop.count("conflict.decided").await, 0);
}
