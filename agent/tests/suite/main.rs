//! The agent's integration tests, in one binary.

mod agent;
mod alertmanager;
mod architecture;
mod authority;
mod badly_behaved;
#[cfg(feature = "namespace-tests")]
mod behind_nat;
#[cfg(feature = "browser-tests")]
mod browser;
mod cli;
mod cluster;
mod config;
mod connectivity;
mod crash;
mod docs;
mod echo;
mod egress;
mod email;
mod exec;
mod inspect;
mod lifecycle;
mod manifests;
#[cfg(feature = "namespace-tests")]
mod matrix;
#[cfg(feature = "namespace-tests")]
mod namespaces;
mod operator;
mod outbox;
mod outsider;
#[cfg(feature = "namespace-tests")]
mod paths;
mod plan;
mod policy;
mod prober;
mod receivers;
mod spoken;
mod store;
mod target;
mod tls;
mod told;
#[cfg(feature = "namespace-tests")]
mod uplink;
#[cfg(feature = "namespace-tests")]
mod watch;
