//! The gateway from outside: bytes on a socket, crashes, slow clients, a full disk.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use testkit::postgres::Cluster;
use tests::database::block_on;
use tests::http::post;
use tests::wait::{until, until_true};
use tests::{Database, Site, Store};

use crate::partner::{self, Load, assert_kept, deliver, mac};
use crate::trees::small;

on_both! {
    what_is_signed_is_kept_byte_for_byte_and_the_rest_is_told,
    every_acknowledged_delivery_is_there_after_sigkill_under_load,
    slow_clients_are_shown_the_door_and_hold_up_nobody,
}

const STANDARD_SECRET: &[u8] = b"a secret of the standard sender";
const CHANNEL_ID: &str = "1000000068001";
const CHANNEL_TOKEN: &str = "a token of the channel";

/// A site that only receives.
fn site(store: Store) -> Site {
    receiving(Site::on(store, &small(0, 0)))
}

/// With accounts that send, and nothing else to do.
fn receiving(site: Site) -> Site {
    let secret = STANDARD.encode(STANDARD_SECRET);
    let settings = site.settings().without("transfers").with(partner::SETTINGS).with(&format!(
        "[http]\nclient_request_timeout_seconds = 1\nbody_limit_bytes = 100000\n\
         [accounts.sender]\nprovider = \"generic\"\n\
         [accounts.sender.webhook]\nverify = \"standard-webhooks\"\nsecrets = [\"whsec_{secret}\"]\n\
         [accounts.org-a.webhook]\nchannel_id = \"{CHANNEL_ID}\"\ntoken = \"{CHANNEL_TOKEN}\"\n"
    ));
    site.configure(&settings);
    site
}

fn what_is_signed_is_kept_byte_for_byte_and_the_rest_is_told(store: Store) {
    let site = site(store);
    let _process = site.serve();
    let log = site.log();
    let count = || log.events_of("delivery.received");

    let body = "{ \"b\": 1,\n  \"a\": \"ü\" }".as_bytes();
    assert_eq!(deliver(site.listen(), "one", body).unwrap().status, 202);
    assert_eq!(deliver(site.listen(), "one", body).unwrap().status, 202, "a repeated attempt is welcome");
    assert_eq!(count(), 1);
    assert_eq!(log.count("SELECT count(*) FROM sightings"), 1);
    let kept = log.texts(log.either(
        "SELECT hex(payload) FROM events WHERE event_type = 'delivery.received'",
        "SELECT upper(encode(payload, 'hex')) FROM events WHERE event_type = 'delivery.received'",
    ));
    assert_eq!(kept, [hex::encode_upper(body)]);

    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let standard = |id: &str, at: u64, key: &[u8]| {
        let at = at.to_string();
        let signed = [id.as_bytes(), b".", at.as_bytes(), b".", body].concat();
        let signature = format!("v1,bm90IG91cnM= v1,{}", STANDARD.encode(mac(key, &signed)));
        let headers =
            [("webhook-id", id), ("webhook-timestamp", at.as_str()), ("webhook-signature", signature.as_str())];
        post(site.listen(), "/webhooks/sender", &headers, body).unwrap().status
    };
    assert_eq!(standard("msg_1", now, STANDARD_SECRET), 202);
    assert_eq!(standard("msg_2", now - 3_600, STANDARD_SECRET), 401, "too old");
    assert_eq!(standard("msg_3", now, b"another secret"), 401);

    let zoho = |token: &str| {
        let body = format!(
            "{{\"module\":\"Contacts\",\"ids\":[\"520000000000100001\"],\"operation\":\"update\",\"channel_id\":\"{CHANNEL_ID}\",\
             \"token\":\"{token}\",\"server_time\":1768471500123}}"
        );
        post(site.listen(), "/webhooks/org-a", &[("Content-Type", "application/json")], body.as_bytes()).unwrap().status
    };
    assert_eq!(zoho(CHANNEL_TOKEN), 202);
    assert_eq!(zoho("a guess"), 401);
    assert_eq!(count(), 3);

    let not_json = deliver(site.listen(), "two", b"<xml/>").unwrap();
    assert_eq!(not_json.status, 202, "kept and flagged, never lost");
    assert_eq!(
        log.count(
            "SELECT count(*) FROM events WHERE event_type = 'delivery.received' AND CAST(data ->> 'flagged' AS text) IN ('true', '1')"
        ),
        1
    );

    let unsigned = post(site.listen(), "/webhooks/partner", &[], body).unwrap();
    assert_eq!(unsigned.status, 401);
    let unknown = post(site.listen(), "/webhooks/nobody", &[], body).unwrap();
    assert_eq!(unknown.status, 404);
    assert!(!unknown.body.contains("partner"), "an unknown account tells of others: {}", unknown.body);
    assert_eq!(deliver(site.listen(), "large", &vec![b' '; 100_001]).unwrap().status, 413);
    assert_eq!(count(), 4);

    until_true("rejected requests are listed with their cause", 10, || {
        let listed = site.run(&["events", "list", "--rejected", "--json"]).json();
        let statuses =
            |status: u64| listed.as_array().unwrap().iter().filter(|row| row["http_status"] == status).count();
        listed.as_array().unwrap().iter().all(|row| row["cause"].as_str().is_some_and(|cause| !cause.is_empty()))
            && (statuses(401), statuses(404), statuses(413)) == (4, 1, 1)
    });
}

