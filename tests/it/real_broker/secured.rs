//! A broker that speaks TLS and lets in whom it knows (SASL), by the names that librdkafka has for it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;
use testkit::kafka::OwnBroker;
use tests::Settings;
use tests::database::block_on;
use tests::terminator::Terminator;
use tests::wait::until_true;

use super::stage::Stage;
use crate::trees::small;

const USER: &str = "gateledger";
const PASSWORD: &str = "a password of this test";

fn options(trusted: &str, password: &str) -> BTreeMap<String, String> {
    let options = [
        ("security.protocol", "sasl_ssl"),
        ("ssl.ca.location", trusted),
        ("sasl.mechanisms", "SCRAM-SHA-512"),
        ("sasl.username", USER),
        ("sasl.password", password),
    ];
    options.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn section(options: &BTreeMap<String, String>) -> String {
    options.iter().fold("[kafka.options]\n".to_owned(), |mut text, (name, value)| {
        writeln!(text, "\"{name}\" = \"{value}\"").unwrap();
        text
    })
}

#[test]
fn broker_with_tls_and_passwords_carries_the_log_and_says_why_it_refuses() {
    let mut terminator = Terminator::new();
    let broker = block_on(OwnBroker::start_guarded(terminator.address().port(), USER, PASSWORD));
    terminator.pass_on(broker.address());
    let crew = [("gateway", 1), ("poller", 1), ("registrar", 1), ("relay", 1), ("consumer", 2)];
    let stage = Stage::new(&small(2, 3), &terminator.address().to_string(), &crew, "");
    let usual = Settings::default().with(&std::fs::read_to_string(stage.site.file("gateledger.toml")).unwrap());
    let certificates = ["trusted.pem", "other.pem"].map(|name| stage.site.file(name).display().to_string());
    std::fs::write(&certificates[0], terminator.certificate()).unwrap();
    std::fs::write(&certificates[1], Terminator::new().certificate()).unwrap();
    std::fs::write(stage.site.file("password"), PASSWORD).unwrap();

    let plain = format!("[kafka]\nbrokers = \"{}\"\n", broker.address());
    for (settings, told) in [
        (section(&options(&certificates[0], "a wrong one")), "uthentication"),
        (section(&options(&certificates[1], PASSWORD)), "certificate"),
        (plain, ""),
    ] {
        stage.site.configure(&usual.clone().with(&settings));
        let mut gateway = stage.site.serve();
        until_true("the status says why", 30, || {
            let Some(answer) = stage.site.get("/status") else { return false };
            let status: Value = serde_json::from_str(&answer.body).unwrap();
            let kafka = &status["kafka"];
            assert_ne!(kafka["is_reachable"], true, "{kafka}");
            kafka["error"].as_str().is_some_and(|error| error.contains(told))
        });
        gateway.terminate();
        assert!(gateway.wait(10).success(), "{}", gateway.stderr());
        assert!(!gateway.stderr().contains("a wrong one") && !gateway.stderr().contains(PASSWORD));
    }

    stage.site.configure(&usual.with(&section(&options(&certificates[0], "file:password"))));
    let mut stage = stage.with_options(&options(&certificates[0], PASSWORD));
    stage.fleet.start_all();
    stage.until_all_is_done();
    stage.land();
    stage.assert_transferred_once();
}
