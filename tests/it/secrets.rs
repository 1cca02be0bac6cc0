//! Secrets that are planted do not come out: not in outputs, not in logs, not in the database.

use simulator::{Fault, FaultRule};
use tests::http::post;
use tests::verify::{is_checked, records};
use tests::wait::until_true;
use tests::{Site, Store};

use crate::trees::{arrive, small};

on_both! {
    planted_secrets_are_found_nowhere_after_a_busy_run_with_errors,
}

const PLANTED: [&str; 6] = [
    "planted-client-secret-a-7f3a",
    "1000.plantedrefresha.5b1c",
    "planted-client-secret-b-99d0",
    "1000.plantedrefreshb.e2f4",
    "planted-hmac-secret-41aa",
    "cGxhbnRlZC1zdGFuZGFyZC1zZWNyZXQ=",
];

fn planted_secrets_are_found_nowhere_after_a_busy_run_with_errors(store: Store) {
    let [secret_a, refresh_a, secret_b, refresh_b, hmac, standard] = PLANTED;
    let mut seed = small(2, 6);
    for (organization, secret, refresh) in [(0, secret_a, refresh_a), (1, secret_b, refresh_b)] {
        seed.organizations[organization].clients[0].secret = secret.to_owned();
        seed.organizations[organization].clients[0].refresh_token = Some(refresh.to_owned());
    }
    let often = |route: &str, fault: Fault| FaultRule::once(route, fault).forever().with_probability(0.1);
    seed.faults = vec![
        FaultRule::once("oauth.token", Fault::Status { code: 500, html_body: true }),
        FaultRule::once("oauth.token", Fault::TruncatedJson {}).skipping(1),
        often("workdrive.*", Fault::ExpiredToken {}),
        often("workdrive.*", Fault::Status { code: 500, html_body: true }),
        often("workdrive.*", Fault::CutAfter {}),
        often("crm.*", Fault::TruncatedJson {}),
    ];
    let mut site = Site::on(store, &seed);
    site.set_variable("PLANTED_SECRET_A", secret_a);
    let settings = site.settings().with(&format!(
        "[log]\nlevel = \"trace\"\ndirectory = \"logs\"\n\
         [accounts.org-a]\nclient_secret = \"env:PLANTED_SECRET_A\"\nrefresh_token = \"{refresh_a}\"\n\
         [accounts.org-b]\nclient_secret = \"{secret_b}\"\nrefresh_token = \"{refresh_b}\"\n\
         [transfers.contacts]\nmax_attempts = 50\n\
         [accounts.partner]\nprovider = \"generic\"\n\
         [accounts.partner.webhook]\nverify = \"hmac\"\nsecret = \"{hmac}\"\nheader = \"X-Signature\"\n\
         [accounts.sender]\nprovider = \"generic\"\n\
         [accounts.sender.webhook]\nverify = \"standard-webhooks\"\nsecrets = [\"whsec_{standard}\"]\n"
    ));
    site.configure(&settings);
    let mut outputs = Vec::new();
    let mut process = site.serve();
    for account in ["partner", "sender", "org-a", "nobody"] {
        let answer = post(site.listen(), &format!("/webhooks/{account}"), &[("X-Signature", "00")], b"{}").unwrap();
        outputs.push(answer.body);
    }
    arrive(&site, "Late arrival", 4);
    until_true("the work is done", 90, || records(&site.state()).iter().all(is_checked));
    for path in ["/status", "/metrics", "/health", "/ready"] {
        outputs.push(site.get(path).unwrap().body);
    }
    for arguments in [
        &["events", "list", "--limit", "1000", "--json"][..],
        &["events", "list", "--rejected", "--json"],
        &["events", "tail", "--json"],
        &["accounts", "list", "--json"],
        &["accounts", "test", "--json", "--log", "trace"],
        &["registrations", "list", "--json"],
        &["dead-letters", "list", "--resolved", "--json"],
        &["projections", "list", "--json"],
        &["transfer", "--transfer", "nonsense", "--log", "trace"],
    ] {
        let ran = site.run(arguments);
        outputs.extend([ran.stdout, ran.stderr]);
    }
    process.terminate();
    process.wait(10);

    let access_tokens = site.control().counts().token_requests;
    assert!(access_tokens.values().all(|outcomes| outcomes.contains_key("issued")), "{access_tokens:?}");
    // What is looked for is what the simulator gives.
    let path = format!(
        "/accounts/oauth/v2/token?grant_type=refresh_token&client_id=1000.SIMULATORORGA&client_secret={secret_a}&refresh_token={refresh_a}"
    );
    let issued = post(site.simulator().address(), &path, &[], b"").unwrap().body;
    assert!(token_in(&issued).is_some(), "{issued}");
    for (at, output) in outputs.iter().enumerate() {
        clean(&format!("output {at}"), output.as_bytes());
    }
    let mut looked_at = 0;
    for folder in [site.folder().to_owned(), site.file("logs")] {
        for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file()) {
            if file.file_name().is_some_and(|name| name != "gateledger.toml") {
                clean(&file.display().to_string(), &std::fs::read(&file).unwrap());
                looked_at += 1;
            }
        }
    }
    let log = site.log();
    for table in log.tables() {
        for row in log.rows(&table) {
            clean(&format!("a row of {table}"), row.as_bytes());
        }
    }
    let expected = log.either(5, 3);
    assert!(looked_at >= expected, "outputs, log, on SQLite database and key: only {looked_at} files");
}

#[test]
fn password_for_the_broker_is_said_nowhere() {
    let planted = PLANTED[4];
    let mut site = Site::on(Store::Postgres, &small(0, 0));
    site.set_variable("PLANTED_PASSWORD", planted);
    let nobody = tests::site::free_address();
    site.configure(&site.settings().with(&format!(
        "[log]\nlevel = \"trace\"\n[kafka]\nbrokers = \"{nobody}\"\n[kafka.options]\n\"security.protocol\" = \"SASL_PLAINTEXT\"\n\
         \"sasl.mechanisms\" = \"PLAIN\"\n\"sasl.username\" = \"gateledger\"\n\"sasl.password\" = \"env:PLANTED_PASSWORD\"\n"
    )));
    let mut process = site.serve();
    until_true("the broker is missed", 30, || process.stderr().contains("kafka cannot be reached"));
    for path in ["/status", "/metrics"] {
        clean(path, site.get(path).unwrap().body.as_bytes());
    }
    process.terminate();
    assert!(process.wait(10).success());
    clean("the log", process.stderr().as_bytes());
    let log = site.log();
    for table in log.tables() {
        clean(&table, log.rows(&table).join("\n").as_bytes());
    }
}

/// Nothing planted is in there, and nothing that looks like an access token.
fn clean(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for planted in PLANTED {
        if let Some(at) = text.find(planted) {
            panic!("{planted} is in {what}: …{}…", around(&text, at));
        }
    }
    if let Some(at) = token_in(&text) {
        panic!("an access token is in {what}: …{}…", around(&text, at));
    }
}

/// Where something stands that looks like an access token.
fn token_in(text: &str) -> Option<usize> {
    let looks_like_one = |at: &usize| {
        let token: String = text[*at..].chars().skip(5).take(65).collect();
        let is_digit = |(at, letter): (usize, char)| if at == 32 { letter == '.' } else { letter.is_ascii_hexdigit() };
        token.len() == 65 && token.char_indices().all(is_digit)
    };
    text.match_indices("1000.").map(|(at, _)| at).find(looks_like_one)
}

fn around(text: &str, at: usize) -> String {
    let before: String = text[..at].chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect();
    before + &text[at..].chars().take(80).collect::<String>()
}
