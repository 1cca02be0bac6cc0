//! A second handle on each client connection, so that a fault can close it under the server's feet.

use std::any::Any;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;

use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream as ServerStream;

/// The second handle.
#[derive(Debug)]
struct Connection(TcpStream);

/// Remembers the connection; for `HttpServer::on_connect`.
pub(crate) fn remember(io: &dyn Any, extensions: &mut Extensions) {
    let Some(stream) = io.downcast_ref::<ServerStream>() else { return };
    if let Ok(owned) = stream.as_fd().try_clone_to_owned() {
        extensions.insert(Connection(TcpStream::from(owned)));
    }
}

/// Closes the connection a request came on, in both directions and at once.
pub(crate) fn cut(request: &HttpRequest) {
    if let Some(Connection(stream)) = request.conn_data::<Connection>() {
        // An error means that the peer was faster.
        let _ = stream.shutdown(Shutdown::Both);
    }
}
