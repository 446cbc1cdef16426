//! One connection, and how long and how large it may be.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::time;

/// Octets of a request's line and headers: those of browsers with cookies of other services fit.
const MAX_HEAD: usize = 16 * 1024;

/// Headers of a request.
const MAX_HEADERS: usize = 64;

/// How long a connection may last; then it ends after the answer that is under way, and the client makes a new
/// one. So nobody holds on to the few that there are.
const LASTS: Duration = Duration::from_secs(300);

/// How long that last answer may take, exports among them.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// Answers one client until it goes, or takes longer than `head` for a request's head.
pub(super) async fn serve(stream: TcpStream, routes: Router, head: Duration) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut connection = pin!(connection);
    // How a connection ended matters to its client alone.
    if time::timeout(LASTS, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        let _ = time::timeout(ENDS_WITHIN, connection).await;
    }
}
