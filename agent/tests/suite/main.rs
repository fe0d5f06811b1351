//! The agent's integration tests, in one binary.

mod agent;
mod architecture;
mod authority;
#[cfg(feature = "browser-tests")]
mod browser;
mod cli;
mod cluster;
mod config;
mod crash;
mod lifecycle;
#[cfg(feature = "namespace-tests")]
mod namespaces;
mod outbox;
mod plan;
mod prober;
mod store;
mod tls;
