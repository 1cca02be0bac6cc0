//! Settings, databases and surroundings that are not as they should be: said at once, with what helps.

use std::net::TcpListener;

use tests::log::change;
use tests::wait::until_true;
use tests::{Ran, Settings, Site, Store};

use crate::trees::small;

on_both! {
    module_or_field_that_crm_lacks_is_said_by_the_test_and_at_start_and_not_asked_for_ever,
    database_of_a_newer_version_is_refused,
}

/// The command failed and said so with all of these words.
fn refused(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, Some(1), "{}\n{}", ran.stdout, ran.stderr);
    for word in words {
        assert!(ran.stderr.contains(word), "does not say {word:?}:\n{}", ran.stderr);
    }
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
}

#[test]
fn unknown_keys_are_all_named_with_the_nearest_known_one() {
    let site = Site::new(&small(0, 0));
    site.configure(
        &site
            .settings()
            .with("[http]\nlisten_adress = \"x\"\n[transfers.contacts]\nmodul = \"Contacts\"\n[strore]\nurl = \"x\""),
    );
    let ran = site.run(&["serve"]);
    refused(&ran, &["listen_adress", "listen", "modul", "module", "strore", "store"]);
}

fn module_or_field_that_crm_lacks_is_said_by_the_test_and_at_start_and_not_asked_for_ever(store: Store) {
    for (key, wrong) in [("module", "Kontakte"), ("checkbox_field", "Transfer_Done"), ("folder_field", "Folder")] {
        let site = Site::on(store, &small(1, 1));
        site.configure(
            &site.settings().with(&format!("[transfers.contacts]\n{key} = \"{wrong}\"\ninterval_seconds = 1")),
        );
        let tested = site.run(&["accounts", "test"]);
        assert_eq!(tested.code, Some(1), "{}", tested.stdout);
        assert!(tested.stdout.contains(wrong), "the test does not name {wrong}:\n{}", tested.stdout);

        let asked = || {
            let counts = site.control().counts();
            counts.requests("crm.coql") + counts.requests("crm.list")
        };
        let before = asked();
        let mut process = site.serve();
        until_true("serve says it", 20, || process.stderr().contains(wrong));
        // Three intervals later it has not asked again and again.
        let log = site.log();
        let began = std::time::Instant::now();
        until_true("time has passed", 20, || began.elapsed() > std::time::Duration::from_secs(3));
        assert!(asked() - before <= 3, "{key}: asked {} times", asked() - before);
        assert_eq!(log.events_of("transfer.requested"), 0);
        process.terminate();
        assert!(process.wait(10).success());
    }
}

#[test]
fn damaged_database_is_refused_and_left_alone() {
    let site = Site::new(&small(0, 0));
    let garbage = vec![b'x'; 20_000];
    std::fs::write(site.file("gateledger.db"), &garbage).unwrap();
    for arguments in [&["serve"][..], &["transfer"], &["events", "list"], &["migrate"]] {
        refused(&site.run(arguments), &["gateledger.db", "is not a usable database"]);
    }
    assert_eq!(std::fs::read(site.file("gateledger.db")).unwrap(), garbage);
}

fn database_of_a_newer_version_is_refused(store: Store) {
    let site = Site::on(store, &small(0, 0));
    assert_eq!(site.run(&["migrate"]).code, Some(0));
    let checksum = site.log().either("x'00'", "'\\x00'");
    change(
        site.database(),
        &format!(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (29991231000000, 'from the future', true, {checksum}, 1)"
        ),
    );
    for arguments in [&["serve"][..], &["transfer"], &["events", "list"]] {
        refused(&site.run(arguments), &["newer"]);
    }
}

#[test]
fn taken_port_and_second_process_are_told_apart() {
    let site = Site::new(&small(0, 0));
    let taken = TcpListener::bind(site.listen()).unwrap();
    refused(&site.run(&["serve"]), &[&site.listen().to_string()]);
    drop(taken);
    let process = site.serve();
    refused(&site.run(&["serve"]), &["gateledger.db", "process"]);
    refused(&site.run(&["transfer"]), &["gateledger.db", "process"]);
    assert_eq!(site.run(&["events", "list"]).code, Some(0), "looking is allowed");
    drop(process);
}

