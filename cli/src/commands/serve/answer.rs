//! Questions and answers: periods, pages, and what went wrong.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::extract::Query as AxumQuery;
use axum::extract::rejection::JsonRejection;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::error;
use utoipa::{IntoParams, IntoResponses, ToSchema};
use watershed_model::Timestamp;

use crate::args::PeriodArguments;
use crate::settings::value::parse_duration;

/// Items of a page where the question does not say.
const DEFAULT_LIMIT: usize = 100;

/// Items of a page at most: a megabyte or two.
const MAX_LIMIT: usize = 1_000;

/// The farthest that a page may lie: beyond what any store that is served holds.
const MAX_OFFSET: usize = 1_000_000_000;

/// Seconds after which to ask again where the store is being read: most periods are read in less.
const RETRY_AFTER: &str = "5";

/// Which time is asked about; without any of it, all that the store holds.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PeriodQuery {
    /// So long before the newest packet: `7d`, `12h`. Not together with the others.
    #[param(example = "1h")]
    since: Option<String>,
    /// From this time on: `2026-01-31` or `2026-01-31T08:00:00Z`.
    #[param(example = "2020-01-31T08:00:00Z")]
    from: Option<String>,
    /// Up to this time.
    to: Option<String>,
}

impl PeriodQuery {
    /// What it means.
    pub(super) fn parse(&self) -> Result<PeriodArguments, Problem> {
        if self.since.is_some() && (self.from.is_some() || self.to.is_some()) {
            return Err(Problem::wrong("since stands alone: leave out from and to"));
        }
        fn read<T>(
            name: &str,
            text: Option<&String>,
            parse: impl Fn(&str) -> Result<T, String>,
        ) -> Result<Option<T>, Problem> {
            text.map(|text| parse(text).map_err(|hint| Problem::wrong(&format!("{name}: {hint}"))))
                .transpose()
        }
        let time = |text: &str| text.parse::<Timestamp>().map_err(|hint| hint.to_string());
        Ok(PeriodArguments {
            since: read("since", self.since.as_ref(), parse_duration)?,
            from: read("from", self.from.as_ref(), time)?,
            to: read("to", self.to.as_ref(), time)?,
            now: None,
        })
    }
}

/// Which part of a list is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// How many items to leave out from the start.
    #[param(minimum = 0, maximum = 1_000_000_000)]
    offset: Option<usize>,
    /// How many items at most.
    #[param(minimum = 1, maximum = 1_000, default = 100)]
    limit: Option<usize>,
}

/// A part of a list, in the order of the files of the same name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    items: Vec<T>,
    /// How many there are over all pages.
    total: usize,
    /// The offset of the next page; null on the last.
    next: Option<usize>,
}

impl<T: Clone> Page<T> {
    /// The part of `all` that was asked for.
    pub(super) fn of(all: &[T], query: &PageQuery) -> Result<Self, Problem> {
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::wrong(&format!("limit: write a number from 1 to {MAX_LIMIT}")));
        }
        let (total, offset) = (all.len(), query.offset.unwrap_or(0));
        if offset > MAX_OFFSET {
            return Err(Problem::wrong(&format!("offset: write a number from 0 to {MAX_OFFSET}")));
        }
        let start = offset.min(total);
        let end = start.saturating_add(limit).min(total);
        Ok(Self { items: all[start..end].to_vec(), total, next: (end < total).then_some(end) })
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    #[serde(skip)]
    status: StatusCode,
    /// What is wrong and what to do.
    error: String,
}

impl Problem {
    fn new(status: StatusCode, error: &str) -> Self {
        Self { status, error: error.to_owned() }
    }

    /// The question is wrong.
    pub(super) fn wrong(error: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// It needs a token that is known.
    pub(super) fn unknown(error: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, error)
    }

    /// Whoever it is, it is not for them.
    pub(super) fn forbidden(error: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, error)
    }

    /// There is no such thing.
    pub(super) fn missing(error: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    /// It was asked for by a name that is not answered to.
    pub(super) fn misdirected(error: &str) -> Self {
        Self::new(StatusCode::MISDIRECTED_REQUEST, error)
    }

    /// There is more to do at the moment than is done at a time.
    pub(super) fn busy(error: &str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, error)
    }

    /// The work failed. Whoever runs this reads why in the log; whoever asks may be anybody.
    pub(super) fn work(error: impl Into<anyhow::Error>) -> Self {
        error!("cannot answer: {:#}", error.into());
        let hint = "the store could not be read; the server's log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, hint)
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        // What JSON does not fit is as wrong as what is none.
        match rejection.status() {
            StatusCode::UNPROCESSABLE_ENTITY => Self::wrong(&rejection.body_text()),
            status => Self::new(status, &rejection.body_text()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status;
        let mut response = (status, Json(self)).into_response();
        if status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }
}

/// What every question about the store may be answered with instead.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes what is answered; Problem is what does it")]
pub(super) enum Problems {
    /// The question is wrong, or its answer would be too large: ask for a shorter period.
    #[response(status = 400)]
    Wrong(#[to_schema] Problem),
    /// It needs a token that is known.
    #[response(status = 401)]
    Unknown(#[to_schema] Problem),
    /// Another name than loopback's was used on loopback.
    #[response(status = 421)]
    Misdirected(#[to_schema] Problem),
    /// The store is being read for somebody else, or for long: ask again.
    #[response(status = 429)]
    Busy(#[to_schema] Problem),
    /// The store cannot be read.
    #[response(status = 500)]
    Work(#[to_schema] Problem),
}

/// A query whose mistakes are told as every other problem is.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = AxumQuery::<T>::from_request_parts(parts, state).await;
        read.map(|AxumQuery(query)| Self(query)).map_err(|rejection| Problem::wrong(&rejection.body_text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(offset: Option<usize>, limit: Option<usize>) -> Result<Page<u8>, Problem> {
        Page::of(&[1, 2, 3, 4, 5], &PageQuery { offset, limit })
    }

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let (mut offset, mut seen) = (Some(0), Vec::new());
        while let Some(start) = offset {
            let page = page(Some(start), Some(2)).unwrap();
            assert_eq!(page.total, 5);
            seen.extend(page.items);
            offset = page.next;
        }
        assert_eq!(seen, [1, 2, 3, 4, 5]);
        assert!(page(Some(MAX_OFFSET), None).unwrap().items.is_empty());
    }

    #[test]
    fn no_answer_is_without_bound() {
        for limit in [0, MAX_LIMIT + 1, usize::MAX] {
            assert_eq!(page(None, Some(limit)).unwrap_err().status, StatusCode::BAD_REQUEST);
        }
        assert_eq!(page(Some(MAX_OFFSET + 1), None).unwrap_err().status, StatusCode::BAD_REQUEST);
    }
}
