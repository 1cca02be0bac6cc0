//! Lost answers and killed processes: the contact is read back before anything is written again.

use catalogue::books::AssignedHow;
use simulator::{Fault, FaultRule};

use super::office::{ANN, BEN, CLEO, CUSTOMER, OTHER, Office};
use crate::database::On;

each_database! {
    tokio::test(flavor = "multi_thread", worker_threads = 2);
    write_whose_answer_is_lost_is_settled_by_reading,
    write_that_was_swallowed_is_made_again,
    change_in_books_after_a_lost_answer_is_respected,
    reading_back_that_fails_is_tried_again,
    process_that_is_killed_in_the_middle_leaves_one_write,
    any_crashes_and_lost_answers_leave_every_contact_with_its_last_owner,
}

async fn write_whose_answer_is_lost_is_settled_by_reading(on: On) {
    for fault in [Fault::CutAfter {}, Fault::StatusAfter { code: 502 }, Fault::TruncatedJson {}] {
        let office = Office::open(on).await;
        office.stage.fault("books.update_contact", fault, 1);
        office.assign(CUSTOMER, BEN).await;
        office.stage.until_events("contact.assigned", 1).await;
        office.stage.until_idle().await;
        assert_eq!(office.in_books(CUSTOMER), (BEN.to_owned(), 1), "written once");
        assert_eq!(office.assigned().await[0].how, AssignedHow::Settled);
        assert_eq!(office.stage.events("effect.settled").await.len(), 1);
        office.assert_settled(CUSTOMER, BEN).await;
    }
}

async fn write_that_was_swallowed_is_made_again(on: On) {
    for fault in [Fault::CutBefore {}, Fault::Status { code: 500, html_body: false }] {
        let office = Office::open(on).await;
        office.stage.fault("books.update_contact", fault, 1);
        office.assign(CUSTOMER, BEN).await;
        office.stage.until_events("contact.assigned", 1).await;
        office.stage.until_idle().await;
        assert_eq!(office.in_books(CUSTOMER), (BEN.to_owned(), 1));
        assert_eq!(office.assigned().await[0].how, AssignedHow::Written);
        assert_eq!(office.stage.calls("books.update_contact"), 2);
        office.assert_settled(CUSTOMER, BEN).await;
    }
}

async fn change_in_books_after_a_lost_answer_is_respected(on: On) {
    let mut office = Office::open(on).await;
    office.stage.fault("books.update_contact", Fault::HangAfter {}, 1);
    office.assign(CUSTOMER, BEN).await;
    office.stage.until("the write to arrive", async || (office.in_books(CUSTOMER).1 == 1).then_some(())).await;
    // Ben is seen, and then somebody gives the customer back in Books.
    office.read_contacts().await;
    office.change_in_books(CUSTOMER, ANN);
    office.stage.crash().await;
    office.stage.until_events("contact.assign_dropped", 1).await;
    office.stage.until_idle().await;
    assert_eq!(office.in_books(CUSTOMER), (ANN.to_owned(), 1), "not written a second time");
    office.assert_settled(CUSTOMER, ANN).await;
}

async fn reading_back_that_fails_is_tried_again(on: On) {
    let office = Office::open(on).await;
    office.stage.fault("books.update_contact", Fault::CutAfter {}, 1);
    office.stage.control().add_fault(FaultRule::once("books.contact", Fault::CutBefore {}).skipping(1)).unwrap();
    office.assign(CUSTOMER, BEN).await;
    office.stage.until_events("contact.assigned", 1).await;
    office.stage.until_idle().await;
    assert_eq!(office.in_books(CUSTOMER), (BEN.to_owned(), 1));
    assert_eq!(office.assigned().await[0].how, AssignedHow::Settled);
}

async fn process_that_is_killed_in_the_middle_leaves_one_write(on: On) {
    let mut office = Office::open(on).await;
    office.stage.fault("books.update_contact", Fault::HangAfter {}, 1);
    office.assign(CUSTOMER, BEN).await;
    office.stage.until("the write to arrive", async || (office.in_books(CUSTOMER).1 == 1).then_some(())).await;
    office.assign(CUSTOMER, CLEO).await;
    office.stage.crash().await;
    office.stage.until_events("contact.assigned", 2).await;
    office.stage.until_idle().await;
    assert_eq!(office.in_books(CUSTOMER), (CLEO.to_owned(), 2));
    let how: Vec<AssignedHow> = office.assigned().await.iter().map(|one| one.how).collect();
    assert_eq!(how, [AssignedHow::Settled, AssignedHow::Written], "the lost one is known before the next is made");
    office.assert_settled(CUSTOMER, CLEO).await;
    assert!(office.conflicts().await.is_empty());
}

/// A small generator, so that a run can be repeated from its seed.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

async fn any_crashes_and_lost_answers_leave_every_contact_with_its_last_owner(on: On) {
    let mut random = 0x5EED_0004_u64;
    let mut office = Office::open(on).await;
    for fault in [Fault::CutAfter {}, Fault::CutBefore {}, Fault::TruncatedJson {}, Fault::Delay { ms: 60 }] {
        for route in ["books.update_contact", "books.contact"] {
            let rule = FaultRule::once(route, fault.clone()).forever().with_probability(0.08);
            office.stage.control().add_fault(rule).unwrap();
        }
    }
    let mut last = [(CUSTOMER, ANN), (OTHER, ANN)];
    for round in 0..24 {
        for (customer, owner) in &mut last {
            *owner = [ANN, BEN, CLEO][usize::try_from(next(&mut random) % 3).unwrap()];
            office.assign(customer, owner).await;
        }
        // Where a round is cut is left to chance; what must hold holds wherever it is.
        let written = office.stage.calls("books.update_contact") + next(&mut random) % 3;
        let office_now = &office;
        let reached = office_now.stage.until("some calls or nothing to do", async || {
            let idle = consumers::idle::look(&office_now.stage.log).await.unwrap().is_idle();
            (idle || office_now.stage.calls("books.update_contact") >= written).then_some(())
        });
        reached.await;
        if round % 3 == 0 {
            office.stage.crash().await;
        }
        office.stage.redrive_all().await;
    }
    office.stage.control().clear_faults();
    office.stage.until_idle().await;
    office.stage.redrive_all().await;
    office.stage.until_idle().await;
    for (customer, owner) in last {
        office.assert_settled(customer, owner).await;
    }
    assert!(office.conflicts().await.is_empty(), "{:?}", office.conflicts().await);
}
