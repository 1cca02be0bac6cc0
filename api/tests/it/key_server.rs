//! A server of public keys, with the private ones at hand.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use rsa::RsaPrivateKey;
use rsa::pkcs8::EncodePrivateKey as _;
use rsa::traits::PublicKeyParts as _;
use serde_json::{Value, json};

/// What the server answers, and how often it was asked.
pub(crate) struct KeyServer {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    handle: ServerHandle,
}

#[derive(Default)]
struct Shared {
    keys: Mutex<Vec<Value>>,
    asked: AtomicUsize,
    is_silent: Mutex<bool>,
}

/// A key pair that signs tokens.
pub(crate) enum Signer {
    Rsa(RsaKeyPair, Value),
    Ed25519(Ed25519KeyPair),
}

impl KeyServer {
    pub(crate) fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let data = Data::from(shared.clone());
        let server = HttpServer::new(move || App::new().app_data(data.clone()).route("/keys", web::get().to(answer)))
            .workers(1)
            .bind("127.0.0.1:0")
            .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        KeyServer { address, shared, handle }
    }

    pub(crate) fn publish(&self, keys: Vec<Value>) {
        *self.shared.keys.lock().unwrap() = keys;
    }

    pub(crate) fn fall_silent(&self) {
        *self.shared.is_silent.lock().unwrap() = true;
    }

    pub(crate) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Relaxed)
    }

    pub(crate) async fn stop(self) {
        self.handle.stop(false).await;
    }
}

async fn answer(shared: Data<Shared>) -> HttpResponse {
    shared.asked.fetch_add(1, Ordering::Relaxed);
    let is_silent = *shared.is_silent.lock().unwrap();
    if is_silent {
        std::future::pending::<()>().await;
    }
    HttpResponse::Ok().json(json!({"keys": *shared.keys.lock().unwrap()}))
}

impl Signer {
    pub(crate) fn rsa() -> Self {
        // The smallest size that counts; larger ones take long to make.
        let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
        let public = json!({
            "kty": "RSA",
            "n": URL_SAFE_NO_PAD.encode(key.n().to_bytes_be()),
            "e": URL_SAFE_NO_PAD.encode(key.e().to_bytes_be()),
        });
        Signer::Rsa(RsaKeyPair::from_pkcs8(key.to_pkcs8_der().unwrap().as_bytes()).unwrap(), public)
    }

    pub(crate) fn ed25519() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Signer::Ed25519(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
    }

    /// The public key as a key set holds it.
    pub(crate) fn public(&self, id: &str) -> Value {
        let mut key = match self {
            Signer::Rsa(_, public) => public.clone(),
            Signer::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.public_key().as_ref())})
            }
        };
        key["kid"] = id.into();
        key
    }

    /// A token with this header and these claims.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        let message = unsigned(header, claims);
        let signature = match self {
            Signer::Rsa(pair, _) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
                signature
            }
            Signer::Ed25519(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The first two parts of a token.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// A token signed by HMAC.
pub(crate) fn hmac_token(header: &Value, claims: &Value, key: &[u8]) -> String {
    let message = unsigned(header, claims);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, message.as_bytes()).as_ref()))
}
