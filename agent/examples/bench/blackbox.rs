//! A peer: Prometheus' blackbox exporter, asked for HTTP probes of the same target. It neither
//! schedules nor stores, and its caller, which in real life is Prometheus, is not measured.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use http_body_util::BodyExt as _;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval_at, sleep},
};

use crate::{http, process::Process, target::Target};

const PROGRAM: &str = "prometheus-blackbox-exporter";
/// Connections over which it is asked.
const CALLERS: u32 = 32;
/// Probes per second: as many as it can be relied on to keep up with beside its caller on two cores.
pub(crate) const RATE: f64 = 1_000.0;

/// The exporter and those who ask it.
pub(crate) struct Blackbox {
    pub(crate) process: Process,
    callers: JoinSet<anyhow::Result<()>>,
}

impl Blackbox {
    /// Starts it, or tells that it is not installed.
    pub(crate) async fn start(directory: &Path, target: &Target) -> anyhow::Result<Option<Self>> {
        let config = directory.join("blackbox.yml");
        fs::write(&config, "modules:\n  http_2xx:\n    prober: http\n")?;
        let address = http::free_address().await?;
        let mut command = Command::new(PROGRAM);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=warn")
            .stdout(Stdio::null());
        let process = match Process::start(&mut command) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            started => started?,
        };
        let give_up = Instant::now() + Duration::from_secs(10);
        while http::get(address, "/-/healthy").await.is_err() {
            anyhow::ensure!(Instant::now() < give_up, "{PROGRAM} does not start");
            sleep(Duration::from_millis(20)).await;
        }
        let mut callers = JoinSet::new();
        let every = Duration::from_secs_f64(f64::from(CALLERS) / RATE);
        for (nth, target) in (0..CALLERS).zip(target.addresses.iter().copied().cycle()) {
            callers.spawn(call(address, target, Instant::now() + every * nth / CALLERS, every));
        }
        Ok(Some(Self { process, callers }))
    }

    /// Fails if a probe has failed.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        if let Some(ended) = self.callers.try_join_next() {
            ended??;
        }
        self.callers.shutdown().await;
        self.process.end().await
    }
}

/// Asks for one probe after the other, and never returns unless one fails.
async fn call(
    address: SocketAddr,
    target: SocketAddr,
    start: Instant,
    every: Duration,
) -> anyhow::Result<()> {
    let (mut sender, driver) = http::open(address).await?;
    let path = format!("/probe?module=http_2xx&target=http://{target}/");
    let asking = async {
        let mut ticks = interval_at(start, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let answer = http::ask(&mut sender, address, &path, false).await?;
            let metrics = answer.into_body().collect().await?.to_bytes();
            let metrics = std::str::from_utf8(&metrics)?;
            anyhow::ensure!(metrics.contains("\nprobe_success 1\n"), "a probe failed:\n{metrics}");
        }
    };
    tokio::select! {
        failed = asking => failed,
        closed = driver => closed.with_context(|| format!("{PROGRAM} closed a connection")),
    }
}
