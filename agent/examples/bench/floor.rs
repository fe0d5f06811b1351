//! The floor: the same requests at the same times, without judging, storing or showing anything. A
//! process of its own, so that its CPU time can be read like the agent's.

use std::{
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval_at},
};

use crate::{PROBES, http, process::Process, target::Target};

const EVERY: Duration = Duration::from_secs(2);
const FLOWS: usize = 4;

/// What it makes per second.
pub(crate) const RATE: f64 = 2_000.0;

/// Starts this program again, as [`client`].
pub(crate) fn start(target: &Target) -> anyhow::Result<Process> {
    let addresses: Vec<String> = target.addresses.iter().map(ToString::to_string).collect();
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--floor", &addresses.join(",")]).stdout(Stdio::null());
    Ok(Process::start(&mut command)?)
}

/// Sends what [`PROBES`] probes would, until it is ended.
pub(crate) async fn client(addresses: &[SocketAddr]) {
    let mut probes = JoinSet::new();
    let start = Instant::now();
    for (nth, address) in (0..PROBES).zip(addresses.iter().copied().cycle()) {
        probes.spawn(async move {
            let mut ticks = interval_at(start + EVERY * nth / PROBES, EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                ticks.tick().await;
                for answer in join_all((0..FLOWS).map(|_| http::get(address, "/"))).await {
                    if let Err(error) = answer {
                        eprintln!("the floor's client failed: {error:#}");
                        std::process::exit(1);
                    }
                }
            }
        });
    }
    while probes.join_next().await.is_some() {}
}
