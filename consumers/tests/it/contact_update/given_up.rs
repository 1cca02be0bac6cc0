//! What cannot be written: dead letters with their cause, and what ends them.

use catalogue::books::ContactAssignFailed;
use catalogue::erp::AssignmentState;
use consumers::dead_letter::{Filter, list};
use serde_json::json;

use super::office::{ACCOUNT, ANN, BEN, CLEO, CUSTOMER, GHOST, Office};
use crate::database::On;

each_database! {
    tokio::test(flavor = "multi_thread", worker_threads = 2);
    contact_that_is_gone_is_a_dead_letter_and_gone_in_the_erp,
    owner_that_books_refuses_is_a_dead_letter_until_it_is_redriven,
    right_that_is_missing_is_named_and_redriving_helps_once_it_is_there,
    later_decision_ends_the_dead_letter_of_an_earlier_one,
}

async fn contact_that_is_gone_is_a_dead_letter_and_gone_in_the_erp(on: On) {
    let office = Office::open(on).await;
    office.stage.control().delete_books_contact(ACCOUNT, CUSTOMER).unwrap();
    office.assign(CUSTOMER, BEN).await;
    let told = office.stage.until_events("contact.assign_failed", 1).await;
    let letter = office.stage.dead_letters().await.remove(0);
    assert_eq!((letter.kind.as_str(), letter.reason.as_str()), ("contact.assign", "contact_gone"));
    assert_eq!(told[0].decode::<ContactAssignFailed>().unwrap().code, "contact_gone");
    let assignment = office.assignment(CUSTOMER).await;
    assert_eq!((assignment.state, assignment.wanted_salesperson_id), (AssignmentState::Gone, None));
    assert_eq!(office.stage.calls("books.update_contact"), 0);
}

async fn owner_that_books_refuses_is_a_dead_letter_until_it_is_redriven(on: On) {
    let office = Office::open(on).await;
    office.assign(CUSTOMER, GHOST).await;
    office.stage.until_events("contact.assign_failed", 1).await;
    office.stage.until_idle().await;
    let letter = office.stage.dead_letters().await.remove(0);
    assert_eq!((letter.reason.as_str(), letter.attempts), ("rejected", 1));
    assert!(letter.error.contains("owner_id"), "{}", letter.error);
    assert_eq!(office.in_books(CUSTOMER), (ANN.to_owned(), 0));
    let known = json!({"id": GHOST, "name": "Ghost", "email": "ghost@example.com"});
    office.stage.control().add_books_user(ACCOUNT, &serde_json::from_value(known).unwrap()).unwrap();
    office.stage.redrive_all().await;
    office.stage.until_events("contact.assigned", 1).await;
    office.stage.until_idle().await;
    assert!(office.stage.dead_letters().await.is_empty());
    office.assert_settled(CUSTOMER, GHOST).await;
}

async fn right_that_is_missing_is_named_and_redriving_helps_once_it_is_there(on: On) {
    let office = Office::closed(on, super::office::WRITTEN).await;
    let control = office.stage.control();
    let narrow = json!({"scopes": ["ZohoBooks.contacts.READ", "ZohoBooks.settings.READ"]});
    control.renew_grants(ACCOUNT, &serde_json::from_value(narrow).unwrap()).unwrap();
    control.expire_access_tokens(ACCOUNT).unwrap();
    let mut office = office;
    office.stage.start();
    office.assign(CUSTOMER, BEN).await;
    office.stage.until_events("contact.assign_failed", 1).await;
    let letter = office.stage.dead_letters().await.remove(0);
    assert_eq!(letter.reason, "denied");
    assert!(letter.error.contains("ZohoBooks.contacts.UPDATE"), "{}", letter.error);
    office.stage.control().renew_grants(ACCOUNT, &serde_json::from_value(json!({})).unwrap()).unwrap();
    office.stage.control().expire_access_tokens(ACCOUNT).unwrap();
    office.stage.redrive_all().await;
    office.stage.until_events("contact.assigned", 1).await;
    office.stage.until_idle().await;
    office.assert_settled(CUSTOMER, BEN).await;
}

async fn later_decision_ends_the_dead_letter_of_an_earlier_one(on: On) {
    let office = Office::open(on).await;
    office.assign(CUSTOMER, GHOST).await;
    office.stage.until_events("contact.assign_failed", 1).await;
    office.stage.until_idle().await;
    let letter = office.stage.dead_letters().await.remove(0);
    office.assign(CUSTOMER, CLEO).await;
    office.stage.until_events("contact.assigned", 1).await;
    office.stage.until_idle().await;
    office.assert_settled(CUSTOMER, CLEO).await;
    assert!(office.stage.dead_letters().await.is_empty());
    let all = Filter { resolved: true, ..Filter::default() };
    let letters = list(office.stage.log.database().readers(), &all, 100).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert!(office.stage.redrive(letter.dead_letter_id).await.is_err(), "nobody needs it any more");
    assert_eq!(office.in_books(CUSTOMER), (CLEO.to_owned(), 1));
}
