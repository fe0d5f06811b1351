//! What vipwatch probes, observes and judges.
//!
//! This crate is pure: no sockets, no files, no clock, no runtime. Everything that depends on time takes
//! `now`; everything that depends on the network takes what the network said. The agent is the shell
//! that gathers observations, calls in here, and carries out what comes back.
//!
//! Reading order: [`probe`] (what is watched) → [`flow`] and [`node_health`] (what a round saw) →
//! [`judge`] (what that means: a [`verdict::Verdict`]) → [`state`] (hysteresis: a
//! [`state::Transition`]) → [`alert`] (what is opened and resolved) → [`notification`] (what a
//! receiver is told).

pub mod address;
pub mod alert;
pub mod dns;
pub mod echo;
pub mod egress;
pub mod flow;
pub mod judge;
pub mod node_health;
pub mod notification;
pub mod probe;
pub mod state;
pub mod verdict;
mod words;
