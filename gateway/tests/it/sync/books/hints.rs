//! What webhooks of Books lead to.

use catalogue::erp::AssignmentState;
use chrono::{DateTime, TimeDelta, Utc};
use gateway::sync::jobs::{Kind, Trigger};
use serde_json::{Value, json};
use simulator::{Fault, FaultRule, Seed};
use testkit::on_both_databases;
use testkit::store::Backend;
use testkit::wait::until;

use super::shop::{ANN, BEN, CLEO, Shop, contact};
use crate::sync::stage::ORG;

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    news_are_a_fact_without_a_call_and_seeing_them_again_is_a_sighting,
    deletion_that_carries_the_last_state_is_found_by_asking,
    old_news_change_nothing,
    a_false_state_of_the_future_is_asked_about_and_leaves_nothing,
    clocks_that_are_five_minutes_apart_lose_nothing_and_double_nothing,
    a_form_is_asked_about_whatever_it_says,
    change_of_a_user_reads_the_users,
    contact_that_is_never_shown_holds_up_nobody,
}

/// A contact as a webhook carries it.
fn told(number: u64, owner: &str, modified: &str) -> Value {
    json!({"contact": {"contact_id": contact(number), "contact_name": "Bowman and Co", "contact_type": "customer",
        "status": "active", "owner_id": owner, "owner_name": "", "email": format!("office{number}@example.com"),
        "last_modified_time": modified}})
}

/// When it was modified, as the provider writes it: in steps of a second, the offset without a colon.
fn modified(shop: &Shop, number: u64) -> String {
    let found = shop.books().contacts.into_iter().find(|one| one.id == contact(number)).unwrap();
    let time: DateTime<Utc> = found.modified_at.parse().unwrap();
    time.format("%Y-%m-%dT%H:%M:%S+0000").to_string()
}

async fn news_are_a_fact_without_a_call_and_seeing_them_again_is_a_sighting(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    shop.stage.control().change_books_owner(ORG, &contact(1), Some(BEN)).unwrap();
    let modified = modified(&shop, 1);
    let told = told(1, BEN, &modified);
    shop.deliver(&told).await;
    until("the fact is there", async || (shop.count("books_contact.changed").await == 11).then_some(())).await;
    assert_eq!(shop.stage.calls("books.contact"), 0);
    let fact = shop.stage.events("books_contact.changed").await.pop().unwrap();
    assert_eq!(
        (fact.source.as_str(), shop.assignments().await[&contact(1)].owner_id.as_deref()),
        ("webhook", Some(BEN))
    );
    shop.deliver(&told).await;
    let readers = shop.stage.process.log.database().readers();
    until("it was seen again", async || {
        let seen = event_log::sightings(readers, fact.id).await.unwrap();
        (!seen.is_empty()).then_some(())
    })
    .await;
    shop.sync_customers(false).await;
    assert_eq!(shop.count("books_contact.changed").await, 11, "a poll sees the same");
    shop.stage.assert_well_behaved();
}

async fn deletion_that_carries_the_last_state_is_found_by_asking(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    let modified = modified(&shop, 1);
    shop.stage.control().delete_books_contact(ORG, &contact(1)).unwrap();
    for _ in 0..2 {
        shop.deliver(&told(1, ANN, &modified)).await;
    }
    until("it is asked for", async || (shop.stage.calls("books.contact") == 2).then_some(())).await;
    until("it is gone", async || (shop.count("books_contact.gone").await == 1).then_some(())).await;
    assert_eq!(shop.state_of(&contact(1)).await, AssignmentState::Gone);
    shop.stage.assert_well_behaved();
}

async fn old_news_change_nothing(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    shop.deliver(&told(1, BEN, "2020-01-01T00:00:00-0700")).await;
    shop.deliver(&json!({"invoice": {"invoice_id": "1"}})).await;
    shop.stage.control().change_books_owner(ORG, &contact(2), Some(BEN)).unwrap();
    shop.deliver(&told(2, BEN, &modified(&shop, 2))).await;
    until("what comes after is there", async || (shop.count("books_contact.changed").await == 11).then_some(())).await;
    assert_eq!(shop.assignments().await[&contact(1)].owner_id.as_deref(), Some(ANN));
    assert_eq!(shop.stage.calls("books.contact"), 0);
}

