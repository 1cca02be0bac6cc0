//! A channel belongs to one room at a time, whoever asks at the same time.

use std::sync::Arc;

use catalogue::channel::{MAPPED, Mapped, Settings, stream};
use event_log::{Append, NewEvent, StreamVersion, sql};
use mappings::Error;
use mappings::channel::{State, current, list, map, map_many, unmap};
use testkit::on_both_databases;
use testkit::store::Backend;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::office::{Office, ada, events, request, told};

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    of_two_hundred_who_want_one_channel_exactly_one_gets_it,
    writing_whatever_the_version_would_give_a_channel_to_two_rooms,
    the_table_refuses_a_second_room_too,
    asking_again_for_the_same_room_gives_what_is_there,
    a_channel_that_was_freed_can_be_mapped_anew,
    the_first_of_two_lines_for_one_channel_has_it,
    a_new_mapping_is_raced_for_like_the_first,
}

const CALLERS: usize = 200;
const PROCESSES: usize = 4;

/// Lets everybody ask for the channel 1 at once, each for a client of its own; gives the winners and how often the
/// others were refused by whom.
async fn race(office: &Office) -> (Vec<Uuid>, Vec<Uuid>) {
    let start = Arc::new(Barrier::new(CALLERS));
    let mut callers = JoinSet::new();
    let mut logs = Vec::new();
    for _ in 0..PROCESSES {
        logs.push(office.start().await);
    }
    for caller in 0..CALLERS {
        let (log, config, start) = (logs[caller % PROCESSES].clone(), office.config.clone(), start.clone());
        callers.spawn(async move {
            start.wait().await;
            map(&log, &ada(), &config, &request(1, &format!("client {caller}"))).await
        });
    }
    let (mut winners, mut holders) = (Vec::new(), Vec::new());
    for outcome in callers.join_all().await {
        match outcome {
            Ok(outcome) => winners.push(outcome.mapping.mapping_id),
            Err(Error::AlreadyMapped { mapping, .. }) => holders.push(mapping.unwrap().mapping_id),
            Err(other) => panic!("{other:?}"),
        }
    }
    (winners, holders)
}

async fn of_two_hundred_who_want_one_channel_exactly_one_gets_it(on: Backend) {
    let office = Office::new(on).await;
    let (winners, holders) = race(&office).await;
    let [winner] = winners[..] else { panic!("{} callers were told that the channel is theirs", winners.len()) };
    assert_eq!(holders, vec![winner; CALLERS - 1], "everybody else was told who has it");

    let log = office.start().await;
    assert_eq!(told(&log, 1).await, ["channel.mapped"]);
    let page = list(log.database().readers(), &Default::default(), None, 500).await.unwrap();
    assert_eq!(page.items.iter().map(|mapping| mapping.mapping_id).collect::<Vec<_>>(), [winner]);
}

async fn a_new_mapping_is_raced_for_like_the_first(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let first = office.map(&log, &request(1, "acme")).await;
    unmap(&log, &ada(), first.mapping_id, "").await.unwrap();
    let (winners, holders) = race(&office).await;
    assert_eq!((winners.len(), holders.len()), (1, CALLERS - 1));
    assert_eq!(told(&log, 1).await, ["channel.mapped", "channel.unmapped", "channel.mapped"]);
}

/// The control of the race above: who reads, decides and then writes without the version it has read is not stopped.
async fn writing_whatever_the_version_would_give_a_channel_to_two_rooms(on: Backend) {
    let office = Office::new(on).await;
    let (one, other) = (office.start().await, office.start().await);
    for log in [&one, &other] {
        assert_eq!(current(log, "org-a", "P1").await.unwrap(), None, "free, as both have read");
    }
    for (log, client) in [(&one, "first"), (&other, "second")] {
        let event = NewEvent::new(MAPPED, "operator", &mapped(client)).of("org-a", "acme");
        log.append(Append::new(stream("org-a", "P1"), vec![event])).await.unwrap();
    }
    assert_eq!(told(&one, 1).await, ["channel.mapped", "channel.mapped"], "two rooms were promised the channel");
}

