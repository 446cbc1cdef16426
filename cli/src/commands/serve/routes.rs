//! Who answers what. The OpenAPI document is made of the same lines that route requests, so it cannot differ.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Page, PageQuery, PeriodQuery, Problem, Query};
use super::items::{EdgeItem, LossItem, NodeItem, RuleItem, ScanItem};
use super::loaded::{Library, Loaded};
use crate::report;

/// On every answer: nothing is kept by caches, guessed at, or shown inside other pages.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
];

#[derive(OpenApi)]
#[openapi(info(
    title = "Watershed",
    description = "Who talks to whom, on which service, and how surely; read only. Lists come in pages."
))]
struct Description;

/// Everything that is served: `local_only` refuses requests by other names than loopback's.
pub(super) fn router(library: Library, local_only: bool) -> Router {
    let (routes, description) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(map))
        .routes(routes!(nodes))
        .routes(routes!(edges))
        .routes(routes!(scans))
        .routes(routes!(rules))
        .routes(routes!(loss))
        .split_for_parts();
    let page: Arc<str> = report::served().into();
    let routes = routes
        .with_state(library)
        .route("/api/v1/openapi.json", get(|| async { Json(description) }))
        .route("/", get(|| async move { Html(page.to_string()) }))
        .layer(middleware::from_fn(with_headers));
    if local_only { routes.layer(middleware::from_fn(by_local_name)) } else { routes }
}

/// The document that the page reads, as in report.html: everything of the period at once.
#[utoipa::path(
    get, path = "/api/v1/map", params(PeriodQuery),
    responses((status = 200, body = Object), (status = 400, body = Problem), (status = 500, body = Problem))
)]
async fn map(State(library): State<Library>, Query(period): Query<PeriodQuery>) -> Result<Response, Problem> {
    let loaded = read(library, &period).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], loaded.map.clone()).into_response())
}

/// Workloads and addresses.
#[utoipa::path(
    get, path = "/api/v1/nodes", params(PeriodQuery, PageQuery),
    responses((status = 200, body = Page<NodeItem>), (status = 400, body = Problem), (status = 500, body = Problem))
)]
async fn nodes(
    State(library): State<Library>,
    Query(period): Query<PeriodQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<NodeItem>>, Problem> {
    Ok(Json(Page::of(&read(library, &period).await?.nodes, &page)?))
}

/// Dependencies, and tries at them, each with its verdict.
#[utoipa::path(
    get, path = "/api/v1/edges", params(PeriodQuery, PageQuery),
    responses((status = 200, body = Page<EdgeItem>), (status = 400, body = Problem), (status = 500, body = Problem))
)]
async fn edges(
    State(library): State<Library>,
    Query(period): Query<PeriodQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<EdgeItem>>, Problem> {
    Ok(Json(Page::of(&read(library, &period).await?.edges, &page)?))
}

/// The scan ledger.
#[utoipa::path(
    get, path = "/api/v1/scans", params(PeriodQuery, PageQuery),
    responses((status = 200, body = Page<ScanItem>), (status = 400, body = Problem), (status = 500, body = Problem))
)]
async fn scans(
    State(library): State<Library>,
    Query(period): Query<PeriodQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<ScanItem>>, Problem> {
    Ok(Json(Page::of(&read(library, &period).await?.scans, &page)?))
}

/// The rules that would allow what was seen.
#[utoipa::path(
    get, path = "/api/v1/rules", params(PeriodQuery, PageQuery),
    responses((status = 200, body = Page<RuleItem>), (status = 400, body = Problem), (status = 500, body = Problem))
)]
async fn rules(
    State(library): State<Library>,
    Query(period): Query<PeriodQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<RuleItem>>, Problem> {
    Ok(Json(Page::of(&read(library, &period).await?.rules, &page)?))
}

/// The loss ledger: what was not seen or not kept.
#[utoipa::path(
    get, path = "/api/v1/loss", params(PeriodQuery, PageQuery),
    responses((status = 200, body = Page<LossItem>), (status = 400, body = Problem), (status = 500, body = Problem))
)]
async fn loss(
    State(library): State<Library>,
    Query(period): Query<PeriodQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<LossItem>>, Problem> {
    Ok(Json(Page::of(&read(library, &period).await?.loss, &page)?))
}

/// Reads the store on a thread that may wait.
async fn read(library: Library, period: &PeriodQuery) -> Result<Arc<Loaded>, Problem> {
    let period = period.parse()?;
    tokio::task::spawn_blocking(move || library.read(period)).await.map_err(Problem::work)?
}

async fn with_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Refuses requests that came by another name than loopback's: a web page elsewhere may point its own name at this
/// machine (DNS rebinding), and would then read the map in its visitor's browser.
async fn by_local_name(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if host.is_some_and(is_local) {
        return next.run(request).await;
    }
    (StatusCode::MISDIRECTED_REQUEST, "ask for it as localhost or by its loopback address\n").into_response()
}

/// A loopback address or `localhost`, with or without a port.
fn is_local(host: &str) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return address.is_loopback();
    }
    let name = match host.split_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_loopback_are_local() {
        for host in ["localhost", "localhost:80", "127.0.0.1:1", "127.9.9.9", "[::1]:80"] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "a@localhost:x",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
