//! The integration tests of `vipwatch-model`: scenarios that read as a specification.

mod dns;
mod echo;
mod echo_page;
mod echo_properties;
mod scenarios;
mod webhook_document;
