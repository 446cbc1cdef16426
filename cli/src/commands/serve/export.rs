//! All edges of a period in one answer, as they are in edges.jsonl and edges.csv: written as fast as the client takes
//! them, and never all in memory.

use std::io::{self, BufWriter, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use http_body::Frame;
use tokio::sync::{mpsc, oneshot};
use tokio::{task, time};
use watershed_graph::FanIn;

use super::answer::{PeriodQuery, Problem, Problems, Query};
use super::loaded::{Library, READ_WITHIN, unreadable};
use crate::args::{EdgeFormat, PeriodArguments};
use crate::output::edges;

/// Octets written at a time, and how many of these wait for a slow client.
const CHUNK: usize = 64 * 1024;
const CHUNKS: usize = 4;

type Chunk = Result<Bytes, io::Error>;

/// All edges of a period, one JSON object a line: edges.jsonl.
///
/// One at a time is written, and has to be taken in five minutes. It is cut off where something fails.
#[utoipa::path(
    get, path = "/api/v1/edges.ndjson", params(PeriodQuery),
    responses((status = 200, body = String, content_type = "application/x-ndjson"), Problems)
)]
pub(super) async fn ndjson(
    State(library): State<Library>,
    Query(period): Query<PeriodQuery>,
) -> Result<Response, Problem> {
    exported(library, &period, EdgeFormat::Json, "application/x-ndjson").await
}

/// The same as comma-separated values with a header line: edges.csv.
#[utoipa::path(
    get, path = "/api/v1/edges.csv", params(PeriodQuery),
    responses((status = 200, body = String, content_type = "text/csv"), Problems)
)]
pub(super) async fn csv(
    State(library): State<Library>,
    Query(period): Query<PeriodQuery>,
) -> Result<Response, Problem> {
    exported(library, &period, EdgeFormat::Csv, "text/csv; charset=utf-8").await
}

async fn exported(
    library: Library,
    period: &PeriodQuery,
    format: EdgeFormat,
    content: &'static str,
) -> Result<Response, Problem> {
    let period = period.parse()?;
    let turn = time::timeout(READ_WITHIN, library.exports().acquire_owned()).await;
    let turn =
        turn.map_err(|_| Problem::busy("another export is being written: ask again when it is done"))?;
    let turn = turn.map_err(Problem::work)?;
    let (chunks, written) = mpsc::channel(CHUNKS);
    let (ready, begun) = oneshot::channel();
    task::spawn_blocking(move || {
        write(&library, &period, format, ready, &chunks);
        drop(turn);
    });
    let late = |_| Problem::busy("reading the store takes too long: ask for a shorter period");
    time::timeout(READ_WITHIN, begun).await.map_err(late)?.map_err(Problem::work)??;
    Ok(([(header::CONTENT_TYPE, content)], Body::new(Written(written))).into_response())
}

/// Reads the period, says whether that worked, and writes its edges until they are done or the client has gone.
fn write(
    library: &Library,
    period: &PeriodArguments,
    format: EdgeFormat,
    ready: oneshot::Sender<Result<(), Problem>>,
    chunks: &mpsc::Sender<Chunk>,
) {
    let opened = library.open(period);
    let held = opened.as_ref().map_err(Problem::clone);
    let held = held.and_then(|(store, period)| store.hold(*period).map_err(unreadable));
    let held = match held {
        Ok(held) => held,
        // Whoever asked may have gone.
        Err(problem) => return drop(ready.send(Err(problem))),
    };
    if ready.send(Ok(())).is_err() {
        return;
    }
    let mut out = BufWriter::with_capacity(CHUNK, Chunks(chunks));
    let done = edges::write(&mut out, &held, &FanIn::of(&held), format).and_then(|()| out.flush());
    // Dropped, the writer would try once more.
    let _ = out.into_parts();
    if let Err(error) = done {
        // The client sees that the answer was cut off, unless it has gone itself.
        let _ = chunks.blocking_send(Err(error));
    }
}

/// Hands what is written to the connection, and waits while that has enough.
struct Chunks<'a>(&'a mpsc::Sender<Chunk>);

impl Write for Chunks<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(octets)));
        sent.map(|()| octets.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What was written, as the body of an answer.
struct Written(mpsc::Receiver<Chunk>);

impl HttpBody for Written {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}
