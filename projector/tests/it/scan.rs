//! What a scan hands out is what was appended.

use event_log::sql::Dialect;
use event_log::{EventType, GlobalPosition, NewEvent, StreamName};
use serde_json::{Value, json};

use crate::world::World;

const TESTED: EventType = EventType::new("thing.tested");
const OTHER: EventType = EventType::new("thing.ignored");

fn nasty() -> Value {
    json!({ "text": "quote \" backslash \\ separators \u{1e}\u{1f} newline \n ü 🦀 \u{0}", "list": [1, null, {}] })
}

pub(crate) async fn scanned_events_carry_every_character_that_was_appended(world: World) {
    let stream = StreamName::new("thing", "a\u{1e}b\"c\\d\n-ü");
    let event = NewEvent::new(TESTED, "poll", &nasty()).of("org\u{1e}a", "ac\"me");
    let (story, recorded_before) = (event.correlation_id, world.log.now());
    world.append(&stream, event).await;

    let stretch = world.log.scan(&[], GlobalPosition(0), 10).await.unwrap();
    let events: Vec<_> = stretch.events().map(Result::unwrap).collect();
    let [scanned] = events.as_slice() else { panic!("{events:?}") };
    assert!(scanned.is(&TESTED));
    assert_eq!(scanned.stream_name, stream.as_str());
    assert_eq!((scanned.account.as_deref(), scanned.organization.as_deref()), (Some("org\u{1e}a"), Some("ac\"me")));
    assert_eq!((scanned.correlation_id, scanned.source.as_ref()), (story, "poll"));
    let kept = match world.log.database().dialect() {
        Dialect::Sqlite => nasty(),
        // It has no such character; nothing else is lost.
        Dialect::Postgres => serde_json::from_str(&nasty().to_string().replace("\\u0000", "\\ufffd")).unwrap(),
    };
    assert_eq!(scanned.decode::<Value>().unwrap(), kept);
    assert_eq!(scanned.occurred_at().unwrap(), None);
    assert!(scanned.recorded_at().unwrap() > recorded_before);
}

pub(crate) async fn a_scan_goes_through_the_log_window_by_window_and_leaves_other_types_out(world: World) {
    for at in 0..25 {
        let event_type = if at % 5 == 0 { TESTED } else { OTHER };
        world.append(&StreamName::new("thing", at), NewEvent::new(event_type, "poll", &at)).await;
    }
    let (mut position, mut seen) = (GlobalPosition(0), Vec::new());
    loop {
        let stretch = world.log.scan(&[TESTED], position, 4).await.unwrap();
        if stretch.is_empty() {
            break;
        }
        assert!(stretch.last().0 - position.0 <= 4);
        seen.extend(stretch.events().map(|event| event.unwrap().global_position.0));
        position = stretch.last();
    }
    assert_eq!((position, seen), (GlobalPosition(25), vec![1, 6, 11, 16, 21]));
}
