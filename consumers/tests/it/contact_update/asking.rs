//! What is written, what is not, and in which order.

use catalogue::actor::Actor;
use catalogue::books::{AssignedHow, ContactAssignDropped, DropReason};
use catalogue::erp::{ConflictState, Decision, SALESPERSON_ASSIGNED, user_id};
use mappings::conflict;
use simulator::Fault;

use super::office::{ACCOUNT, ANN, BEN, CLEO, CUSTOMER, OTHER, Office, READ_ONLY, WRITTEN};
use crate::database::On;

each_database! {
    tokio::test(flavor = "multi_thread", worker_threads = 2);
    salesperson_of_the_erp_owns_the_contact_in_books,
    our_own_change_that_comes_back_is_no_other_wish_and_no_conflict,
    owner_that_books_has_already_costs_no_write,
    owner_changed_in_books_meanwhile_is_left_alone_and_contradicts,
    decision_for_the_erp_is_written_and_one_for_books_is_not,
    decisions_about_one_customer_are_written_in_their_order_and_the_last_counts,
    salesperson_who_is_given_back_a_customer_keeps_it_whatever_was_on_its_way,
    books_that_is_read_only_gets_what_still_holds_once_it_may_be_written,
}

async fn dropped(office: &Office) -> Vec<DropReason> {
    let told = office.stage.events("contact.assign_dropped").await;
    told.iter().map(|event| event.decode::<ContactAssignDropped>().unwrap().reason).collect()
}

async fn salesperson_of_the_erp_owns_the_contact_in_books(on: On) {
    let office = Office::open(on).await;
    office.assign(CUSTOMER, BEN).await;
    let told = office.stage.until_events("contact.assigned", 1).await;
    office.stage.until_idle().await;
    assert_eq!(office.in_books(CUSTOMER), (BEN.to_owned(), 1));
    assert_eq!(office.in_books(OTHER), (ANN.to_owned(), 0));
    office.assert_settled(CUSTOMER, BEN).await;
    let assigned = &office.assigned().await[0];
    assert_eq!((assigned.how, assigned.replaced_owner_id.as_deref()), (AssignedHow::Written, Some(ANN)));
    assert_eq!(assigned.salesperson_id, user_id(ACCOUNT, BEN));
    let wanted = &office.stage.events(SALESPERSON_ASSIGNED.as_str()).await[0];
    assert_eq!((told[0].causation_id, told[0].correlation_id), (Some(wanted.id), wanted.correlation_id));
    assert_eq!(told[0].stream_name.as_str(), "contact_owner-org-a-201");
    assert!(office.conflicts().await.is_empty() && office.stage.dead_letters().await.is_empty());
}

async fn our_own_change_that_comes_back_is_no_other_wish_and_no_conflict(on: On) {
    let office = Office::open(on).await;
    office.assign(CUSTOMER, BEN).await;
    office.stage.until_events("contact.assigned", 1).await;
    office.stage.until_idle().await;
    let facts = office.stage.events("books_contact.changed").await.len();
    office.read().await;
    office.stage.until_idle().await;
    assert_eq!(office.stage.events("books_contact.changed").await.len(), facts, "the poll saw what was known");
    assert_eq!(office.stage.events(SALESPERSON_ASSIGNED.as_str()).await.len(), 1);
    assert_eq!(office.in_books(CUSTOMER), (BEN.to_owned(), 1));
    office.assert_settled(CUSTOMER, BEN).await;
}

async fn owner_that_books_has_already_costs_no_write(on: On) {
    let office = Office::open(on).await;
    office.change_in_books(CUSTOMER, BEN);
    office.assign(CUSTOMER, BEN).await;
    office.stage.until_events("contact.assigned", 1).await;
    office.stage.until_idle().await;
    assert_eq!(office.assigned().await[0].how, AssignedHow::Found);
    assert_eq!(office.in_books(CUSTOMER), (BEN.to_owned(), 0));
    office.assert_settled(CUSTOMER, BEN).await;
}

async fn owner_changed_in_books_meanwhile_is_left_alone_and_contradicts(on: On) {
    let office = Office::open(on).await;
    office.change_in_books(CUSTOMER, CLEO);
    office.assign(CUSTOMER, BEN).await;
    let told = office.stage.until_events("contact.assign_dropped", 1).await;
    office.stage.until_idle().await;
    let dropped: ContactAssignDropped = told[0].decode().unwrap();
    assert_eq!((dropped.reason, dropped.books_owner_id.as_deref()), (DropReason::OwnerChanged, Some(CLEO)));
    assert_eq!(office.in_books(CUSTOMER), (CLEO.to_owned(), 0));
    let conflicts = office.conflicts().await;
    assert_eq!((conflicts.len(), conflicts[0].state), (1, ConflictState::Open));
    assert_eq!(office.assignment(CUSTOMER).await.wanted_salesperson_id, Some(user_id(ACCOUNT, BEN)));
    assert!(office.stage.dead_letters().await.is_empty(), "it waits as a conflict, not as a failure");
}

