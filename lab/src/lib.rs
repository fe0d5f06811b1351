//! Clusters to test vipwatch against.
//!
//! [`cluster`] describes one and decides what follows from its state; two labs make it real:
//! [`loopback`] inside this process on 127.0.0.0/8, for the demo and for fast tests, and [`namespaces`]
//! with the kernel's own forwarding and address translation, for end-to-end tests. [`matrix`] lists the paths
//! that a client's address can take through those. [`script`] is the demo's story, [`webhook`] the receiver
//! that shows what alerts arrive.

pub mod cluster;
mod datagrams;
pub mod dns;
pub mod health_check;
pub mod loopback;
pub mod matrix;
pub mod namespaces;
pub mod proxy_health;
pub mod script;
mod served;
pub mod stun;
pub mod webhook;
