//! Receivers of messages, and the accounts whose messages they get.

use std::time::Duration;

use service::config::{IngestAuth, Schedule};

use crate::place::Place;

const ACCOUNT: &str = "[accounts.a]\nprovider = 'zoho'\nclient_id = '1'\nclient_secret = 's'\n";

fn lines_of(text: &str) -> Vec<String> {
    let problems = Place::with_file(text).load().unwrap_err();
    problems.problems().iter().map(|problem| problem.message.clone()).collect()
}

#[test]
fn a_receiver_needs_only_its_address() {
    let config = Place::with_file(&format!(
        "[ingest.analysis]\nurl = 'https://a.example:8443/v1/ingest'\n{ACCOUNT}cliq.ingest = 'analysis'\n"
    ));
    let config = config.load().unwrap();
    let one = &config.ingests["analysis"];
    assert_eq!((one.batch_lines, one.batch_bytes, one.max_attempts, one.concurrency), (200, 524_288, 10, 2));
    assert_eq!((one.retry_base, one.timeout), (Duration::from_secs(1), Duration::from_secs(60)));
    let IngestAuth::GoogleIdToken(google) = &one.auth else { panic!("{:?}", one.auth) };
    assert_eq!(google.audience, "https://a.example:8443");
    assert!(google.service_account.is_none() && google.token_url.is_none() && google.metadata_url.is_none());
    assert_eq!(config.accounts["a"].cliq.ingest.as_deref(), Some("analysis"));
    assert_eq!(config.accounts["a"].cliq.schedule, Schedule::Every(Duration::from_secs(86_400)));
}

#[test]
fn every_setting_of_a_receiver_is_read() {
    let config = Place::with_file(
        "[ingest.g]\nurl = 'https://a.example/i'\nservice_account = 'env:KEY'\naudience = 'b'
        endpoints = { token = 'http://127.0.0.1:1/t', metadata = 'http://127.0.0.1:1/m' }
        [ingest.k]\nurl = 'https://a.example'\nauth = 'bearer'\ntoken = 'env:TOKEN'\nbatch_lines = 5
        [ingest.n]\nurl = 'http://a.example'\nauth = 'none'",
    );
    let config = config.variable("GATELEDGER__INGEST__N__TIMEOUT_SECONDS", "7").load().unwrap();
    let IngestAuth::GoogleIdToken(google) = &config.ingests["g"].auth else { panic!() };
    assert_eq!(google.audience, "b");
    assert_eq!(google.token_url.as_ref().unwrap().as_str(), "http://127.0.0.1:1/t");
    assert!(matches!(config.ingests["k"].auth, IngestAuth::Bearer { .. }));
    assert_eq!(config.ingests["k"].batch_lines, 5);
    assert!(matches!(config.ingests["n"].auth, IngestAuth::None));
    assert_eq!(config.ingests["n"].timeout, Duration::from_secs(7));
    let missing = config.check_secrets().unwrap_err().to_string();
    assert!(missing.contains("ingest.g.service_account") && missing.contains("ingest.k.token"), "{missing}");
}

#[test]
fn what_a_receiver_cannot_be_is_said_with_the_remedy() {
    assert_eq!(
        lines_of("[ingest.a]\nauth = 'basic'\ntoken = 't'\nbatch_lines = 0"),
        [
            "`ingest.a.auth` is none of `google-id-token`, `bearer`, `none`",
            "`ingest.a.batch_lines` must be from 1 to 10000",
            "`ingest.a.url` is missing; give the address that batches are posted to",
        ]
    );
    assert_eq!(
        lines_of("[ingest.a]\nurl = 'https://a'\nauth = 'bearer'\naudience = 'x'"),
        [
            "`ingest.a.audience` has no meaning with auth = \"bearer\"; remove it",
            "`ingest.a.token` is missing; give the key that the receiver expects, best as \"env:NAME\"",
        ]
    );
    assert_eq!(
        lines_of("[ingest.a]\nurl = 'https://a'\ntoken = 'x'\nbatch_line = 3"),
        [
            "unknown key `ingest.a.batch_line`, did you mean `batch_lines`?",
            "`ingest.a.token` has no meaning with auth = \"google-id-token\"; remove it",
        ]
    );
}

#[test]
fn an_account_names_a_receiver_that_is_there() {
    let text =
        format!("[ingest.analysis]\nurl = 'https://a'\n{ACCOUNT}cliq = {{ ingest = 'analisis', timezone = 'UTC' }}");
    assert_eq!(
        lines_of(&text),
        [
            "`accounts.a.cliq.ingest` names `[ingest.analisis]`, which is not configured, did you mean `analysis`?",
            "`accounts.a.cliq.timezone` has no meaning without `schedule`; remove it",
        ]
    );
    let generic =
        "[accounts.a]\nprovider = 'generic'\nwebhook = { verify = 'hmac', secret = 's', header = 'h' }\ncliq = {}";
    assert_eq!(lines_of(generic), ["`accounts.a.cliq` has no meaning with provider = \"generic\"; remove it"]);
}