async fn the_table_refuses_a_second_room_too(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let first = office.map(&log, &request(1, "acme")).await;
    let id = Uuid::now_v7();
    let copy = move |log: event_log::Log| async move {
        log.write::<u64, event_log::Error, _>(move |unit| {
            Box::pin(async move {
                let copied = sql::query(
                    "INSERT INTO channel_mappings SELECT $1, account, organization, channel_id, chat_id, channel_name, \
                     client_id, room_id, state, settings, version, created_at, updated_at, NULL, NULL, NULL \
                     FROM channel_mappings",
                );
                Ok(copied.bind(id).execute(unit.connection()).await?)
            })
        })
        .await
    };
    let refused = copy(log.clone()).await.unwrap_err();
    assert!(format!("{refused:?}").to_lowercase().contains("unique"), "{refused:?}");
    unmap(&log, &ada(), first.mapping_id, "").await.unwrap();
    assert_eq!(copy(log.clone()).await.unwrap(), 1, "what has ended is in nobody's way");
}

fn mapped(client: &str) -> Mapped {
    Mapped {
        mapping_id: Uuid::now_v7(),
        channel_id: "P1".to_owned(),
        chat_id: "CT_1".to_owned(),
        channel_name: "#one".to_owned(),
        client_id: client.to_owned(),
        room_id: "support".to_owned(),
        settings: Settings { schedule: None, timezone: "UTC".to_owned(), since: None, threads: true },
    }
}

async fn asking_again_for_the_same_room_gives_what_is_there(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let first = office.map(&log, &request(1, "acme")).await;
    let mut again = request(1, "acme");
    again.settings.timezone = Some("Europe/Berlin".to_owned());
    let outcome = map(&log, &ada(), &office.config, &again).await.unwrap();
    assert_eq!((outcome.existing, &outcome.mapping), (true, &first), "with the settings it had");
    let mut elsewhere = request(1, "acme");
    elsewhere.room_id = "sales".to_owned();
    let refused = map(&log, &ada(), &office.config, &elsewhere).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "the channel P1 belongs to a room already: the room support of the client acme; end the mapping {} first",
            first.mapping_id
        )
    );
    assert_eq!(told(&log, 1).await, ["channel.mapped"]);
}

async fn a_channel_that_was_freed_can_be_mapped_anew(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let first = office.map(&log, &request(1, "acme")).await;
    let ended = unmap(&log, &ada(), first.mapping_id, "client left").await.unwrap();
    assert_eq!((ended.state, ended.version), (State::Ended, StreamVersion(2)));
    assert_eq!(current(&log, "org-a", "P1").await.unwrap(), None);
    let second = office.map(&log, &request(1, "acme")).await;
    assert_ne!(second.mapping_id, first.mapping_id);
    assert_eq!(current(&log, "org-a", "P1").await.unwrap().as_ref(), Some(&second));
    // What is said of the first now does not touch the second.
    assert_eq!(unmap(&log, &ada(), first.mapping_id, "again").await.unwrap(), ended);
    assert_eq!(events(&log, 1).await.len(), 3);
}

async fn the_first_of_two_lines_for_one_channel_has_it(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let mut bad = request(3, "acme");
    bad.client_id = "\u{7}".to_owned();
    let lines = [request(1, "acme"), request(1, "globex"), request(2, "acme"), bad, request(1, "acme")];
    let outcomes = map_many(&log, &ada(), &office.config, &lines).await;
    assert!(matches!(&outcomes[0], Ok(outcome) if !outcome.existing));
    assert!(matches!(&outcomes[1], Err(Error::AlreadyMapped { mapping: Some(held), .. }) if held.client_id == "acme"));
    assert!(matches!(&outcomes[2], Ok(outcome) if !outcome.existing));
    assert!(matches!(&outcomes[3], Err(Error::Invalid { field: "client_id", .. })));
    assert!(matches!(&outcomes[4], Ok(outcome) if outcome.existing));
}
