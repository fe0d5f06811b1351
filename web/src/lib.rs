//! The status page and JSON API of vipwatch, behind a trait that the agent
//! implements. Knows HTTP; knows neither the store nor how anything is probed.

#![forbid(unsafe_code)]

pub mod api;
mod assets;
mod events;
mod feed;
mod problem;
mod routes;
mod server;
mod status;

pub use routes::openapi_json;
pub use server::{Limits, serve, serve_with};
pub use status::Status;
