//! The checked-in OpenAPI document, from which the page's types are made.

use std::{env, fs, path::Path};

use crate::{client::get, sample::Server};

#[test]
fn the_checked_in_document_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/openapi.json");
    let document = vipwatch_web::openapi_json();
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &document).expect("ui/openapi.json can be written");
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == document,
        "web/ui/openapi.json is out of date. Renew it, and the page's types, with\n\
         UPDATE=1 cargo test -p vipwatch-web && npm --prefix web/ui run generate"
    );
}

#[tokio::test]
async fn the_served_document_is_the_same() {
    let server = Server::start().await;
    let answer = get(server.address, "/api/v1/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.body, vipwatch_web::openapi_json());
}
