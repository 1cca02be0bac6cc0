//! A person gives a grant at the command line while the service runs, and the key under it is replaced.

use std::net::SocketAddr;

use serde_json::json;
use simulator::seed::constants::{ORG_A, ORG_A_REFRESH_TOKEN};
use tests::wait::{until, until_true};
use tests::{Process, Site, Store, http};
use url::Url;

use crate::trees::small;

on_both! {
    an_account_is_connected_at_the_command_line_and_its_work_goes_on,
    rights_that_are_missing_are_named_with_what_they_break,
}

/// A site whose organisation A has no grant.
fn site(store: Store) -> Site {
    let site = Site::on(store, &small(1, 2));
    let file = site.file("gateledger.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let setting = format!("refresh_token = \"{ORG_A_REFRESH_TOKEN}\"\n");
    assert!(text.contains(&setting), "{text}");
    std::fs::write(file, text.replace(&setting, "")).unwrap();
    site
}

/// Starts `accounts connect`, and goes where a browser would go.
fn connect(site: &Site) -> Process {
    let process = site.start(&["accounts", "connect", ORG_A, "--port", "0", "--no-browser", "--json"]);
    let page = until("the address of the provider", 30, || {
        let said = process.stderr();
        let line = said.lines().find_map(|line| line.strip_prefix("open within ten minutes: "))?;
        Url::parse(line).ok()
    });
    let sent = visit(&page);
    let back = Url::parse(sent.header("location").expect("the provider sends the browser back")).unwrap();
    let answer = visit(&back);
    assert_eq!(answer.status, 200, "{}", answer.body);
    process
}

fn visit(url: &Url) -> http::Answer {
    let address: SocketAddr = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap()).parse().unwrap();
    http::get(address, &url[url::Position::BeforePath..]).unwrap()
}

fn an_account_is_connected_at_the_command_line_and_its_work_goes_on(store: Store) {
    let site = site(store);
    let mut service = site.serve();
    let log = site.log();
    until_true("the account waits", 30, || log.events_of("account.needs_consent") == 1);
    assert!(connect(&site).wait(30).success());
    until_true("the transfer ends", 60, || log.events_of("transfer.completed") == 1);
    let connected = log.events("account.connected").remove(0);
    assert_eq!((&connected["account"], &connected["missing"]), (&json!(ORG_A), &json!([])));

    let shown = site.run(&["accounts", "show", ORG_A, "--json"]).json();
    assert_eq!((&shown["state"], &shown["grant"]["origin"]), (&json!("ok"), &json!("person")));
    assert_eq!(site.run(&["accounts", "refresh", ORG_A]).code, Some(0));
    assert_eq!(site.run(&["accounts", "disconnect", ORG_A, "--json"]).json()["preview"], true);
    assert_eq!(log.events_of("account.disconnected"), 0);
    assert_eq!(site.run(&["accounts", "disconnect", ORG_A, "--yes"]).code, Some(0));
    assert_eq!(site.run(&["accounts", "refresh", ORG_A]).code, Some(1));
    assert!(service.is_running());
}

fn rights_that_are_missing_are_named_with_what_they_break(store: Store) {
    let site = site(store);
    site.control().set_knobs(json!({"oauth": {"consent_without": ["ZohoFiles.files.ALL"]}})).unwrap();
    assert_eq!(connect(&site).wait(30).code(), Some(1), "something that is needed is missing");
    let service = site.serve();
    until_true("it is told at the start", 30, || {
        service.stderr().contains("the grant lacks ZohoFiles.files.ALL: files cannot be uploaded")
    });
    let listed = site.run(&["accounts", "list", "--json"]).json();
    assert_eq!(listed[0]["grant"]["scopes"]["missing"][0]["scope"], "ZohoFiles.files.ALL");
}

#[test]
fn a_rotation_that_is_killed_again_and_again_costs_no_grant() {
    let site = Site::new(&small(1, 1));
    let mut service = site.serve();
    assert!(connect(&site).wait(30).success());
    let log = site.log();
    let key_file = || std::fs::read_to_string(site.file("gateledger.key")).unwrap();
    let sealed_with = || log.texts("SELECT key_id FROM grants");
    for moment in ["at once", "under its lease", "with the new key", "with a row sealed anew"] {
        let (key_before, sealed_before) = (key_file(), sealed_with());
        let mut rotating = site.start(&["keys", "rotate"]);
        until_true("the rotation is that far, or has ended", 60, || {
            let is_there = match moment {
                "at once" => true,
                "under its lease" => log.count("SELECT count(*) FROM leases WHERE lease_name = 'vault.rotate'") == 1,
                "with the new key" => key_file() != key_before,
                _ => sealed_with() != sealed_before,
            };
            is_there || !rotating.is_running()
        });
        rotating.kill();
        assert_eq!(site.run(&["accounts", "refresh", ORG_A]).code, Some(0), "killed {moment}");
    }
    let report = until("the lease of the dead runs out", 60, || {
        let ran = site.run(&["keys", "rotate", "--json"]);
        (ran.code == Some(0)).then(|| ran.json())
    });
    assert_eq!(report["unreadable"], json!([]));
    let key_id = report["key_id"].as_str().unwrap();
    assert_eq!(log.texts("SELECT key_id FROM grants"), [key_id]);
    assert_eq!(log.count(&format!("SELECT count(*) FROM oauth_tokens WHERE key_id <> '{key_id}'")), 0);
    assert_eq!(site.run(&["accounts", "test", ORG_A]).code, Some(0));
    assert_eq!(log.events_of("account.needs_consent"), 0);
    assert!(service.is_running());
}