fn every_acknowledged_delivery_is_there_after_sigkill_under_load(store: Store) {
    let site = site(store);
    let mut acknowledged = 0;
    for round in 0..3 {
        let process = site.serve();
        let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
        let kept = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let id = format!("{round}-{}", sent.fetch_add(1, Ordering::Relaxed));
                        let body = format!("{{\"id\":\"{id}\"}}");
                        // After the kill nobody answers; what was under way then may or may not be there.
                        if deliver(site.listen(), &id, body.as_bytes()).is_ok_and(|answer| answer.status == 202) {
                            kept.lock().unwrap().push(id);
                        }
                    }
                });
            }
            until_true("there is load", 30, || kept.lock().unwrap().len() >= 400 * (round + 1));
            process.kill();
            stop.store(true, Ordering::Relaxed);
        });
        let _again = site.serve();
        let log = site.log();
        let there: std::collections::HashSet<String> = log
            .texts("SELECT data ->> 'delivery_id' FROM events WHERE event_type = 'delivery.received'")
            .into_iter()
            .collect();
        let kept = kept.into_inner().unwrap();
        let lost: Vec<_> = kept.iter().filter(|id| !there.contains(*id)).collect();
        assert!(lost.is_empty(), "{} acknowledged deliveries are lost, such as {:?}", lost.len(), lost.first());
        acknowledged += kept.len();
    }
    eprintln!("3 kills under load: all of {acknowledged} acknowledged deliveries are there");
}

fn slow_clients_are_shown_the_door_and_hold_up_nobody(store: Store) {
    let site = site(store);
    let _process = site.serve();
    let mut slow: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(site.listen()).unwrap();
            stream.write_all(b"POST /webhooks/partner HTTP/1.1\r\nHost: x\r\nX-Never-").unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            stream
        })
        .collect();
    let asked = Instant::now();
    assert_eq!(deliver(site.listen(), "quick", b"{}").unwrap().status, 202);
    assert!(asked.elapsed() < Duration::from_secs(1), "slow clients held up a quick one for {:?}", asked.elapsed());
    for stream in &mut slow {
        let mut answer = Vec::new();
        let closed = stream.read_to_end(&mut answer);
        assert!(closed.is_ok(), "a slow client is still connected after 10 s");
    }
    // A body that never ends.
    let mut stream = TcpStream::connect(site.listen()).unwrap();
    stream.write_all(b"POST /webhooks/partner HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{").unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = Vec::new();
    assert!(stream.read_to_end(&mut answer).is_ok(), "half a body is waited for longer than 20 s");
    assert_eq!(site.log().events_of("delivery.received"), 1);
}

