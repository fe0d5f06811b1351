//! The agent's integration tests, in one binary.

mod agent;
mod architecture;
#[cfg(feature = "browser-tests")]
mod browser;
mod cli;
mod cluster;
mod config;
mod crash;
mod echo;
mod lifecycle;
mod manifests;
#[cfg(feature = "namespace-tests")]
mod matrix;
#[cfg(feature = "namespace-tests")]
mod namespaces;
mod outbox;
#[cfg(feature = "namespace-tests")]
mod paths;
mod prober;
mod store;
mod tls;
#[cfg(feature = "namespace-tests")]
mod watch;
