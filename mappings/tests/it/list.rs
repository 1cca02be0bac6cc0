//! Lists of mappings, page by page.

use mappings::Error;
use mappings::channel::{Filter, State, list, pause, unmap};
use testkit::on_both_databases;
use testkit::store::Backend;
use uuid::Uuid;

use crate::office::{Office, ada, request};

on_both_databases! {
    #[tokio::test]
    pages_hold_every_mapping_once_in_the_order_they_were_made,
    filters_hold_together,
    a_page_that_is_too_large_is_refused,
}

async fn pages_hold_every_mapping_once_in_the_order_they_were_made(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let mut made = Vec::new();
    for channel in 1..=7 {
        made.push(office.map(&log, &request(channel, "acme")).await.mapping_id);
    }
    let mut seen: Vec<Uuid> = Vec::new();
    let mut sizes = Vec::new();
    let mut after = None;
    loop {
        let page = list(log.database().readers(), &Filter::default(), after, 3).await.unwrap();
        sizes.push(page.items.len());
        seen.extend(page.items.iter().map(|mapping| mapping.mapping_id));
        // Something new does not shift the pages that follow.
        if after.is_none() {
            made.push(office.map(&log, &request(8, "acme")).await.mapping_id);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((seen, sizes), (made, vec![3, 3, 2]));
    let exactly = list(log.database().readers(), &Filter::default(), None, 8).await.unwrap();
    assert_eq!((exactly.items.len(), exactly.next), (8, None));
}

async fn filters_hold_together(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let one = office.map(&log, &request(1, "north")).await.mapping_id;
    let two = office.map(&log, &request(2, "south")).await.mapping_id;
    let three = office.map(&log, &request(3, "north")).await.mapping_id;
    let mut elsewhere = request(1, "north");
    elsewhere.account = "org-b".to_owned();
    let four = office.map(&log, &elsewhere).await.mapping_id;
    unmap(&log, &ada(), two, "").await.unwrap();
    pause(&log, &ada(), three, "").await.unwrap();

    let text = |text: &str| Some(text.to_owned());
    for (filter, expected) in [
        (Filter::default(), vec![one, three, four]),
        (Filter { with_ended: true, ..Filter::default() }, vec![one, two, three, four]),
        (Filter { state: Some(State::Ended), ..Filter::default() }, vec![two]),
        (Filter { state: Some(State::Paused), ..Filter::default() }, vec![three]),
        (Filter { state: Some(State::Error), ..Filter::default() }, vec![]),
        (Filter { organization: text("acme"), ..Filter::default() }, vec![one, three]),
        (Filter { account: text("org-b"), ..Filter::default() }, vec![four]),
        (Filter { client_id: text("north"), organization: text("acme"), ..Filter::default() }, vec![one, three]),
        (Filter { client_id: text("north"), account: text("nobody"), ..Filter::default() }, vec![]),
    ] {
        let page = list(log.database().readers(), &filter, None, 500).await.unwrap();
        let ids: Vec<Uuid> = page.items.iter().map(|mapping| mapping.mapping_id).collect();
        assert_eq!(ids, expected, "{filter:?}");
    }
}

async fn a_page_that_is_too_large_is_refused(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    for limit in [0, 501, u32::MAX] {
        let refused = list(log.database().readers(), &Filter::default(), None, limit).await;
        assert!(matches!(refused, Err(Error::Invalid { field: "limit", .. })), "{limit}");
    }
}
