//! The agent's integration tests, in one binary.

mod agent;
mod architecture;
#[cfg(feature = "browser-tests")]
mod browser;
mod cli;
mod cluster;
mod config;
mod crash;
mod egress;
mod lifecycle;
#[cfg(feature = "namespace-tests")]
mod namespaces;
mod outbox;
mod outsider;
mod prober;
mod store;
mod tls;
