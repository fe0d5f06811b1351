//! The front end, embedded in the binary by `build.rs`.

use std::path::Path;

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use include_dir::{Dir, include_dir};

static UI: Dir<'static> = include_dir!("$VIPWATCH_UI");

/// File names under `assets/` contain a hash of what is in them.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// The file behind a URL path, or `None` if there is none.
pub(crate) fn response(url_path: &str) -> Option<Response> {
    let path = match url_path.trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    let file = UI.get_file(path)?;
    let cache = if path.starts_with("assets/") { FOREVER } else { "no-cache" };
    let headers = [(header::CONTENT_TYPE, content_type(path)), (header::CACHE_CONTROL, cache)];
    Some((StatusCode::OK, headers, file.contents()).into_response())
}

/// The kinds of file that the front end's build makes.
fn content_type(path: &str) -> &'static str {
    match Path::new(path).extension().and_then(|ext| ext.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "map") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
