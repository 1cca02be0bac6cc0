//! Events cannot be changed or deleted, not even through a unit of work.

use event_log::Error;
use event_log::sql;

use crate::fixture::{Fixture, append, assert_contiguous, change, with_payload};

#[tokio::test]
async fn events_are_never_changed_deleted_or_replaced() {
    let fixture = Fixture::sqlite().await;
    let log = fixture.log().await;
    log.append(append("1", with_payload(change("a"), "body"))).await.unwrap();
    for statement in [
        "UPDATE events SET data = '{}'",
        "UPDATE events SET payload = NULL WHERE global_position = 1",
        "DELETE FROM events",
        "INSERT OR REPLACE INTO events SELECT * FROM events",
        "UPDATE OR REPLACE events SET global_position = 2",
    ] {
        let refused = log
            .write(move |unit| {
                Box::pin(async move {
                    sql::query(statement).execute(unit.connection()).await.map_err(Error::from)?;
                    Ok::<_, Error>(())
                })
            })
            .await
            .unwrap_err();
        let Error::Database(source) = &refused else { panic!("{statement}: {refused}") };
        assert!(source.to_string().contains("events are immutable"), "{statement}: {source}");
    }
    assert_contiguous(&log, 1).await;
    assert_eq!(log.event(change("a").id).await.unwrap().unwrap().payload.as_deref(), Some(b"body".as_slice()));
}
