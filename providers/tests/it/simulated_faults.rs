//! What goes wrong, in the dialects of the simulator.

use std::time::Duration;

use chrono::TimeDelta;
use futures::TryStreamExt;
use futures::future::join_all;
use providers::clock::Clock;
use providers::error::{Error, Outcome, ThrottleScope};
use providers::zoho::crm::UpdateOptions;
use providers::zoho::workdrive::{ItemFilter, Upload};
use providers::zoho::{Settings, Timeouts};
use serde_json::{Map, Value, json};
use simulator::control::{GrantChange, GrantRenewal};
use simulator::seed::constants;
use simulator::{Fault, FaultRule};

use crate::simulated_world::{World, body, client, settings_a, settings_b};

const LARGE_BYTES: usize = 11 * 1024 * 1024;

fn issued(world: &World, organization: &str) -> u64 {
    world.control().counts().token_requests.get(organization).map_or(0, |outcomes| outcomes.values().sum())
}

#[tokio::test]
async fn fifty_calls_with_expired_tokens_cost_one_refresh() {
    let world = World::demo();
    world.a.crm().current_user().await.unwrap();
    world.control().expire_access_tokens(constants::ORG_A).unwrap();
    let calls = join_all((0..50).map(|number| {
        let world = &world;
        async move {
            match number % 2 {
                0 => world.a.crm().current_user().await,
                _ => world.a.workdrive().me().await.map(drop),
            }
        }
    }))
    .await;
    assert!(calls.iter().all(Result::is_ok), "{calls:?}");
    assert_eq!(issued(&world, constants::ORG_A), 2);
    world.assert_well_behaved();
}

#[tokio::test]
async fn every_product_tells_an_expired_token_and_goes_on_with_a_new_one() {
    let world = World::demo();
    let source = world.source_file(1).await;
    let folder = world.new_folder("Tokens").await;
    for _ in 0..2 {
        for control in [constants::ORG_A, constants::ORG_B] {
            world.control().expire_access_tokens(control).unwrap();
        }
        world.b.workdrive().download(&source.id, None).await.unwrap();
        let upload = Upload::new(&folder.id, "a", 1);
        let error = world.a.workdrive().upload(&upload, body(b"x")).await.unwrap_err();
        assert!(matches!(error, Error::TokenExpired { .. }), "{error}");
        let upload = Upload::new(&folder.id, "b", LARGE_BYTES as u64);
        world.a.workdrive().upload(&upload, body(&vec![1; LARGE_BYTES])).await.unwrap();
    }
}

#[tokio::test]
async fn a_revoked_grant_stops_one_account_until_it_is_renewed() {
    let world = World::demo();
    world.a.crm().current_user().await.unwrap();
    world.control().revoke_grants(constants::ORG_A, &GrantChange::default()).unwrap();
    for _ in 0..3 {
        let error = world.a.crm().current_user().await.unwrap_err();
        assert!(matches!(error, Error::NeedsConsent { .. }), "{error}");
    }
    world.b.workdrive().me().await.unwrap();
    let renewal = GrantRenewal { refresh_token: Some("1000.renewed".to_owned()), ..GrantRenewal::default() };
    world.control().renew_grants(constants::ORG_A, &renewal).unwrap();
    world.a_tokens.renew("1000.renewed".into());
    world.a.crm().current_user().await.unwrap();
}

#[tokio::test]
async fn revoking_makes_the_refresh_token_useless() {
    let world = World::demo();
    world.a.crm().current_user().await.unwrap();
    world.a.revoke().await.unwrap();
    world.a_tokens.renew(constants::ORG_A_REFRESH_TOKEN.into());
    let error = world.a.crm().current_user().await.unwrap_err();
    assert!(matches!(error, Error::NeedsConsent { .. }), "{error}");
}

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_client_are_bad_clients() {
    let world = World::demo();
    let wrong_secret = Settings { client_secret: "wrong".into(), ..settings_a(&world.simulator) };
    let unknown = Settings { client_id: "1000.NOBODY".to_owned(), ..settings_a(&world.simulator) };
    for settings in [wrong_secret, unknown] {
        let error = client(settings, &world.a_tokens).crm().current_user().await.unwrap_err();
        assert!(matches!(error, Error::BadClient { .. }), "{error}");
    }
}

