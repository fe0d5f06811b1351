//! The agent's integration tests, in one binary.

mod agent;
mod architecture;
#[cfg(feature = "namespace-tests")]
mod behind_nat;
#[cfg(feature = "browser-tests")]
mod browser;
mod cli;
mod cluster;
mod config;
mod crash;
mod egress;
mod lifecycle;
#[cfg(feature = "namespace-tests")]
mod matrix;
#[cfg(feature = "namespace-tests")]
mod namespaces;
mod outbox;
mod outsider;
#[cfg(feature = "namespace-tests")]
mod paths;
mod prober;
mod store;
mod tls;
#[cfg(feature = "namespace-tests")]
mod watch;
