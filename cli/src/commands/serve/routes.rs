//! Who answers what. The OpenAPI document is made of the same lines that route requests, so it cannot differ.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router, middleware};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, OpenApi as Document};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Page, PageQuery, PeriodQuery, Problem, Problems, Query};
use super::decide::{self, Book};
use super::export;
use super::guard::{self, Access};
use super::items::{EdgeItem, LossItem, NodeItem, RuleItem, ScanItem};
use super::loaded::{Library, Loaded};
use crate::report;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Watershed",
        description = "Who talks to whom, on which service, and how surely. Lists come in pages. Deciding about rules \
                       needs a token; so does reading beyond loopback, unless the server is told otherwise."
    ),
    modifiers(&Tokens)
)]
struct Description;

/// How a token comes.
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, document: &mut Document) {
        let scheme = |scheme| SecurityScheme::Http(HttpBuilder::new().scheme(scheme).build());
        let components = document.components.get_or_insert_with(Components::new);
        components.add_security_scheme("bearer", scheme(HttpAuthScheme::Bearer));
        components.add_security_scheme("basic", scheme(HttpAuthScheme::Basic));
    }
}

/// Everything that is served: `local_only` refuses requests by other names than loopback's.
pub(super) fn router(library: Library, book: Book, access: Access, local_only: bool) -> Router {
    let (routes, description) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(map))
        .routes(routes!(nodes))
        .routes(routes!(edges))
        .routes(routes!(export::ndjson))
        .routes(routes!(export::csv))
        .routes(routes!(scans))
        .routes(routes!(rules))
        .routes(routes!(loss))
        .routes(routes!(decide::decisions))
        .routes(routes!(decide::decide))
        .split_for_parts();
    let page: Arc<str> = report::served().into();
    let routes = routes
        .with_state(library)
        .route("/api/v1/openapi.json", get(|| async { Json(description) }))
        .route("/", get(|| async move { Html(page.to_string()) }))
        .layer(Extension(book))
        .layer(middleware::from_fn_with_state(access, guard::identified))
        .layer(middleware::from_fn(guard::by_own_page));
    let routes = if local_only { routes.layer(middleware::from_fn(guard::by_local_name)) } else { routes };
    routes.layer(middleware::from_fn(guard::with_headers))
}

/// The document that the page reads, as in report.html: everything of the period at once.
#[utoipa::path(
    get, path = "/api/v1/map", params(PeriodQuery),
    responses((status = 200, body = Object), Problems)
)]
async fn map(State(library): State<Library>, Query(period): Query<PeriodQuery>) -> Result<Response, Problem> {
    let loaded = read(library, &period).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], loaded.map.clone()).into_response())
}

/// Workloads and addresses.
#[utoipa::path(
    get, path = "/api/v1/nodes", params(PeriodQuery, PageQuery),
    responses((status = 200, body = Page<NodeItem>), Problems)
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
    responses((status = 200, body = Page<EdgeItem>), Problems)
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
    responses((status = 200, body = Page<ScanItem>), Problems)
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
    responses((status = 200, body = Page<RuleItem>), Problems)
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
    responses((status = 200, body = Page<LossItem>), Problems)
)]
async fn loss(
    State(library): State<Library>,
    Query(period): Query<PeriodQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<LossItem>>, Problem> {
    Ok(Json(Page::of(&read(library, &period).await?.loss, &page)?))
}

async fn read(library: Library, period: &PeriodQuery) -> Result<Arc<Loaded>, Problem> {
    library.read(period.parse()?).await
}
