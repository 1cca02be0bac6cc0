//! What a consumer cannot decide or read is put aside, and can be tried again.

use catalogue::crm::CHANGED;
use consumers::dead_letter::{self, RecordPlace, refuse_event, refuse_record};
use consumers::{Consumer, Error};
use event_log::{Append, NewEvent, RecordedEvent};
use kafka::Poison;
use serde_json::json;

use crate::database::On;
use crate::stage::{Plan, Stage};

each_database! {
    event_that_does_not_decode_is_put_aside_and_the_rest_goes_on,
    event_that_was_put_aside_is_decided_when_it_is_redriven,
    record_that_cannot_be_read_is_put_aside_once_and_closed,
}

async fn append_nonsense(stage: &Stage) -> RecordedEvent {
    let event = NewEvent::new(CHANGED, "poll", &json!({"nonsense": true})).of("org-a", "acme");
    let id = event.id;
    let stream = catalogue::crm::stream("org-a", "Contacts", "0");
    stage.log.append(Append::new(stream, vec![event])).await.unwrap();
    stage.log.event(id).await.unwrap().unwrap()
}

async fn refuse(stage: &Stage, event: &RecordedEvent) {
    let event = event.clone();
    let refusing = stage.log.write::<_, Error, _>(move |unit| {
        Box::pin(async move {
            let error = Error::NoSuchTransfer("contacts".to_owned());
            refuse_event(unit, Consumer::Transfer.name(), &event, &error).await
        })
    });
    refusing.await.unwrap();
}

async fn event_that_does_not_decode_is_put_aside_and_the_rest_goes_on(on: On) {
    let mut stage = Stage::new(on, Plan::default()).await;
    let broken = append_nonsense(&stage).await;
    stage.start();
    stage.learn(1).await;
    stage.until_idle().await;
    assert!(stage.is_ticked(1));
    let letter = stage.dead_letters().await.remove(0);
    assert_eq!((letter.kind.as_str(), letter.reason.as_str()), ("event.decide", "undecidable"));
    assert_eq!(letter.subscription_name.as_deref(), Some("transfer"));
    assert_eq!(letter.global_position, Some(broken.global_position));
    assert_eq!((letter.account.as_str(), letter.organization.as_str()), ("org-a", "acme"));
    assert_eq!(letter.correlation_id, broken.correlation_id);

    assert!(matches!(stage.redrive(letter.dead_letter_id).await, Err(Error::Log(_))));
    let again = stage.dead_letters().await.remove(0);
    assert_eq!((again.attempts, again.redriven_at.is_some()), (2, true));
    assert!(stage.events("effect.redriven").await.is_empty());
}

async fn event_that_was_put_aside_is_decided_when_it_is_redriven(on: On) {
    let stage = Stage::new(on, Plan::default()).await;
    let fact = stage.learn(1).await;
    refuse(&stage, &fact).await;
    refuse(&stage, &fact).await;
    let letters = stage.dead_letters().await;
    assert_eq!(letters.len(), 1, "what lies aside is not put aside again");
    let letter = letters[0].dead_letter_id;
    stage.redrive(letter).await.unwrap();
    let requested = stage.events("transfer.requested").await;
    assert_eq!(requested.len(), 1);
    assert_eq!(requested[0].causation_id, Some(fact.id));
    assert!(stage.dead_letters().await.is_empty());
    let redriven = stage.events("effect.redriven").await;
    let stream = format!("dead_letter-{letter}");
    assert_eq!(
        (redriven.len(), redriven[0].stream_name.as_str()),
        (1, stream.as_str()),
        "whoever writes to the record's stream knows its version"
    );
    assert!(matches!(stage.redrive(letter).await, Err(Error::NoSuchDeadLetter(_))));
    assert_eq!(stage.events("transfer.requested").await.len(), 1);
}

async fn record_that_cannot_be_read_is_put_aside_once_and_closed(on: On) {
    let stage = Stage::new(on, Plan::default()).await;
    for _ in 0..2 {
        let refusing = stage.log.write::<_, Error, _>(|unit| {
            Box::pin(async move {
                let poison = Poison {
                    topic: "gateledger.events".to_owned(),
                    partition: 3,
                    offset: 17,
                    reason: "no header ce_id".to_owned(),
                    key: None,
                    prefix: b"{}".to_vec(),
                };
                refuse_record(unit, Consumer::CrmUpdate.name(), &poison).await
            })
        });
        refusing.await.unwrap();
    }
    let letters = stage.dead_letters().await;
    assert_eq!(letters.len(), 1);
    let id = letters[0].dead_letter_id;
    let shown = dead_letter::show(stage.log.database().readers(), id).await.unwrap().unwrap();
    assert_eq!((shown.kind.as_str(), shown.error.as_str()), ("record.read", "no header ce_id"));
    assert_eq!(shown.record, Some(RecordPlace { topic: "gateledger.events".to_owned(), partition: 3, offset: 17 }));
    stage.redrive(id).await.unwrap();
    assert!(stage.dead_letters().await.is_empty());
    assert!(matches!(stage.redrive(id).await, Err(Error::NoSuchDeadLetter(_))));
}