#[test]
fn database_that_is_away_is_503_and_costs_nothing_acknowledged() {
    let cluster = block_on(Cluster::start());
    let site = receiving(Site::with_database(&small(0, 0), |_| Database::on_server(cluster.url())));
    let mut process = site.serve();
    let load = Load::start(&[site.listen()], 8, Duration::from_millis(2));
    until_true("there is load", 30, || load.acknowledged() > 200);
    block_on(cluster.stop_immediate());
    let refused = until("deliveries are refused", 30, || {
        deliver(site.listen(), "away", b"{}").ok().filter(|answer| answer.status != 202)
    });
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.header("retry-after").is_some(), "{:?}", refused.headers);
    assert_eq!(site.get("/health").map(|answer| answer.status), Some(200));
    until_true("it says that it is not ready", 30, || site.get("/ready").is_some_and(|answer| answer.status == 503));
    block_on(cluster.start_again());
    let so_far = load.acknowledged();
    until_true("deliveries are taken again", 30, || load.acknowledged() > so_far + 200);
    until_true("it is ready again", 30, || site.get("/ready").is_some_and(|answer| answer.status == 200));
    let acknowledged = load.stop();
    process.terminate();
    assert!(process.wait(10).success(), "{}", process.stderr());
    assert_kept(&site.log(), &acknowledged);
}

/// A disk that can be filled: of its own where namespaces are allowed, a limit of the process elsewhere.
enum Disk {
    Own,
    Limit,
}

#[test]
fn full_disk_is_503_and_goes_on_without_a_restart() {
    let site = site(Store::Sqlite);
    std::fs::create_dir(site.file("disk")).unwrap();
    site.configure(&site_settings_on(&site, "sqlite:disk/gateledger.db"));
    let own = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"];
    let mount = "mount -t tmpfs -o size=8m tmpfs disk";
    let allowed = Command::new(own[0]).args(&own[1..]).arg(mount).current_dir(site.folder()).status();
    let disk = if allowed.is_ok_and(|status| status.success()) { Disk::Own } else { Disk::Limit };
    let process = match disk {
        Disk::Own => {
            let script = format!("{mount} && exec \"$@\"");
            let wrapper: Vec<&str> = own.into_iter().chain([script.as_str(), "sh"]).collect();
            site.start_under(&wrapper, &["serve"])
        }
        Disk::Limit => site.start_under(&["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"], &["serve"]),
    };
    let mut process = site.until_ready(process);
    assert_eq!(deliver(site.listen(), "before", b"{}").unwrap().status, 202);

    let filler = format!("/proc/{}/root{}/filler", process.id(), site.file("disk").display());
    let limit = |bytes: &str| {
        let set =
            Command::new("prlimit").args(["--pid", &process.id().to_string(), &format!("--fsize={bytes}:")]).status();
        assert!(set.is_ok_and(|status| status.success()), "the process cannot be limited");
    };
    match disk {
        Disk::Own => fill(&filler),
        Disk::Limit => limit("4096"),
    }
    let refused = until("deliveries are refused", 30, || {
        let answer = deliver(site.listen(), "full", &vec![b'1'; 50_000]).unwrap();
        (answer.status != 202).then_some(answer)
    });
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.header("retry-after").is_some(), "{:?}", refused.headers);
    assert_eq!(site.get("/health").map(|answer| answer.status), Some(200));
    assert_eq!(site.get("/ready").map(|answer| answer.status), Some(503));

    match disk {
        Disk::Own => std::fs::remove_file(&filler).unwrap(),
        Disk::Limit => limit("unlimited"),
    }
    until_true("deliveries are taken again", 30, || {
        deliver(site.listen(), "after", b"{}").is_ok_and(|answer| answer.status == 202)
    });
    until_true("it is ready again", 30, || site.get("/ready").is_some_and(|answer| answer.status == 200));
    assert!(process.is_running());
    // The database is on a disk that goes with the process: the gateway itself tells what is in it.
    let status: serde_json::Value = serde_json::from_str(&site.get("/status").unwrap().body).unwrap();
    assert!(status["head"].as_u64().unwrap() >= 2, "{status}");
}

fn site_settings_on(site: &Site, url: &str) -> tests::Settings {
    let text = std::fs::read_to_string(site.file("gateledger.toml")).unwrap();
    tests::Settings::default().with(&text).with(&format!("[store]\nurl = \"{url}\""))
}

/// Writes until nothing more fits, to the last byte.
fn fill(path: &str) {
    let mut file = std::fs::File::create(path).unwrap();
    for piece in [1 << 20, 1 << 12, 1] {
        while file.write_all(&vec![0; piece]).is_ok() {}
    }
}