async fn decision_for_the_erp_is_written_and_one_for_books_is_not(on: On) {
    for (decision, owner, writes) in [(Decision::KeepErpOwner, BEN, 1), (Decision::KeepBooksOwner, CLEO, 0)] {
        let office = Office::open(on).await;
        office.change_in_books(CUSTOMER, CLEO);
        office.assign(CUSTOMER, BEN).await;
        office.stage.until_events("conflict.found", 1).await;
        office.stage.until_idle().await;
        let found = office.conflicts().await.remove(0);
        let (log, actor) = (&office.stage.log, Actor::of_command("test"));
        conflict::decide(log, &actor, &office.stage.config, found.conflict_id, &decision).await.unwrap();
        office.stage.until_idle().await;
        assert_eq!(office.in_books(CUSTOMER), (owner.to_owned(), writes));
        office.assert_settled(CUSTOMER, owner).await;
        let states: Vec<ConflictState> = office.conflicts().await.iter().map(|one| one.state).collect();
        assert_eq!(states, [ConflictState::Decided]);
    }
}

async fn decisions_about_one_customer_are_written_in_their_order_and_the_last_counts(on: On) {
    let office = Office::open(on).await;
    // The first is under way when the others are made.
    office.stage.fault("books.update_contact", Fault::Delay { ms: 300 }, 1);
    office.assign(CUSTOMER, BEN).await;
    office.stage.until_met(1).await;
    office.assign(CUSTOMER, CLEO).await;
    office.assign(CUSTOMER, ANN).await;
    office.assign(CUSTOMER, CLEO).await;
    office.assign(OTHER, BEN).await;
    office.stage.until("the last to be written", async || (office.in_books(CUSTOMER).0 == CLEO).then_some(())).await;
    office.stage.until_idle().await;
    office.assert_settled(CUSTOMER, CLEO).await;
    office.assert_settled(OTHER, BEN).await;
    assert_eq!(office.in_books(CUSTOMER), (CLEO.to_owned(), 2), "the first and the last");
    assert_eq!(dropped(&office).await, [DropReason::Overtaken, DropReason::Overtaken]);
    assert!(office.conflicts().await.is_empty(), "what we wrote ourselves contradicts nothing");
}

async fn salesperson_who_is_given_back_a_customer_keeps_it_whatever_was_on_its_way(on: On) {
    let office = Office::open(on).await;
    office.stage.fault("books.update_contact", Fault::Delay { ms: 300 }, 1);
    office.assign(CUSTOMER, BEN).await;
    office.stage.until_met(1).await;
    office.assign(CUSTOMER, ANN).await;
    office.stage.until_events("contact.assigned", 2).await;
    office.stage.until_idle().await;
    assert_eq!(office.in_books(CUSTOMER), (ANN.to_owned(), 2));
    office.assert_settled(CUSTOMER, ANN).await;
    assert!(office.conflicts().await.is_empty());
}

async fn books_that_is_read_only_gets_what_still_holds_once_it_may_be_written(on: On) {
    let mut office = Office::closed(on, READ_ONLY).await;
    office.stage.start();
    office.assign(CUSTOMER, BEN).await;
    office.assign(CUSTOMER, CLEO).await;
    office.assign(OTHER, BEN).await;
    office
        .stage
        .until("the decisions to be planned", async || {
            let left = consumers::idle::look(&office.stage.log).await.unwrap();
            (!left.undecided && left.effects.planned == 3).then_some(())
        })
        .await;
    office.change_in_books(OTHER, BEN);
    office.stage.stop().await;
    let counts = office.stage.control().counts();
    assert_eq!((counts.requests("books.contact"), counts.requests("books.update_contact")), (0, 0));
    let books = office.stage.config.accounts.get_mut(ACCOUNT).unwrap().books.as_mut().unwrap();
    assert!(!books.write_owners, "read-only is what it is without a word");
    books.write_owners = WRITTEN.contains("true");
    office.stage.start();
    office.stage.until_idle().await;
    office.assert_settled(CUSTOMER, CLEO).await;
    office.assert_settled(OTHER, BEN).await;
    assert_eq!((office.in_books(CUSTOMER).1, office.in_books(OTHER).1), (1, 0));
    assert_eq!(dropped(&office).await, [DropReason::Overtaken]);
}
