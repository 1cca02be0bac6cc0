//! A grant is taken back in the middle: that account waits, the others go on, and a renewed grant is noticed.

use simulator::Fault;
use simulator::FaultRule;
use simulator::control::{GrantChange, GrantRenewal};
use simulator::seed::constants::{
    DESTINATION_FOLDER_ID, DESTINATION_TEAM_FOLDER_ID, MODULE, ORG_A, ORG_A_REFRESH_TOKEN, ORG_B,
};
use tests::verify::{self, is_checked, organization};
use tests::wait::until_true;
use tests::{Site, Store, story};

use crate::trees::small;

on_both! {
    revoked_account_waits_while_the_other_goes_on_and_recovers_by_itself,
    accounts_server_that_fails_for_a_while_costs_no_file_its_attempts,
}

const ORG_C: &str = "org-c";

/// Organisation C is another A: records and a destination of its own, the same source.
fn site(store: Store) -> Site {
    let mut seed = small(3, 12);
    let mut third = seed.organizations[0].clone();
    third.name = ORG_C.to_owned();
    third.clients[0].id = "1000.SIMULATORORGC".to_owned();
    third.clients[0].refresh_token = Some("1000.simulated.refresh.c".to_owned());
    third.workdrive.team_folders[0].id = "team-c".to_owned();
    for entry in &mut third.workdrive.entries {
        for (of_a, of_c) in [(DESTINATION_TEAM_FOLDER_ID, "team-c"), (DESTINATION_FOLDER_ID, "dest-c")] {
            if entry.in_folder == of_a {
                entry.in_folder = of_c.to_owned();
            }
            if entry.id.as_deref() == Some(of_a) {
                entry.id = Some(of_c.to_owned());
            }
        }
    }
    seed.organizations.push(third);
    // Time to revoke in the middle.
    seed.faults.push(FaultRule::once("workdrive.upload", Fault::Delay { ms: 150 }).forever());
    let site = Site::on(store, &seed);
    let endpoints: String =
        site.simulator().endpoints().iter().map(|(name, url)| format!("{name} = \"{url}\"\n")).collect();
    let settings = site.settings().with(&format!(
        "[accounts.{ORG_C}]\nprovider = \"zoho\"\nclient_id = \"1000.SIMULATORORGC\"\n\
         client_secret = \"simulated-secret-a\"\nrefresh_token = \"1000.simulated.refresh.c\"\nconsent_probe_seconds = 1\n\
         [accounts.{ORG_C}.endpoints]\n{endpoints}\
         [accounts.{ORG_C}.limits]\nworkdrive_metadata_per_second = 500.0\ncrm_per_second = 100.0\n\
         [transfers.contacts]\nconcurrency = 2\n\
         [transfers.others]\ncrm = \"{ORG_C}\"\nsource = \"org-b\"\ndestination = \"{ORG_C}\"\nmodule = \"Contacts\"\n\
         checkbox_field = \"Transfer_Complete\"\nfolder_field = \"Source_Folder_Name\"\n\
         source_team_folder_id = \"team-b\"\ndestination_folder_id = \"dest-c\"\ninterval_seconds = 2\nconcurrency = 2\n"
    ));
    site.configure(&settings.with(&format!("[accounts.{ORG_A}]\nrefresh_token = \"file:org-a.token\"")));
    std::fs::write(site.file("org-a.token"), ORG_A_REFRESH_TOKEN).unwrap();
    site
}

