//! TLS in front of a server that speaks none: what comes in is decrypted and passed on.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as Listener};
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A port of this machine with a certificate of its own; closed when dropped.
#[derive(Debug)]
pub struct Terminator {
    address: SocketAddr,
    certificate: String,
    listener: Option<Listener>,
    config: Arc<ServerConfig>,
    runtime: Option<Runtime>,
}

impl Terminator {
    /// Takes a port; nothing is passed on before [`Terminator::pass_on`].
    ///
    /// # Panics
    /// When there is no port or no certificate.
    #[must_use]
    pub fn new() -> Self {
        let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let names = vec!["localhost".to_owned(), Ipv4Addr::LOCALHOST.to_string()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("usual versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("the key is that of the certificate");
        Terminator {
            address: listener.local_addr().expect("a bound port has an address"),
            certificate: cert.pem(),
            listener: Some(listener),
            config: Arc::new(config),
            runtime: None,
        }
    }

    /// Where clients go.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What clients must trust, as PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Passes everything on to `server` (`host:port`) from now on.
    ///
    /// # Panics
    /// When it did already, or the runtime cannot be made.
    pub fn pass_on(&mut self, server: &str) {
        let listener = self.listener.take().expect("it passes on to one server");
        let acceptor = TlsAcceptor::from(self.config.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let server = server.to_owned();
        runtime.spawn(async move {
            listener.set_nonblocking(true).expect("a port can be waited for");
            let listener = TcpListener::from_std(listener).expect("a port can be listened to");
            while let Ok((plain, _)) = listener.accept().await {
                let (acceptor, server) = (acceptor.clone(), server.clone());
                #[expect(clippy::disallowed_methods, reason = "ends with the runtime, which ends with the value")]
                tokio::spawn(async move {
                    let Ok(mut inside) = acceptor.accept(plain).await else { return };
                    let Ok(mut outside) = TcpStream::connect(server).await else { return };
                    // Whichever side ends first ends both.
                    let _ = copy_bidirectional(&mut inside, &mut outside).await;
                });
            }
        });
        self.runtime = Some(runtime);
    }
}

impl Default for Terminator {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