async fn a_false_state_of_the_future_is_asked_about_and_leaves_nothing(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    let far = (shop.stage.process.log.now() + TimeDelta::minutes(6)).to_rfc3339();
    shop.deliver(&told(1, BEN, &far)).await;
    until("it is asked for", async || (shop.stage.calls("books.contact") == 1).then_some(())).await;
    let near = (shop.stage.process.log.now() + TimeDelta::minutes(4)).to_rfc3339();
    shop.deliver(&told(1, BEN, &near)).await;
    until("it is taken for true", async || (shop.count("books_contact.changed").await == 11).then_some(())).await;
    assert_eq!(shop.assignments().await[&contact(1)].owner_id.as_deref(), Some(BEN));
    shop.stage.advance(TimeDelta::minutes(1));
    shop.sync_customers(true).await;
    assert_eq!(shop.assignments().await[&contact(1)].owner_id.as_deref(), Some(ANN), "the provider never said so");
    shop.stage.control().change_books_owner(ORG, &contact(1), Some(CLEO)).unwrap();
    shop.deliver(&told(1, CLEO, &modified(&shop, 1))).await;
    until("later news are news", async || (shop.count("books_contact.changed").await == 13).then_some(())).await;
    shop.assert_complete().await;
}

async fn clocks_that_are_five_minutes_apart_lose_nothing_and_double_nothing(on: Backend) {
    const SKEW: TimeDelta = TimeDelta::minutes(5);
    for is_ahead in [true, false] {
        let shop = Shop::open(on, &Seed::demo()).await;
        if is_ahead {
            shop.stage.control().advance(SKEW.to_std().unwrap());
        } else {
            shop.stage.clock.move_by(SKEW);
        }
        shop.stage.control().change_books_owner(ORG, &contact(1), Some(BEN)).unwrap();
        shop.stage.control().change_books_owner(ORG, &contact(2), Some(BEN)).unwrap();
        shop.deliver(&told(1, BEN, &modified(&shop, 1))).await;
        until("the fact is there", async || (shop.count("books_contact.changed").await == 11).then_some(())).await;
        assert_eq!(shop.stage.calls("books.contact"), 0, "provider ahead: {is_ahead}");
        shop.sync_customers(false).await;
        assert_eq!(shop.count("books_contact.changed").await, 12, "the one that no webhook told");
        shop.stage.control().change_books_owner(ORG, &contact(1), Some(ANN)).unwrap();
        shop.sync_customers(false).await;
        shop.deliver(&told(1, ANN, &modified(&shop, 1))).await;
        until("it is asked for", async || (shop.stage.calls("books.contact") == 1).then_some(())).await;
        shop.sync_customers(true).await;
        assert_eq!(shop.count("books_contact.changed").await, 13, "provider ahead: {is_ahead}");
        shop.assert_complete().await;
    }
}

async fn a_form_is_asked_about_whatever_it_says(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    shop.stage.control().change_books_owner(ORG, &contact(1), Some(CLEO)).unwrap();
    let now = shop.stage.process.log.now().format("%Y-%m-%dT%H:%M:%SZ");
    let form = format!("contact_id={}&contact_name=Bowman&owner_id={BEN}&last_modified_time={now}", contact(1));
    shop.deliver_as("application/x-www-form-urlencoded", form).await;
    until("the fact is there", async || (shop.count("books_contact.changed").await == 11).then_some(())).await;
    assert_eq!(shop.assignments().await[&contact(1)].owner_id.as_deref(), Some(CLEO), "as the provider shows it");
    assert_eq!(shop.stage.calls("books.contact"), 1);
}

async fn change_of_a_user_reads_the_users(on: Backend) {
    let shop = Shop::open(on, &Seed::demo()).await;
    shop.deliver(&json!({"user": {"user_id": BEN, "name": "Ben"}})).await;
    let jobs = shop.done(3).await;
    let asked = jobs.iter().find(|job| job.trigger == Trigger::Webhook).unwrap();
    assert_eq!((asked.kind, asked.counts["total_fetched"]), (Kind::BooksUsers, 7));
}

async fn contact_that_is_never_shown_holds_up_nobody(on: Backend) {
    let denied = Fault::Status { code: 403, html_body: true };
    for (fault, tries) in [(denied, 1_u64), (Fault::TruncatedJson {}, 4)] {
        let is_deleted = tries == 1;
        let shop = Shop::open(on, &Seed::demo()).await;
        let first = modified(&shop, 1);
        if is_deleted {
            shop.stage.control().delete_books_contact(ORG, &contact(1)).unwrap();
        }
        shop.stage.control().change_books_owner(ORG, &contact(2), Some(BEN)).unwrap();
        shop.stage.control().add_fault(FaultRule::once("books.contact", fault).times(tries)).unwrap();
        shop.deliver(&told(1, ANN, &first)).await;
        shop.deliver(&told(2, BEN, &modified(&shop, 2))).await;
        until("what comes after is there", async || (shop.count("books_contact.changed").await == 11).then_some(()))
            .await;
        assert_eq!((shop.stage.calls("books.contact"), shop.count("books_contact.gone").await), (tries, 0));
        shop.sync_customers(true).await;
        let is_gone = shop.state_of(&contact(1)).await == AssignmentState::Gone;
        assert_eq!(is_gone, is_deleted, "the walk over all contacts finds what became of it");
    }
}
