//! What is refused, and in which words.

use crate::place::Place;

const TRANSFER: &str = "
[accounts.org-a]
provider = 'zoho'
client_id = '1'
client_secret = 's'
[transfers.contacts]
crm = 'org-a'
source = 'org-a'
destination = 'org-a'
module = 'Contacts'
folder_field = 'F'
source_team_folder_id = '1'
destination_folder_id = '2'
";

fn lines_of(text: &str) -> Vec<String> {
    let problems = Place::with_file(text).load().unwrap_err();
    problems.problems().iter().map(|problem| problem.message.clone()).collect()
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    let lines = lines_of(&format!("{TRANSFER}checkbox_field = 'C'\ncheckbox_fild = 'C'\n"));
    assert_eq!(lines, ["unknown key `transfers.contacts.checkbox_fild`, did you mean `checkbox_field`?"]);
    assert_eq!(lines_of("[htp]\nlisten = 'x'"), ["unknown key `htp`, did you mean `http`?"]);
    let far = lines_of("[service]\nzzz = 1");
    assert_eq!(far, ["unknown key `service.zzz`; known: `effect_lease_seconds`, `shutdown_grace_seconds`"]);
}

#[test]
fn an_unknown_variable_is_named() {
    let place = Place::new().variable("GATELEDGER__HTTP__LISTN", "x");
    assert_eq!(
        place.refusal(),
        "unknown key `http.listn`, did you mean `listen`? (GATELEDGER__HTTP__LISTN in the environment)"
    );
}

#[test]
fn all_problems_are_reported_at_once_with_key_remedy_and_place() {
    let place = Place::with_file(&format!(
        "{TRANSFER}\n[http]\nlisten = 8080\nworkers = 0\n[log]\nformat = 'jsn'\n[store]\nurl = 'mysql://u:hunter2@db/x'"
    ))
    .variable("GATELEDGER__SERVICE__SHUTDOWN_GRACE_SECONDS", "soon");
    let message = place.refusal();
    let file = format!("(in {})", place.path().join("gateledger.toml").display());
    let expected = [
        "the configuration has 6 problems:".to_owned(),
        format!("  `http.listen` is a whole number here; expected an address and port such as \"127.0.0.1:8080\" {file}"),
        format!("  `http.workers` must be from 1 to 256 {file}"),
        format!("  `log.format` is none of `text`, `json`, did you mean `json`? {file}"),
        "  `service.shutdown_grace_seconds` is a text here; expected a whole number (GATELEDGER__SERVICE__SHUTDOWN_GRACE_SECONDS in the environment)".to_owned(),
        format!("  `store.url` has the unsupported scheme `mysql`; write sqlite:<path>, such as sqlite:gateledger.db, or postgres://user:password@host:5432/database {file}"),
        "  `transfers.contacts.checkbox_field` is missing; give its API name, as the CRM's developer settings show it".to_owned(),
    ];
    assert_eq!(message.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn an_unknown_account_names_the_nearest_one() {
    let text = format!("{TRANSFER}checkbox_field = 'C'\n").replace("source = 'org-a'", "source = 'orga'");
    assert_eq!(
        lines_of(&text),
        ["`transfers.contacts.source` names the account `orga`, which is not configured, did you mean `org-a`?"]
    );
    let config = Place::with_file(&format!("{TRANSFER}checkbox_field = 'C'\n")).load().unwrap();
    assert_eq!(config.account("org-z").unwrap_err().to_string(), "there is no account `org-z`, did you mean `org-a`?");
}

#[test]
fn what_is_planned_and_what_is_unknown_are_told_apart() {
    let account = |provider: &str, verify: &str| {
        lines_of(&format!(
            "[accounts.a]\nprovider = '{provider}'\n[accounts.a.webhook]\nverify = '{verify}'\nsecret = 's'\nheader = 'h'"
        ))
    };
    assert_eq!(account("zohoo", "hmac"), ["`accounts.a.provider` is none of `zoho`, `generic`, did you mean `zoho`?"]);
    assert_eq!(
        account("google", "hmac"),
        ["`accounts.a.provider` = \"google\" is not supported by this version; supported: `zoho`, `generic`"]
    );
    assert!(account("generic", "microsoft-graph")[0].contains("is not supported by this version"));
    assert_eq!(
        lines_of("[kafka]\ntopic = 'x'\nbroker = 'y'"),
        [
            "unknown key `kafka.broker`, did you mean `brokers`?",
            "`kafka.brokers` is missing; name at least one broker as \"host:port\", or remove the section to follow the log directly"
        ]
    );
}

#[test]
fn keys_without_meaning_and_contradictions_are_refused() {
    let webhook =
        |options: &str| lines_of(&format!("[accounts.a]\nprovider = 'generic'\n[accounts.a.webhook]\n{options}"));
    assert_eq!(
        webhook("verify = 'standard-webhooks'\nsecret = 's'\nalgorithm = 'sha1'"),
        ["`accounts.a.webhook.algorithm` has no meaning with verify = \"standard-webhooks\"; remove it"]
    );
    assert_eq!(
        webhook("verify = 'hmac'\nheader = 'h'"),
        ["`accounts.a.webhook.secret` is missing; write the sender's secret, best as \"env:NAME\""]
    );
    assert_eq!(
        webhook("verify = 'hmac'\nheader = 'h'\nsecret = 's'\nsigned_content = '{timestamp}.{body}'"),
        ["`accounts.a.webhook.timestamp_header` is missing; signed_content needs it"]
    );
    assert_eq!(
        webhook("verify = 'zoho-crm'"),
        ["`accounts.a.webhook.verify` = \"zoho-crm\" needs an account with provider = \"zoho\""]
    );
    assert_eq!(
        webhook("verify = 'zoho-books'\nsecret = 's'\ntolerance_seconds = 1\npublic_key = 'k'"),
        [
            "`accounts.a.webhook.public_key` has no meaning with verify = \"zoho-books\"; remove it",
            "`accounts.a.webhook.tolerance_seconds` has no meaning with verify = \"zoho-books\"; remove it",
        ]
    );
    assert_eq!(
        webhook("verify = 'zoho-cliq'\nsecret = 's'"),
        [
            "`accounts.a.webhook.public_key` is missing; write the bot's key as Cliq's developer console shows it, best as \"file:path\"",
            "`accounts.a.webhook.secret` has no meaning with verify = \"zoho-cliq\"; remove it",
        ]
    );
    assert!(lines_of("[accounts.a]\nprovider = 'generic'")[0].contains("`accounts.a.webhook` is missing"));
}

#[test]
fn two_names_that_variables_cannot_tell_apart_are_refused() {
    let account = "provider = 'zoho'\nclient_id = '1'\nclient_secret = 's'\n";
    let lines = lines_of(&format!("[accounts.org-a]\n{account}[accounts.org_a]\n{account}"));
    assert_eq!(lines, ["`accounts.org_a` and `accounts.org-a` differ only in case, `-` and `_`; rename one"]);
    assert!(lines_of(&format!("[accounts.'a/b']\n{account}"))[0].contains("is no usable name"));
}

#[test]
fn a_file_that_is_no_toml_is_named_with_its_line_and_without_its_text() {
    let place = Place::with_file("[accounts.a]\nclient_secret = \"hunter2\n");
    let message = place.refusal();
    assert!(message.contains("gateledger.toml:2: "), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}
