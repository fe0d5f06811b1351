//! The integration tests of `vipwatch-model`: scenarios that read as a specification, and the documents that tell of it.

mod dns;
mod docs;
mod echo;
mod echo_page;
mod echo_properties;
mod lane;
mod notation;
mod scenarios;
mod telling;
mod telling_cost;
mod telling_properties;
mod town;
mod webhook_document;
