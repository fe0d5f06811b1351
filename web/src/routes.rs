//! What is served where, and the OpenAPI document that says so.

mod operator;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tower_http::{compression::CompressionLayer, set_header::SetResponseHeaderLayer};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Access, Control, Limits, Status,
    api::{Overview, Problem, Readiness},
    assets, events,
    feed::Feed,
    problem::problem,
};

/// The page loads nothing from elsewhere; `data:` is its favicon, which changes
/// with the state.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

const SECURITY_HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) status: Arc<dyn Status>,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) access: watch::Receiver<Access>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) limits: Limits,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) shutdown: CancellationToken,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "vipwatch",
        version = "1",
        description = "What a vipwatch agent knows about the VIPs it watches. Reading is open. Changes need the token of \
                       `agent.api_token`; without one they are taken from the agent's own host alone.",
        license(name = "Apache-2.0 OR MIT")
    ),
    modifiers(&BearerToken)
)]
struct Document;

/// The token as the document calls it.
struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The OpenAPI document of the API, as indented JSON with a final line break.
#[must_use]
pub fn openapi_json() -> String {
    let (_, document) = api().split_for_parts();
    let mut json = document.to_pretty_json().expect("an OpenAPI document has only string keys");
    json.push('\n');
    json
}

/// Everything that is served.
pub(crate) fn router(shared: Shared) -> Router {
    let (api, _) = api().split_for_parts();
    let document = openapi_json();
    let openapi = get(move || {
        let headers = [(header::CONTENT_TYPE, "application/json")];
        std::future::ready((headers, document.clone()))
    });
    let router = api
        .route("/api/v1/openapi.json", openapi)
        .fallback(page_or_not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(shared)
        .layer(CompressionLayer::new());
    SECURITY_HEADERS.into_iter().fold(router, |router, (name, value)| {
        let value = HeaderValue::from_static(value);
        router.layer(SetResponseHeaderLayer::overriding(name, value))
    })
}

fn api() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(overview))
        .routes(routes!(event_stream))
        .routes(routes!(operator::alerts))
        .routes(routes!(operator::acknowledge))
        .routes(routes!(operator::silences, operator::silence))
        .routes(routes!(operator::end_silence))
        .routes(routes!(operator::deliveries))
        .routes(routes!(operator::retry))
        .routes(routes!(healthz))
        .routes(routes!(readyz))
}

/// Everything the overview page shows.
#[utoipa::path(
    get,
    path = "/api/v1/overview",
    params(("If-None-Match" = Option<String>, Header, description = "The `ETag` of an earlier answer")),
    responses(
        (status = 200, body = Overview, headers(("ETag" = String))),
        (status = 304, description = "Nothing has changed"),
    )
)]
async fn overview(State(shared): State<Shared>, request: HeaderMap) -> Response {
    let snapshot = shared.feed.current();
    let headers = [(header::CACHE_CONTROL, "no-cache"), (header::ETAG, snapshot.etag.as_ref())];
    let is_known = request
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|etags| matches_etag(etags, &snapshot.etag));
    if is_known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    (headers, content_type, snapshot.json).into_response()
}

/// Weak comparison, as `If-None-Match` asks for.
fn matches_etag(etags: &str, current: &str) -> bool {
    etags.split(',').map(str::trim).any(|etag| {
        let strong = etag.strip_prefix("W/").unwrap_or(etag);
        strong == "*" || strong == current
    })
}

/// The overview as server-sent events.
///
/// Event `overview` carries the whole overview as JSON: at once, and then when
/// it changes. Event `alive` comes in between.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    responses(
        (status = 200, content_type = "text/event-stream", body = String),
        (status = 503, content_type = "application/problem+json", body = Problem),
    )
)]
async fn event_stream(State(shared): State<Shared>) -> Response {
    match shared.streams.try_acquire_owned() {
        Ok(permit) => events::response(shared.feed, shared.limits, shared.shutdown, permit),
        Err(_) => problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many event streams are open; ask for /api/v1/overview instead",
        ),
    }
}

/// Whether the process is alive.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = String)))]
async fn healthz() -> &'static str {
    "ok"
}

/// Whether the agent does its job.
#[utoipa::path(
    get,
    path = "/readyz",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness))
)]
async fn readyz(State(shared): State<Shared>) -> Response {
    let readiness = shared.status.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let headers = [(header::CACHE_CONTROL, "no-store")];
    (status, headers, Json(readiness)).into_response()
}

async fn page_or_not_found(request: Request) -> Response {
    let path = request.uri().path();
    if path == "/api" || path.starts_with("/api/") {
        return problem(StatusCode::NOT_FOUND, format!("there is no {path}"));
    }
    let Some(page) = assets::response(path) else {
        return (StatusCode::NOT_FOUND, "not found\n").into_response();
    };
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return page;
    }
    let mut response = method_not_allowed(request).await;
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// The router says in `Allow` what is.
async fn method_not_allowed(request: Request) -> Response {
    let detail = format!("{} does not take {}", request.uri().path(), request.method());
    problem(StatusCode::METHOD_NOT_ALLOWED, detail)
}

#[cfg(test)]
mod tests {
    use super::matches_etag;

    #[test]
    fn if_none_match_may_list_weak_etags() {
        assert!(matches_etag("\"a-1\"", "\"a-1\""));
        assert!(matches_etag("\"x\", W/\"a-1\"", "\"a-1\""));
        assert!(matches_etag("*", "\"a-1\""));
        assert!(!matches_etag("\"a-2\"", "\"a-1\""));
    }
}
