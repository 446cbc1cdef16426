//! The connection to an API server, which is believed only so far: what it sends is bounded before it is read.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use thiserror::Error;
use tower::{BoxError, Layer, Service};
use watershed_model::Timestamp;

use super::{Access, Kind};
use crate::AggregatorError;

/// Octets of one event of a watch. etcd keeps no object of more than 1.5 MiB (`--max-request-bytes`).
pub(super) const MAX_EVENT: usize = 4 << 20;

/// Octets of one page of a list, which has at most 500 objects; those of real pods take 5 to 20 KiB each.
pub(super) const MAX_PAGE: usize = 64 << 20;

/// The server sent more than is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it sent more than {limit} bytes {what}, which no API server does")]
pub(super) struct TooLarge {
    limit: usize,
    what: &'static str,
}

/// A client for the API server that `access` names, and its address. Connects when it is first used.
///
/// # Errors
///
/// The settings are missing or wrong.
pub(super) async fn open(access: &Access, opened: &Opened) -> Result<(Client, String), AggregatorError> {
    let failed = |reason: String| AggregatorError::Kubernetes { access: access.clone(), reason };
    let config = match access {
        Access::InCluster => Config::incluster().map_err(|error| failed(error.to_string()))?,
        Access::Kubeconfig(path) => {
            let file = Kubeconfig::read_from(path).map_err(|error| failed(told(&error)))?;
            let options = KubeConfigOptions::default();
            Config::from_custom_kubeconfig(file, &options).await.map_err(|error| failed(told(&error)))?
        }
    };
    let server = config.cluster_url.to_string();
    let builder = ClientBuilder::try_from(config).map_err(|error| failed(told(&error)))?;
    Ok((builder.with_layer(&BoundedLayer { opened: opened.clone() }).build(), server))
}

/// An error with what caused it, each said once.
pub(super) fn told(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

/// Whether the cause of an error is that too much was sent.
pub(super) fn is_too_large(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        // An error of the standard library's I/O has what it was made of inside, and not as its source.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if error.is::<TooLarge>() || inner.is_some_and(|inner| is_too_large(inner)) {
            return true;
        }
        next = error.source();
    }
    false
}

/// When the watch of each kind was opened last.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    now: fn() -> Timestamp,
    times: Arc<[AtomicI64; Kind::ALL.len()]>,
}

impl Opened {
    pub(super) fn new(now: fn() -> Timestamp) -> Self {
        let never = || AtomicI64::new(Timestamp::MIN.as_nanos());
        Self { now, times: Arc::new(Kind::ALL.map(|_| never())) }
    }

    /// `path` names objects by their kind at its end.
    fn note(&self, path: &str) {
        let name = path.rsplit('/').next().unwrap_or_default();
        if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.as_str() == name) {
            self.times[kind as usize].store((self.now)().as_nanos(), Ordering::Relaxed);
        }
    }

    pub(super) fn last(&self, kind: Kind) -> Timestamp {
        Timestamp::from_nanos(self.times[kind as usize].load(Ordering::Relaxed))
    }
}

/// Bounds the bodies of responses, and notes when a watch is opened.
#[derive(Clone, Debug)]
struct BoundedLayer {
    opened: Opened,
}

impl<S> Layer<S> for BoundedLayer {
    type Service = Bounded<S>;

    fn layer(&self, inner: S) -> Bounded<S> {
        Bounded { inner, opened: self.opened.clone() }
    }
}

#[derive(Clone, Debug)]
struct Bounded<S> {
    inner: S,
    opened: Opened,
}

impl<S, R, B> Service<Request<R>> for Bounded<S>
where
    S: Service<Request<R>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<BoundedBody<B>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let query = request.uri().query().unwrap_or_default();
        let is_watch = query.split('&').any(|part| part == "watch=true");
        let (path, opened) = (request.uri().path().to_owned(), self.opened.clone());
        let response = self.inner.call(request);
        Box::pin(async move {
            let limit = if is_watch { MAX_EVENT } else { MAX_PAGE };
            let response = response.await?;
            if is_watch && response.status().is_success() {
                opened.note(&path);
            }
            Ok(response.map(|inner| BoundedBody { inner, is_watch, limit, read: 0 }))
        })
    }
}

/// A body that ends with an error when it goes on for too long: a list's as a whole, a watch's within a line.
#[derive(Debug)]
struct BoundedBody<B> {
    inner: B,
    is_watch: bool,
    limit: usize,
    read: usize,
}

impl<B> BoundedBody<B> {
    fn count(&mut self, data: &Bytes) -> Result<(), TooLarge> {
        let newline = |octet: &u8| *octet == b'\n';
        match data.iter().rposition(newline).filter(|_| self.is_watch) {
            Some(last) => self.read = data.remaining() - last - 1,
            None => self.read = self.read.saturating_add(data.remaining()),
        }
        let what = if self.is_watch { "in one object" } else { "in one page of a list" };
        if self.read > self.limit { Err(TooLarge { limit: self.limit, what }) } else { Ok(()) }
    }
}

impl<B> Body for BoundedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        Poll::Ready(frame.map(|frame| {
            let frame = frame.map_err(Into::into)?;
            if let Some(data) = frame.data_ref() {
                self.count(data)?;
            }
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(is_watch: bool, limit: usize) -> BoundedBody<()> {
        BoundedBody { inner: (), is_watch, limit, read: 0 }
    }

    #[test]
    fn a_watch_is_bounded_by_its_lines_and_a_list_as_a_whole() {
        let mut watch = body(true, 10);
        for part in ["12345", "6789\n1234567", "89\n", "\n", "1234567890"] {
            watch.count(&Bytes::from_static(part.as_bytes())).unwrap();
        }
        let error = watch.count(&Bytes::from_static(b"1")).unwrap_err();
        assert_eq!(error.to_string(), "it sent more than 10 bytes in one object, which no API server does");
        let mut list = body(false, 10);
        list.count(&Bytes::from_static(b"12345\n")).unwrap();
        assert!(list.count(&Bytes::from_static(b"12345")).is_err());
    }

    #[test]
    fn too_much_is_found_behind_other_errors() {
        let cause = TooLarge { limit: 1, what: "" };
        assert!(is_too_large(&kube::Error::ReadEvents(std::io::Error::other(cause))));
        assert!(is_too_large(&kube::Error::Service(Box::new(cause))));
        assert!(!is_too_large(&kube::Error::ReadEvents(std::io::Error::other("else"))));
    }
}