#[tokio::test]
async fn the_token_limit_is_kept_by_the_budget_and_understood_when_reached() {
    let world = World::demo();
    for _ in 0..8 {
        world.a.crm().current_user().await.unwrap();
        world.control().expire_access_tokens(constants::ORG_A).unwrap();
    }
    let error = world.a.crm().current_user().await.unwrap_err();
    assert!(matches!(error, Error::Throttled(_)), "{error}");
    assert_eq!(issued(&world, constants::ORG_A), 8);
    let mut settings = settings_a(&world.simulator);
    settings.limits.token_refreshes_per_10_minutes = 100;
    let careless = client(settings, &world.a_tokens);
    let mut last = careless.crm().current_user().await;
    for _ in 0..4 {
        world.control().expire_access_tokens(constants::ORG_A).unwrap();
        last = careless.crm().current_user().await;
    }
    let Err(Error::Throttled(throttled)) = last else { panic!("{last:?}") };
    assert_eq!(throttled.scope, ThrottleScope::Account);
}

#[tokio::test]
async fn the_listing_limit_is_kept_by_the_budget_and_understood_when_reached() {
    let world = World::demo();
    let list = async |client: &providers::zoho::Client| {
        client.workdrive().list(constants::SOURCE_TEAM_FOLDER_ID, ItemFilter::All).await
    };
    for _ in 0..18 {
        list(&world.b).await.unwrap();
    }
    assert!(matches!(list(&world.b).await, Err(Error::Throttled(_))));
    world.assert_well_behaved();
    let mut settings = settings_b(&world.simulator);
    settings.limits.workdrive_listings_per_folder_per_minute = 100;
    let careless = client(settings, &world.b_tokens);
    let begin = Clock::system().now();
    let mut refused = None;
    for _ in 0..3 {
        refused = list(&careless).await.err();
    }
    let Some(Error::Throttled(throttled)) = refused else { panic!("{refused:?}") };
    assert_eq!(throttled.scope, ThrottleScope::Folder(constants::SOURCE_TEAM_FOLDER_ID.to_owned()));
    assert!(throttled.until - begin > TimeDelta::seconds(290), "{throttled:?}");
    assert_eq!(world.control().counts().misdeed("called_while_throttled"), 0);
}

#[tokio::test]
async fn crm_throttling_is_typed_and_not_asked_again() {
    let world = World::demo();
    world
        .control()
        .add_fault(FaultRule::once("crm.*", Fault::Throttle { retry_after_seconds: None }).forever())
        .unwrap();
    for _ in 0..3 {
        let error = world.a.crm().current_user().await.unwrap_err();
        let Error::Throttled(throttled) = &error else { panic!("{error}") };
        assert_eq!(throttled.scope, ThrottleScope::Organization);
    }
    assert_eq!(world.control().counts().faults.values().sum::<u64>(), 1);
}

#[tokio::test]
async fn a_stored_upload_whose_answer_is_lost_is_unknown_and_there_once() {
    let world = World::demo();
    let parent = world.new_folder("Lost answers").await;
    for bytes in [3, LARGE_BYTES] {
        for fault in [Fault::CutAfter {}, Fault::TruncatedJson {}] {
            for route in ["workdrive.upload", "workdrive.upload_stream"] {
                world.control().add_fault(FaultRule::once(route, fault.clone())).unwrap();
            }
            let name = format!("{bytes} {fault:?}");
            let upload = Upload::new(&parent.id, &name, bytes as u64);
            let error = world.a.workdrive().upload(&upload, body(&vec![1; bytes])).await.unwrap_err();
            assert_eq!(error.outcome(), Outcome::Unknown, "{name}: {error}");
            world.control().clear_faults();
            let found = world.a.workdrive().list(&parent.id, ItemFilter::Files).await.unwrap();
            assert_eq!(found.iter().filter(|item| item.name == name).count(), 1, "{name}");
        }
    }
    assert_eq!(world.stored_in(&parent.id).len(), 4);
}

#[tokio::test]
async fn an_upload_that_never_arrived_is_not_there() {
    let world = World::demo();
    let parent = world.new_folder("Cut").await;
    for bytes in [3, LARGE_BYTES] {
        for fault in
            [Fault::CutBefore {}, Fault::CutMidBody { after_bytes: 2 }, Fault::Status { code: 500, html_body: true }]
        {
            for route in ["workdrive.upload", "workdrive.upload_stream"] {
                world.control().add_fault(FaultRule::once(route, fault.clone())).unwrap();
            }
            let upload = Upload::new(&parent.id, "a", bytes as u64);
            let error = world.a.workdrive().upload(&upload, body(&vec![1; bytes])).await.unwrap_err();
            assert!(matches!(error, Error::Unavailable { .. }), "{fault:?}: {error}");
            world.control().clear_faults();
        }
    }
    assert!(world.stored_in(&parent.id).is_empty());
}

