//! Limits and missing consent: waited for, at nobody's cost.

use simulator::Fault;
use simulator::control::GrantChange;

use super::office::{ACCOUNT, ANN, BEN, CLEO, CUSTOMER, OTHER, Office};
use crate::database::On;

each_database! {
    tokio::test(flavor = "multi_thread", worker_threads = 2);
    block_of_an_hour_is_waited_out_and_asked_nothing_meanwhile,
    revoked_grant_is_waited_for_and_goes_on_after_consent,
}

async fn block_of_an_hour_is_waited_out_and_asked_nothing_meanwhile(on: On) {
    let office = Office::open(on).await;
    office.stage.fault("books.update_contact", Fault::Throttle { retry_after_seconds: Some(3600) }, 1);
    office.assign(CUSTOMER, BEN).await;
    office.stage.until_met(1).await;
    office.assign(CUSTOMER, CLEO).await;
    office.assign(OTHER, BEN).await;
    office
        .stage
        .until("everything to be decided", async || {
            let left = consumers::idle::look(&office.stage.log).await.unwrap();
            (!left.undecided && left.effects.planned == 3).then_some(())
        })
        .await;
    let asked = office.stage.calls("books.contact");
    office.stage.advance(1800);
    assert_eq!((office.stage.calls("books.contact"), office.stage.calls("books.update_contact")), (asked, 1));
    assert_eq!((office.in_books(CUSTOMER).0.as_str(), office.in_books(OTHER).0.as_str()), (ANN, ANN));
    office.stage.advance(1830);
    office.stage.until_events("contact.assigned", 2).await;
    office.stage.until_idle().await;
    office.assert_settled(CUSTOMER, CLEO).await;
    office.assert_settled(OTHER, BEN).await;
    assert_eq!(office.in_books(CUSTOMER).1, 1, "the one that was overtaken while it waited is not written");
    assert!(office.stage.events("effect.retried").await.is_empty(), "waiting uses up no attempt");
    let misdeeds = office.stage.control().counts().misdeeds;
    assert!(misdeeds.is_empty(), "{misdeeds:?}");
}

async fn revoked_grant_is_waited_for_and_goes_on_after_consent(on: On) {
    let office = Office::open(on).await;
    office.stage.control().revoke_grants(ACCOUNT, &GrantChange::default()).unwrap();
    office.assign(CUSTOMER, BEN).await;
    office
        .stage
        .until("the account to need consent", async || {
            office.stage.accounts.state(ACCOUNT).is_some_and(|state| state.needs_consent()).then_some(())
        })
        .await;
    assert_eq!(office.in_books(CUSTOMER).0, ANN);
    office.stage.control().renew_grants(ACCOUNT, &serde_json::from_value(serde_json::json!({})).unwrap()).unwrap();
    office.stage.until_events("contact.assigned", 1).await;
    office.stage.until_idle().await;
    office.assert_settled(CUSTOMER, BEN).await;
    assert!(office.stage.dead_letters().await.is_empty());
}