#[test]
fn server_that_cannot_be_used_is_named_without_its_password() {
    let mut site = Site::on(Store::Postgres, &small(0, 0));
    let url = site.database().url().unwrap().to_owned();
    let nobody = tests::site::free_address();
    for (address, word) in [
        (format!("postgres://user:hidden-word@{nobody}/somewhere"), nobody.to_string()),
        (format!("{url}_that_is_not_there"), "does not exist".to_owned()),
        (format!("{url}?sslmode=verify-full"), "TLS".to_owned()),
    ] {
        site.set_variable("GATELEDGER__STORE__URL", &address);
        for arguments in [&["serve"][..], &["transfer"], &["events", "list"], &["migrate"]] {
            let ran = site.run(arguments);
            refused(&ran, &["store.url", &word]);
            assert!(!ran.stderr.contains("hidden-word"), "{}", ran.stderr);
        }
    }
    site.set_variable("GATELEDGER__STORE__URL", &url);
    site.set_variable("GATELEDGER_KEY", "");
    refused(&site.run(&["serve"]), &["GATELEDGER_KEY"]);
}

#[test]
fn wrong_kafka_settings_are_said_at_the_start() {
    let site = Site::on(Store::Postgres, &small(0, 0));
    refused(&site.run(&["serve", "--role", "relay"]), &["kafka.brokers"]);
    for (settings, words) in [
        ("[kafka]\ntopic = \"x\"", ["kafka.brokers", ""]),
        ("[kafka]\nbrokers = \"localhost:1\"\npartitions = 0", ["kafka.partitions", ""]),
        ("[kafka]\nbrokers = \"localhost:1\"\nbroker = \"x\"", ["kafka.broker", "brokers"]),
        ("[kafka]\nbrokers = \"localhost:1\"\n[kafka.options]\n\"sasl.passwort\" = \"x\"", ["sasl.passwort", ""]),
        ("[kafka]\nbrokers = \"localhost:1\"\n[kafka.options]\nacks = \"1\"", ["kafka.options.acks", "remove"]),
    ] {
        site.configure(&site.settings().with(settings));
        refused(&site.run(&["serve"]), &words);
    }
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    let site = Site::new(&small(0, 0));
    refused(&site.run(&["transfer", "--transfer", "contract"]), &["contract", "contacts"]);
    refused(&site.run(&["accounts", "test", "org-x"]), &["org-x", "org-b"]);
    assert_eq!(site.run(&["transfer", "--record-id", "not a number"]).code, Some(1));
    assert_eq!(site.run(&["transfers"]).code, Some(2));
    let no_events = site.run(&["events", "list"]);
    assert!(no_events.stdout.is_empty(), "{}", no_events.stdout);
}

#[test]
fn every_wrong_setting_is_in_one_error() {
    let site = Site::new(&small(0, 0));
    let wrong = site.settings().with(
        "[http]\nlisten = \"nowhere\"\n[transfers.contacts]\nsource = \"org-z\"\nmax_attempts = 0\ncheck_when = \"most\"\n\
         [accounts.org-a]\nregion = \"moon\"\nclient_secret = \"env:NOT_SET_ANYWHERE\"",
    );
    site.configure(&wrong);
    refused(&site.run(&["transfer"]), &["http.listen", "org-z", "max_attempts", "check_when", "accounts.org-a.region"]);
    site.configure(&site.settings().with("[accounts.org-a]\nclient_secret = \"env:NOT_SET_ANYWHERE\""));
    refused(&site.run(&["transfer"]), &["NOT_SET_ANYWHERE"]);
    std::fs::write(site.file("gateledger.toml"), "[http\nlisten").unwrap();
    refused(&site.run(&["serve"]), &["gateledger.toml"]);
    site.configure(&Settings::default());
    refused(&site.run(&["transfer"]), &["CRM_MODULE_API_NAME", "ORG_A_CLIENT_ID"]);
}
