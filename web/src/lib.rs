//! The status page and JSON API of vipwatch, behind a trait that the agent
//! implements. Knows HTTP; knows neither the store nor how anything is probed.

#![forbid(unsafe_code)]

mod access;
pub mod api;
mod assets;
mod body;
mod control;
mod events;
mod feed;
mod guard;
mod line;
mod problem;
mod routes;
mod server;
mod status;

pub use access::{Access, Token};
pub use control::{Control, Operator, Outcome, Refusal};
pub use routes::openapi_json;
pub use server::{Limits, Site, serve, serve_with};
pub use status::Status;
