//! The vipwatch agent: probes from outside the cluster, judges, stores, alerts, shows.
//!
//! ```text
//! config → plan → scheduler → prober → pipeline → store → outbox → receivers
//!             └→ egress ─┘               └────→ status → web
//! ```
//!
//! [`app`] puts these together; `ARCHITECTURE.md` walks through them.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connectivity;
pub mod control;
pub mod egress;
pub mod exit;
pub mod heartbeat;
pub mod lifecycle;
pub mod logging;
pub mod maintenance;
mod network;
pub mod oneshot;
pub mod outbox;
pub mod pipeline;
pub mod plan;
pub mod privileges;
pub mod prober;
pub mod reload;
pub mod schedule;
pub mod scheduler;
pub mod status;
pub mod store;