fn state_of(site: &Site, account: &str) -> String {
    let listed = site.run(&["accounts", "list", "--json"]);
    let rows = listed.json();
    let row = rows.as_array().and_then(|rows| rows.iter().find(|row| row["account"] == account)).cloned();
    row.unwrap_or_else(|| panic!("{account} is not listed: {}", listed.stdout))["state"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn checked(site: &Site, name: &str) -> usize {
    let state = site.state();
    organization(&state, name).records[MODULE].iter().filter(|record| is_checked(record)).count()
}

fn revoked_account_waits_while_the_other_goes_on_and_recovers_by_itself(store: Store) {
    let site = site(store);
    let before = site.state();
    let mut process = site.serve();
    let log = site.log();
    let copied = |transfer: &str| {
        let sql = format!(
            "SELECT count(*) FROM events WHERE event_type = 'transfer_file.completed' AND stream_name LIKE 'transfer-{transfer}-%'"
        );
        log.count(&sql)
    };
    until_true("both transfers are under way", 30, || copied("contacts") >= 4 && copied("others") >= 4);
    site.control().revoke_grants(ORG_A, &GrantChange::default()).unwrap();

    until_true("accounts list shows it", 20, || state_of(&site, ORG_A) == "needs_consent");
    until_true("the other transfer ends", 60, || checked(&site, ORG_C) == 3);
    assert_eq!(state_of(&site, ORG_C), "ok");
    assert_eq!(state_of(&site, ORG_A), "needs_consent");
    assert!(checked(&site, ORG_A) < 3, "it was revoked too late to show anything");
    let stopped_at = copied("contacts");
    assert!(stopped_at < 36);
    assert_eq!(log.count("SELECT count(*) FROM dead_letters"), 0, "waiting for a person is no failure");
    assert!(process.is_running());

    // Looks for a renewed grant are paced, and nothing else asks.
    let asked = site.control().counts().token_requests[ORG_A].get("invalid_code").copied().unwrap_or(0);
    assert!(asked <= 20, "asked {asked} times with a revoked grant");

    let renewal =
        GrantRenewal { refresh_token: Some("1000.simulated.renewed.a".to_owned()), ..GrantRenewal::default() };
    site.control().renew_grants(ORG_A, &renewal).unwrap();
    std::fs::write(site.file("org-a.token"), "1000.simulated.renewed.a").unwrap();
    until_true("the transfer goes on by itself", 60, || checked(&site, ORG_A) == 3);
    until_true("accounts list shows that too", 10, || state_of(&site, ORG_A) == "ok");
    until_true("nothing is open", 10, || log.open_effects() == 0);
    process.terminate();
    assert!(process.wait(10).success());

    verify::compare(&before, &site.state()).assert_right();
    story::read(&log).assert_whole();
    assert_eq!(log.events_of("account.needs_consent"), 1);
    assert_eq!(log.events_of("account.recovered"), 1);
}

fn accounts_server_that_fails_for_a_while_costs_no_file_its_attempts(store: Store) {
    let mut seed = small(2, 12);
    seed.faults.push(FaultRule::once("workdrive.upload", Fault::Delay { ms: 100 }).forever());
    let site = Site::on(store, &seed);
    // One attempt may meet the dead token; the outage itself must cost none.
    site.configure(&site.settings().with("[transfers.contacts]\nmax_attempts = 2\nconcurrency = 2"));
    let before = site.state();
    let mut process = site.serve();
    let log = site.log();
    until_true("the transfer is under way", 30, || log.events_of("transfer_file.completed") >= 4);
    let outage = FaultRule::once("oauth.token", Fault::Status { code: 500, html_body: true }).forever();
    let outage = site.control().add_fault(outage).unwrap();
    let asked = || site.control().counts().requests("oauth.token");
    let so_far = asked();
    for name in [ORG_A, ORG_B] {
        site.control().expire_access_tokens(name).unwrap();
    }
    until_true("no token can be had for a while", 30, || asked() >= so_far + 6);
    site.control().remove_fault(outage).unwrap();
    until_true("the transfers end", 60, || checked(&site, ORG_A) == 2);
    process.terminate();
    assert!(process.wait(10).success());
    verify::compare(&before, &site.state()).assert_right();
    story::read(&log).assert_whole();
    assert_eq!(log.count("SELECT count(*) FROM dead_letters"), 0);
}
