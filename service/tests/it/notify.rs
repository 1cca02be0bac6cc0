//! Endpoints that are told what happens.

use std::time::Duration;

use service::config::NotifyFrom;

use crate::place::Place;

fn lines_of(text: &str) -> Vec<String> {
    let problems = Place::with_file(text).load().unwrap_err();
    problems.problems().iter().map(|problem| problem.message.clone()).collect()
}

#[test]
fn an_endpoint_needs_an_address_a_secret_and_types() {
    let config =
        Place::with_file("[notify.erp]\nurl = 'https://erp.example/h'\nsecrets = 'env:S'\nevents = 'erp_user.*'");
    let config = config.load().unwrap();
    let one = &config.notifies["erp"];
    assert_eq!((one.organization.as_str(), &one.account, one.from), ("default", &None, NotifyFrom::Now));
    assert_eq!((one.max_attempts, one.concurrency, one.retry_base), (12, 4, Duration::from_secs(5)));
    assert_eq!((one.timeout, one.allow_http, one.allow_private), (Duration::from_secs(20), false, false));
    let missing = config.check_secrets().unwrap_err().to_string();
    assert!(missing.contains("notify.erp.secrets"), "{missing}");
    assert_eq!(
        lines_of("[notify.erp]"),
        [
            "`notify.erp.events` is missing; name the types of events, such as [\"erp_user.*\"]",
            "`notify.erp.secrets` is missing; give what requests are signed with, best as [\"env:NAME\"]",
            "`notify.erp.url` is missing; give the address that notifications are posted to",
        ]
    );
}

#[test]
fn addresses_that_others_can_read_must_be_allowed() {
    let with = |url: &str, more: &str| format!("[notify.erp]\nurl = '{url}'\nsecrets = 's'\nevents = 'a.b'\n{more}");
    for url in ["http://127.0.0.1:1/h", "http://localhost/h", "http://[::1]/h", "https://erp.example"] {
        assert!(Place::with_file(&with(url, "")).load().is_ok(), "{url}");
    }
    assert!(Place::with_file(&with("http://erp.internal/", "allow_http = true")).load().is_ok());
    assert_eq!(
        lines_of(&with("http://erp.example/", "")),
        ["`notify.erp.url` is http, which anybody on the way can read; use https, or say allow_http = true"]
    );
}

#[test]
fn what_an_endpoint_cannot_be_is_said() {
    assert_eq!(
        lines_of("[notify.erp]\nurl = 'https://a'\nsecrets = []\nevents = []\naccount = 'x'\nfrom = 'yesterday'"),
        [
            "`notify.erp.account` names `[accounts.x]`, which is not configured",
            "`notify.erp.events` is empty; name the types of events, such as [\"erp_user.*\"]",
            "`notify.erp.from` is none of `now`, `beginning`",
            "`notify.erp.secrets` is empty; requests are always signed",
        ]
    );
}