#[tokio::test]
async fn refused_uploads_say_why() {
    let world = World::demo();
    for (refusal, code) in
        [("licence", "licence"), ("organization_storage", "storage_full"), ("personal_storage", "storage_full")]
    {
        world.control().set_knobs(json!({"workdrive": {"upload_refusal": refusal}})).unwrap();
        for bytes in [3, LARGE_BYTES] {
            let upload = Upload::new(constants::DESTINATION_FOLDER_ID, "refused", bytes as u64);
            let error = world.a.workdrive().upload(&upload, body(&vec![1; bytes])).await.unwrap_err();
            assert!(!error.is_retryable() && error.code() == code, "{refusal} {bytes}: {error}");
        }
    }
    world.control().set_knobs(json!({"workdrive": {"upload_refusal": "none"}})).unwrap();
    let upload = Upload::new("no-such-folder", "a", 1);
    let error = world.a.workdrive().upload(&upload, body(b"x")).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn a_broken_download_is_noticed_and_reads_are_repeated() {
    let world = World::demo();
    let timeouts = Timeouts { stall: Duration::from_millis(300), ..Timeouts::default() };
    let settings = Settings { timeouts, ..settings_b(&world.simulator) };
    let impatient = client(settings, &world.b_tokens);
    let source = world.source_file(1000).await;
    for fault in
        [Fault::ShortBody { bytes: 5 }, Fault::CutMidBody { after_bytes: 5 }, Fault::SlowDrip { bytes_per_second: 10 }]
    {
        world.control().add_fault(FaultRule::once("workdrive.download", fault.clone())).unwrap();
        let download = impatient.workdrive().download(&source.id, None).await.unwrap();
        let error = match download.expecting(source.size.unwrap()) {
            Ok(download) => download.stream.try_collect::<Vec<_>>().await.unwrap_err(),
            Err(error) => error,
        };
        assert!(error.is_retryable(), "{fault:?}: {error}");
    }
    for fault in [Fault::CutBefore {}, Fault::Status { code: 503, html_body: true }] {
        world.control().add_fault(FaultRule::once("*", fault.clone()).times(2)).unwrap();
        world.b.workdrive().item(&source.id).await.unwrap();
    }
    world.assert_well_behaved();
}

/// A byte every tenth of a second: never nothing for as long as the stall limit, and yet too slow.
#[tokio::test]
async fn content_that_trickles_is_given_up() {
    let world = World::demo();
    let timeouts = Timeouts { stall: Duration::from_millis(300), ..Timeouts::default() };
    let impatient = client(Settings { timeouts, ..settings_b(&world.simulator) }, &world.b_tokens);
    let source = world.source_file(1000).await;
    let trickles = Fault::SlowDrip { bytes_per_second: 10 };
    world.control().add_fault(FaultRule::once("workdrive.download", trickles)).unwrap();
    let download = impatient.workdrive().download(&source.id, None).await.unwrap();
    let read = tokio::time::timeout(Duration::from_secs(10), download.stream.try_collect::<Vec<_>>());
    let error = read.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    world.assert_well_behaved();
}

#[tokio::test]
async fn an_update_whose_answer_is_lost_is_unknown_and_may_be_set_again() {
    let world = World::demo();
    let module = constants::MODULE.parse().unwrap();
    let record = world.control().create_record(
        constants::ORG_A,
        constants::MODULE,
        &simulator::seed::RecordSeed {
            fields: Map::from_iter([
                (constants::FOLDER_FIELD.to_owned(), json!("A")),
                ("Last_Name".to_owned(), json!("B")),
            ]),
            ..Default::default()
        },
    );
    let id = record.unwrap().parse().unwrap();
    let ticked = Map::from_iter([(constants::CHECKBOX_FIELD.to_owned(), Value::Bool(true))]);
    world.control().add_fault(FaultRule::once("crm.*", Fault::CutAfter {})).unwrap();
    let error = world.a.crm().update(&module, &id, ticked.clone(), UpdateOptions::default()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    let checkbox = constants::CHECKBOX_FIELD.parse().unwrap();
    let record = world.a.crm().record(&module, &id, &[constants::CHECKBOX_FIELD.parse().unwrap()]).await.unwrap();
    assert!(record.unwrap().is_ticked(&checkbox));
    world.a.crm().update(&module, &id, ticked, UpdateOptions::default()).await.unwrap();
}
