//! Limits and missing rights: what waits for them, and what does not.

use serde_json::json;
use simulator::Fault;
use simulator::control::{GrantChange, GrantRenewal};

use crate::database::On;
use crate::stage::{Plan, Stage, text};

each_database! {
    throttled_call_waits_as_long_as_it_is_told_and_uses_up_no_attempt,
    throttled_source_holds_up_no_other_source,
    revoked_source_stops_alone_and_goes_on_after_consent,
    destination_that_is_revoked_in_the_middle_goes_on_where_it_was,
    suspended_licence_is_no_reason_to_ask_for_every_file,
}

/// A second transfer, from organisation C.
const OTHER: &str = "[transfers.other]\ncrm = \"org-a\"\nsource = \"org-c\"\ndestination = \"org-a\"\n\
    module = \"Contacts\"\ncheckbox_field = \"Transfer_Complete\"\nfolder_field = \"Source_Folder_Name\"\n\
    source_team_folder_id = \"team-c\"\ndestination_folder_id = \"dest\"\nretry_base_ms = 20";

fn two_sources() -> Plan {
    let transfer = Box::leak(format!("destination_folder_id = \"dest\"\n{OTHER}").into_boxed_str());
    Plan { folders: vec!["Acme", "Gamma"], transfer, ..Plan::default() }
}

async fn throttled_call_waits_as_long_as_it_is_told_and_uses_up_no_attempt(on: On) {
    let routes = ["workdrive.list", "workdrive.create_folder", "workdrive.download", "workdrive.upload"];
    for route in routes {
        let source = (0..4).map(|number| text(&format!("Acme/{number}.txt"), "x")).collect();
        let mut stage = Stage::new(on, Plan { source, transfer: "max_attempts = 1", ..Plan::default() }).await;
        stage.fault(route, Fault::Throttle { retry_after_seconds: Some(120) }, 1);
        stage.start();
        stage.learn(1).await;
        stage.until_met(1).await;
        stage
            .until("the rest to be done", async || {
                let effects = consumers::idle::look(&stage.log).await.unwrap().effects;
                (effects.started == 0 && effects.open() > 0).then_some(())
            })
            .await;
        assert!(!stage.is_ticked(1), "{route}");
        stage.advance(125);
        stage.until_idle().await;
        stage.assert_mirrored("Acme");
        assert!(stage.is_ticked(1), "{route}");
        assert!(stage.events("effect.retried").await.is_empty(), "{route}");
        assert_eq!(stage.control().counts().misdeed("called_while_throttled"), 0, "{route}");
    }
}

async fn throttled_source_holds_up_no_other_source(on: On) {
    let mut stage = Stage::new(on, two_sources()).await;
    let rule = simulator::FaultRule::once("workdrive.download", Fault::Throttle { retry_after_seconds: Some(300) });
    stage.control().add_fault(rule.for_organization("org-b")).unwrap();
    stage.start();
    stage.learn(1).await;
    stage.until_met(1).await;
    stage.learn(2).await;
    stage.until("the other source's record", async || stage.is_ticked(2).then_some(())).await;
    assert!(!stage.is_ticked(1));
    stage.advance(305);
    stage.until("the throttled record", async || stage.is_ticked(1).then_some(())).await;
}

async fn revoked_source_stops_alone_and_goes_on_after_consent(on: On) {
    let mut stage = Stage::new(on, two_sources()).await;
    stage.control().revoke_grants("org-b", &GrantChange::default()).unwrap();
    stage.start();
    stage.learn(1).await;
    stage.learn(2).await;
    stage.until("the other source's record", async || stage.is_ticked(2).then_some(())).await;
    stage
        .until("the account to wait for a person", async || {
            let look = consumers::idle::look(&stage.log).await.unwrap();
            (look.waiting_for_a_person > 0 && look.is_idle()).then_some(())
        })
        .await;
    assert!(stage.accounts.needs_consent("org-b"));
    let asked = stage.calls("workdrive.list");
    stage.control().renew_grants("org-b", &GrantRenewal::default()).unwrap();
    // The grant is the refused one, so it is tried ever more rarely.
    stage
        .until("the record of the renewed account", async || {
            stage.advance(30);
            stage.is_ticked(1).then_some(())
        })
        .await;
    assert!(stage.calls("workdrive.list") > asked);
    stage.until_idle().await;
    stage.assert_mirrored("Acme");
}

async fn destination_that_is_revoked_in_the_middle_goes_on_where_it_was(on: On) {
    let source = (0..20).map(|number| text(&format!("Acme/{number}.txt"), &number.to_string())).collect();
    let plan = Plan { source, transfer: "concurrency = 2", ..Plan::default() };
    let mut stage = Stage::new(on, plan).await;
    stage.fault("workdrive.upload", Fault::Delay { ms: 30 }, 20);
    stage.start();
    stage.learn(1).await;
    stage.until_met(5).await;
    stage.control().revoke_grants("org-a", &GrantChange::default()).unwrap();
    stage
        .until("the account to wait for a person", async || {
            let look = consumers::idle::look(&stage.log).await.unwrap();
            (stage.accounts.needs_consent("org-a") && look.is_idle() && look.waiting_for_a_person > 0).then_some(())
        })
        .await;
    stage.control().renew_grants("org-a", &GrantRenewal::default()).unwrap();
    stage
        .until("the record of the renewed account", async || {
            stage.advance(30);
            stage.is_ticked(1).then_some(())
        })
        .await;
    stage.until_idle().await;
    stage.assert_mirrored("Acme");
    assert!(stage.dead_letters().await.is_empty());
}

async fn suspended_licence_is_no_reason_to_ask_for_every_file(on: On) {
    let source = (0..40).map(|number| text(&format!("Acme/{number}.txt"), "x")).collect();
    let knobs = json!({"workdrive": {"upload_refusal": "licence"}});
    let stage = Stage::started(on, Plan { source, knobs, ..Plan::default() }).await;
    stage.until("the first refusal", async || (stage.calls("workdrive.upload") > 0).then_some(())).await;
    stage
        .until("the lane to be paused", async || {
            (consumers::idle::look(&stage.log).await.unwrap().effects.started == 0).then_some(())
        })
        .await;
    stage
        .until("all of it to be seen as waiting for a person", async || {
            let look = consumers::idle::look(&stage.log).await.unwrap();
            (look.is_idle() && look.waiting_for_a_person == 40).then_some(())
        })
        .await;
    // At most what was running when the first refusal came.
    assert!(stage.calls("workdrive.upload") <= 8, "{}", stage.calls("workdrive.upload"));
    stage.control().set_knobs(json!({"workdrive": {"upload_refusal": "none"}})).unwrap();
    stage.until("the check", async || stage.is_ticked(1).then_some(())).await;
    stage.assert_mirrored("Acme");
}
