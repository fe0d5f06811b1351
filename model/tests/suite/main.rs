//! The integration tests of `vipwatch-model`: scenarios that read as a specification.

mod scenarios;
mod webhook_document;
