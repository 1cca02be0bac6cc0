//! A partner who signs deliveries with HMAC and sends as many as it is told to.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tests::http::{Answer, post};
use tests::log::Log;

/// The account of the partner.
pub const SETTINGS: &str = "[accounts.partner]\nprovider = \"generic\"\n\
    [accounts.partner.webhook]\nverify = \"hmac\"\nsecret = \"a secret of the partner\"\nheader = \"X-Hub-Signature-256\"\n\
    prefix = \"sha256=\"\ndelivery_id_header = \"X-Delivery\"\n";
const SECRET: &[u8] = b"a secret of the partner";

/// HMAC with SHA-256.
pub fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// Sends a delivery.
pub fn deliver(gateway: SocketAddr, id: &str, body: &[u8]) -> std::io::Result<Answer> {
    let signature = format!("sha256={}", hex::encode(mac(SECRET, body)));
    let headers =
        [("X-Hub-Signature-256", signature.as_str()), ("X-Delivery", id), ("Content-Type", "application/json")];
    post(gateway, "/webhooks/partner", &headers, body)
}

/// Deliveries one after the other from several senders, until it is stopped.
pub struct Load {
    is_over: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<String>>>,
    senders: Vec<JoinHandle<()>>,
}

impl Load {
    /// So many senders for each gateway, each with a pause after each delivery.
    pub fn start(gateways: &[SocketAddr], senders: usize, pause: Duration) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let next = Arc::new(AtomicU64::new(1));
        let senders = gateways.iter().flat_map(|gateway| std::iter::repeat_n(*gateway, senders)).map(|gateway| {
            let (is_over, acknowledged, next) = (is_over.clone(), acknowledged.clone(), next.clone());
            std::thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let id = format!("load-{}", next.fetch_add(1, Ordering::Relaxed));
                    let body = format!("{{\"id\":\"{id}\"}}");
                    if deliver(gateway, &id, body.as_bytes()).is_ok_and(|answer| answer.status == 202) {
                        acknowledged.lock().unwrap().push(id);
                    }
                    std::thread::sleep(pause);
                }
            })
        });
        Load { senders: senders.collect(), is_over, acknowledged }
    }

    /// Deliveries that were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Ends it; returns the ids that were acknowledged.
    pub fn stop(self) -> Vec<String> {
        self.is_over.store(true, Ordering::Relaxed);
        for sender in self.senders {
            sender.join().unwrap();
        }
        std::mem::take(&mut self.acknowledged.lock().unwrap())
    }
}

/// Every delivery that was acknowledged is in the log, once.
pub fn assert_kept(log: &Log, acknowledged: &[String]) {
    let kept = log.texts(
        "SELECT data ->> 'delivery_id' FROM events WHERE event_type = 'delivery.received' AND account = 'partner'",
    );
    let once: HashSet<&String> = kept.iter().collect();
    assert_eq!(once.len(), kept.len(), "deliveries are kept more than once");
    let lost: Vec<_> = acknowledged.iter().filter(|id| !once.contains(id)).collect();
    assert!(lost.is_empty(), "{} acknowledged deliveries are lost, such as {:?}", lost.len(), lost.first());
}
