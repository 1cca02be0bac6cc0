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
            "`accounts.a.webhook.account` is missing; name the account whose Books the deliveries tell of; configure an \
             account of the organisation `default` that has a section `books`",
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
fn what_shows_a_key_does_not_go_over_plain_http() {
    let jwks = |url: &str| format!("[auth]\njwks_url = '{url}'\n");
    let bearer = |url: &str| format!("[ingest.a]\nurl = '{url}'\nauth = 'bearer'\ntoken = 't'\n");
    let google = |url: &str| format!("[ingest.a]\nurl = '{url}'\nservice_account = 's'\n");
    let token = |url: &str| format!("[ingest.a]\nurl = 'https://a'\nendpoints = {{ token = '{url}' }}\n");
    let account = "[accounts.a]\nprovider = 'zoho'\nclient_id = '1'\nclient_secret = 's'\n";
    let api = |url: &str| format!("{account}endpoints = {{ api = '{url}', accounts = '{url}' }}\n");
    for (text, key, danger) in [
        (&jwks as &dyn Fn(&str) -> String, "auth.jwks_url", "could put in keys of their own"),
        (&bearer, "ingest.a.url", "could read the key and act for us"),
        (&google, "ingest.a.url", "could read the key and act for us"),
        (&token, "ingest.a.endpoints.token", "could read what proves who we are"),
        (&api, "accounts.a.endpoints.accounts", "could read the tokens"),
    ] {
        for fine in ["https://a.example/x", "http://127.0.0.1:9100/x", "http://[::1]:9100/x", "http://localhost/x"] {
            assert!(Place::with_file(&text(fine)).load().is_ok(), "{key} {fine}");
        }
        for open in ["http://a.example/x", "http://10.0.0.1/x"] {
            let expected = format!("`{key}` is http, and anybody on the way {danger}; use https");
            assert_eq!(lines_of(&text(open))[0], expected);
        }
        for named in ["https://ada:hunter2@a.example/x", "http://ada@127.0.0.1/x"] {
            assert_eq!(lines_of(&text(named))[0], format!("`{key}` must not carry a user name or a password"));
        }
    }
    assert!(Place::with_file("[ingest.a]\nurl = 'http://a.example'\nauth = 'none'").load().is_ok());
    let metadata = "[ingest.a]\nurl = 'https://a'\nendpoints = { metadata = 'http://metadata.example' }";
    assert!(Place::with_file(metadata).load().is_ok());
    let allowed = format!("{account}endpoints = {{ api = 'http://sim:9100/api', allow_http = true }}");
    assert!(Place::with_file(&allowed).load().is_ok());
}

#[test]
fn whose_books_or_cliq_deliveries_tell_of_is_said_and_not_guessed() {
    let zoho = "provider = 'zoho'\nclient_id = '1'\nclient_secret = 's'\n";
    let accounts = format!(
        "[accounts.org-a]\n{zoho}[accounts.org-a.books]\norganization_id = '1'\n[accounts.org-b]\n{zoho}\
         [accounts.other]\n{zoho}organization = 'other'\n[accounts.other.books]\norganization_id = '2'\n"
    );
    let books = "provider = 'generic'\n[accounts.told.webhook]\nverify = 'zoho-books'\nsecret = 's'\n";
    let cliq = "provider = 'generic'\n[accounts.told.webhook]\nverify = 'zoho-cliq'\npublic_key = 'k'\n";
    let place = |told: &str, account: &str| Place::with_file(&format!("{accounts}[accounts.told]\n{told}{account}"));
    let wrong = |told: &str, account: &str| {
        let error = place(told, account).load().unwrap_err();
        let [problem] = error.problems() else { panic!("{error}") };
        let what = problem.message.strip_prefix("`accounts.told.webhook.account` ");
        what.unwrap_or_else(|| panic!("{error}")).to_owned()
    };
    assert_eq!(wrong(books, ""), "is missing; name the account whose Books the deliveries tell of; possible: `org-a`");
    assert_eq!(
        wrong(cliq, ""),
        "is missing; name the account whose Cliq the deliveries tell of; possible: `org-a`, `org-b`"
    );
    assert_eq!(
        wrong(books, "account = 'orga'"),
        "names `[accounts.orga]`, which is not configured, did you mean `org-a`?"
    );
    assert_eq!(
        wrong(books, "account = 'other'"),
        "names `other`, which belongs to another organisation than `told`; possible: `org-a`"
    );
    assert_eq!(wrong(books, "account = 'org-b'"), "names `org-b`, whose Books is not followed; possible: `org-a`");
    assert_eq!(
        wrong(&cliq.replacen('\n', "\norganization = 'nobody'\n", 1), ""),
        "is missing; name the account whose Cliq the deliveries tell of; configure an account of the organisation \
         `nobody` that has provider = \"zoho\""
    );
    assert_eq!(
        wrong(
            "provider = 'generic'\n[accounts.told.webhook]\nverify = 'hmac'\nheader = 'h'\nsecret = 's'\n",
            "account = 'org-a'"
        ),
        "has no meaning with verify = \"hmac\"; remove it"
    );
    let told_of = |told: &str, account: &str| {
        let config = place(told, account).load().unwrap();
        config.accounts["told"].webhook.as_ref().unwrap().account.clone().unwrap()
    };
    assert_eq!(
        (told_of(books, "account = 'org-a'"), told_of(cliq, "account = 'org-b'")),
        ("org-a".into(), "org-b".into())
    );
    let itself =
        books.replacen("provider = 'generic'", &format!("{zoho}[accounts.told.books]\norganization_id = '3'"), 1);
    assert_eq!(told_of(&itself, ""), "told");
    assert_eq!(told_of(&cliq.replacen("provider = 'generic'", zoho, 1), ""), "told");
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
