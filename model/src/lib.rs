//! What vipwatch probes, observes and judges.
//!
//! This crate is pure: no sockets, no files, no clock, no runtime. Everything that depends on time takes
//! `now`; everything that depends on the network takes what the network said. The agent is the shell
//! that gathers observations, calls in here, and carries out what comes back.
//!
//! Reading order: [`probe`] (what is watched) → [`observation`] (what a round saw: [`flow`]s, [`node_health`]) →
//! [`judge`] (what that means: a [`verdict::Verdict`]) → [`state`] (hysteresis: a
//! [`state::Transition`]) → [`alert`] (what is opened and resolved) → [`notification`] (what a
//! receiver is told).

pub mod address;
pub mod alert;
pub mod cause;
pub mod connectivity;
pub mod delivery;
pub mod dispatch;
pub mod distribution;
pub mod dns;
pub mod echo;
pub mod egress;
pub mod flow;
pub mod judge;
pub mod lane;
pub mod latest;
pub mod node_health;
pub mod notification;
pub mod observation;
pub mod probe;
pub mod proxy_health;
pub mod rule;
pub mod state;
pub mod streak;
pub mod verdict;
mod words;
