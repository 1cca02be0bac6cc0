//! The yardstick of durable accept: the same server and the same verification, answering without recording anything.

use std::net::Ipv4Addr;
use std::time::Duration;

use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use gateway::signature::Request;
use gateway::signature::hmac::Verifier;
use secrecy::SecretString;
use service::config::account::{Algorithm, Encoding, Hmac, SignedContent};

use crate::load::{DELIVERY_HEADER, SECRET, SIGNATURE_HEADER};

/// Serves until killed.
pub(crate) fn serve(port: u16) -> anyhow::Result<()> {
    let settings = Hmac {
        secrets: Vec::new(),
        algorithm: Algorithm::Sha256,
        header: SIGNATURE_HEADER.to_owned(),
        prefix: String::new(),
        encoding: Encoding::Hex,
        signed_content: SignedContent::body(),
        delivery_id_header: Some(DELIVERY_HEADER.to_owned()),
        timestamp: None,
    };
    let verifier = Data::new(Verifier::new(&settings, &[SecretString::from(SECRET)])?);
    let app = move || App::new().app_data(verifier.clone()).route("/webhooks/partner", web::post().to(accept));
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    actix_web::rt::System::new().block_on(
        HttpServer::new(app)
            .workers(workers)
            .keep_alive(Duration::from_secs(75))
            .tcp_nodelay(true)
            .bind((Ipv4Addr::LOCALHOST, port))?
            .run(),
    )?;
    Ok(())
}

async fn accept(request: HttpRequest, body: Bytes, verifier: Data<Verifier>) -> HttpResponse {
    #[expect(clippy::disallowed_methods, reason = "the yardstick reads the clock as the gateway does")]
    let now = chrono::Utc::now();
    match verifier.verify(&Request { headers: request.headers(), query: request.query_string(), body: &body, now }) {
        Ok(_) => HttpResponse::Accepted().json(serde_json::json!({ "status": "accepted" })),
        Err(_) => HttpResponse::Unauthorized().finish(),
    }
}
