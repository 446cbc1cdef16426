//! A small HTTP server beside the work: on a thread of its own, so that a slow client never slows the work.
//!
//! It takes any [`Router`]; the limits below hold for all of its routes.

mod connection;

use std::io;
use std::net::{SocketAddr, TcpListener as Listener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use axum::body::{self, Body};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::{Semaphore, oneshot};
use tokio::time;

/// Connections at a time: scrapers and a few people. Further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 64;

/// Octets of a request's body.
const MAX_BODY: usize = 64 * 1024;

/// How long a client may take for a request's head, and be silent between two requests.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// How long a client may take for a request's body, which is small.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// How long a route may take to begin its answer. Routes that may need long have limits of their own, which are
/// shorter and say what to do.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// How long to wait before accepting again when the system has no room for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// How long clients may take.
#[derive(Clone, Copy, Debug)]
struct Patience {
    head: Duration,
    body: Duration,
}

/// With anybody on a network.
const PATIENCE: Patience = Patience { head: HEAD_WITHIN, body: BODY_WITHIN };

/// An address that is listened on; nobody is answered yet.
#[derive(Debug)]
pub(crate) struct Bound {
    listener: Listener,
    address: SocketAddr,
}

/// A server that answers; dropped, it stops.
#[derive(Debug)]
pub(crate) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Takes the address, so that a wrong one is told before any work begins; port 0 is one that the kernel chooses.
pub(crate) fn bind(address: SocketAddr) -> io::Result<Bound> {
    let listener = Listener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok(Bound { listener, address })
}

impl Bound {
    /// The address with its port.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers by `routes` until the server is dropped.
    pub(crate) fn serve(self, routes: Router) -> io::Result<Server> {
        self.serve_with(routes, PATIENCE)
    }

    fn serve_with(self, routes: Router, patience: Patience) -> io::Result<Server> {
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let listener = {
            let _within = runtime.enter();
            TcpListener::from_std(self.listener)?
        };
        let (stop, stopped) = oneshot::channel();
        let routes = limited(routes, patience);
        let thread = thread::Builder::new().name("http".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, routes, patience) => {}
                    _ = stopped => {}
                }
            });
            // Answers that are under way end with it: nobody waits for a slow client.
            runtime.shutdown_background();
        })?;
        Ok(Server { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only where the thread has ended already.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn limited(routes: Router, patience: Patience) -> Router {
    let whole = move |request, next| with_body(request, next, patience.body);
    routes.layer(middleware::from_fn(in_time)).layer(middleware::from_fn(whole))
}

/// Takes the whole body before anything is done with the request, so that a slow client holds up nothing but itself.
async fn with_body(request: Request, next: Next, within: Duration) -> Response {
    let (head, body) = request.into_parts();
    let announced = head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let too_large = || {
        let error = format!("the body of a request has at most {MAX_BODY} octets\n");
        (StatusCode::PAYLOAD_TOO_LARGE, error).into_response()
    };
    if announced.and_then(|length| length.parse().ok()).is_some_and(|length: u64| length > MAX_BODY as u64) {
        return too_large();
    }
    match time::timeout(within, body::to_bytes(body, MAX_BODY)).await {
        Ok(Ok(body)) => next.run(Request::from_parts(head, Body::from(body))).await,
        Ok(Err(_)) => too_large(),
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "the body did not come in time\n").into_response(),
    }
}

async fn in_time(request: Request, next: Next) -> Response {
    match time::timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::GATEWAY_TIMEOUT, "this took too long\n").into_response(),
    }
}

async fn accept(listener: TcpListener, routes: Router, patience: Patience) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let routes = routes.clone();
                tokio::spawn(async move {
                    connection::serve(stream, routes, patience.head).await;
                    drop(permit);
                });
            }
            // No file descriptor is left, or the client has gone again.
            Err(_) => time::sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests;
