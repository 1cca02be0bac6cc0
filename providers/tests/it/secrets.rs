use std::error::Error as _;
use std::fmt::Write;

use providers::zoho::crm::{UpdateOptions, Watch};
use serde_json::json;

use crate::account::{REFRESH_TOKEN, SECRET, client_with, quick_timeouts, settings, store};
use crate::server::{Reply, Server};

const ACCESS_TOKEN: &str = "1000.planted-access-token";
const WATCH_TOKEN: &str = "planted-watch-token";

fn spelled_out(error: &providers::error::Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, " {error} {error:?}").unwrap();
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn no_secret_shows_in_errors_or_debug_output() {
    let mut seen = String::new();
    for failure in [
        Reply::Cut,
        Reply::Hang,
        Reply::text(500, ""),
        Reply::text(200, "{"),
        Reply::text(302, "").with("Location: http://127.0.0.1:1/signed?key=planted-signature"),
    ] {
        let answer = failure.clone();
        let server = Server::start(move |request| match request.path().ends_with("/token") {
            true => Reply::json(200, &json!({"access_token": ACCESS_TOKEN, "expires_in": 3600})),
            false => answer.clone(),
        })
        .await;
        let mut settings = settings(&server.url);
        settings.timeouts = quick_timeouts();
        let store = store();
        write!(seen, "{settings:?} {store:?}").unwrap();
        let client = client_with(settings, store);
        let watch = Watch {
            channel_id: "1".to_owned(),
            module: "Deals".parse().unwrap(),
            events: Vec::new(),
            expiry: "2026-01-21T10:00:00Z".parse().unwrap(),
            token: WATCH_TOKEN.into(),
            notify_url: "https://gw.example.com/?key=planted-signature".parse().unwrap(),
        };
        write!(seen, "{client:?} {watch:?}").unwrap();
        let (module, id) = ("Deals".parse().unwrap(), "52".parse().unwrap());
        let update = client.crm().update(&module, &id, serde_json::Map::new(), UpdateOptions::default()).await;
        let errors = [
            update.err(),
            client.crm().watch_create(&watch).await.err(),
            client.workdrive().download("f1", None).await.err(),
            client.revoke().await.err(),
        ];
        for error in errors.iter().flatten() {
            seen.push_str(&spelled_out(error));
        }
    }
    for secret in [SECRET, REFRESH_TOKEN, ACCESS_TOKEN, WATCH_TOKEN, "planted"] {
        assert!(!seen.contains(secret), "{secret} is in {seen}");
    }
}
