//! What commands read.

use event_log::NewEvent;
use projector::{FileState, RecordFilter, TransferFilter, TransferState};

use crate::story::{Step, TRANSFER, changed, completed, copied, delivered, requested};
use crate::world::World;

async fn with_one_transfer(world: World) -> World {
    let mut events = vec![
        delivered("org-0", false),
        changed("org-0", "1", Some(1)),
        requested("1", 1),
        copied("1", 1, "f1", false),
        copied("1", 1, "f2", true),
        completed("1", 1, 2),
        requested("2", 1),
    ];
    events.extend([
        Step::Updated { account: 0, record: 1, second: 9, run: 1 }.event(event_log::EventId::fresh()),
        Step::Settled { done: true }.event(event_log::EventId::fresh()),
        Step::Poll { poll: 0, run: 1, last: true, failed: false }.event(event_log::EventId::fresh()),
        Step::Registration { id: 0, what: 0 }.event(event_log::EventId::fresh()),
    ]);
    world.append_all(events).await;
    world.catch_up().await;
    world
}

pub(crate) async fn the_summary_counts_what_happened(world: World) {
    let world = with_one_transfer(world).await;
    let readers = world.log.database().readers();
    let summary = projector::summary(readers, None).await.unwrap();
    assert_eq!((summary.deliveries, summary.records_changed, summary.records_updated), (1, 1, 1));
    assert_eq!((summary.transfers_requested, summary.transfers_completed, summary.transfers_failed), (2, 1, 0));
    assert_eq!((summary.files_copied, summary.files_reused, summary.files_copied_bytes), (1, 1, 10));
    assert_eq!((summary.effects_settled_done, summary.effects_settled_not_done), (1, 0));
    assert_eq!((summary.poll_runs, summary.found_missed), (1, 1));
    assert_eq!(projector::summary(readers, Some("acme")).await.unwrap().transfers_requested, 2);
    assert_eq!(projector::summary(readers, Some("other")).await.unwrap(), projector::Summary::default());
}

pub(crate) async fn transfers_are_listed_newest_first_and_shown_with_their_files(world: World) {
    let world = with_one_transfer(world).await;
    let readers = world.log.database().readers();
    let all = projector::transfers(readers, &TransferFilter::default(), 10).await.unwrap();
    assert_eq!(all.iter().map(|one| one.record_id.as_str()).collect::<Vec<_>>()[..2], ["48761", "2"]);
    let completed = TransferFilter { state: Some(TransferState::Completed), ..TransferFilter::default() };
    assert_eq!(projector::transfers(readers, &completed, 10).await.unwrap().len(), 1);

    let shown = projector::transfer(readers, TRANSFER, "1", None).await.unwrap().unwrap();
    assert_eq!(
        (shown.transfer.state, shown.transfer.files_copied, shown.transfer.bytes),
        (TransferState::Completed, 2, 20)
    );
    assert_eq!(shown.files.iter().map(|file| file.state).collect::<Vec<_>>(), [FileState::Copied, FileState::Reused]);
    let json = serde_json::to_value(&shown).unwrap();
    assert_eq!((json["state"].as_str(), json["files"][0]["state"].as_str()), (Some("completed"), Some("copied")));
    assert!(projector::transfer(readers, TRANSFER, "1", Some(2)).await.unwrap().is_none());
}

pub(crate) async fn records_polls_accounts_and_registrations_are_listed(world: World) {
    let world = with_one_transfer(world).await;
    let readers = world.log.database().readers();
    let filter = RecordFilter { record_id: Some("1".to_owned()), ..RecordFilter::default() };
    let records = projector::records(readers, &filter, 10).await.unwrap();
    let json = serde_json::to_value(&records[0]).unwrap();
    assert_eq!(json["fields"]["Nömber"], 1);
    assert_eq!(projector::polls(readers).await.unwrap()[0].found_missed, 1);
    assert_eq!(projector::accounts(readers).await.unwrap()[0].deliveries, 1);
    assert_eq!(projector::registrations(readers).await.unwrap().len(), 1);
}

pub(crate) async fn status_tells_how_far_each_projection_is_behind(world: World) {
    let world = with_one_transfer(world).await;
    let event = NewEvent::new(event_log::EventType::new("thing.happened"), "operator", &1);
    world.append(&event_log::StreamName::new("thing", 1), event).await;
    for status in projector::list(&world.log).await.unwrap() {
        assert_eq!((status.lag_events, status.checkpoint.0), (1, 11), "{}", status.name);
        assert_eq!(status.tables, [format!("rm_{}", status.name)]);
    }
}
