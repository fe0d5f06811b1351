//! The agent under test: its program, its configuration, and what it says of itself.

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rusqlite::{Connection, OpenFlags};
use tokio::time::sleep;
use vipwatch_web::api::{AgentView, Overview};

use crate::{PROBES, http, process::Process, target::Target};

/// How long the start may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// When and how every probe is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) every_s: u32,
    pub(crate) flows: u32,
}

impl Load {
    /// Flows per second.
    pub(crate) fn rate(self) -> f64 {
        f64::from(PROBES * self.flows) / f64::from(self.every_s)
    }
}

/// A running agent.
pub(crate) struct Agent {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// From the start of the process to the first sign of being ready.
    pub(crate) start_up: Duration,
}

/// What lies in a database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored {
    pub(crate) flows: u64,
    pub(crate) failed: u64,
    pub(crate) bytes: u64,
}

/// The release program that was built along with this one.
pub(crate) fn program(beside: &Path) -> anyhow::Result<PathBuf> {
    let program = beside.join("../vipwatch");
    program
        .canonicalize()
        .context("there is no vipwatch to measure: cargo build --release --package vipwatch")
}

/// The database of the agent that runs in `directory`.
pub(crate) fn database(directory: &Path) -> PathBuf {
    directory.join("vipwatch.db")
}

impl Agent {
    pub(crate) async fn start(
        program: &Path,
        directory: &Path,
        target: &Target,
        load: Load,
    ) -> anyhow::Result<Self> {
        let address = http::free_address().await?;
        let config = directory.join("probes.toml");
        fs::write(&config, configuration(address, target, load)?)?;
        let mut command = Command::new(program);
        command.arg("run").arg("--config").arg(&config).env("RUST_LOG", "warn").stdout(Stdio::null());
        let started = Instant::now();
        let process = Process::start(&mut command)?;
        while !is_ready(address).await {
            anyhow::ensure!(started.elapsed() < PATIENCE, "the agent does not get ready");
            process.memory()?;
            sleep(Duration::from_millis(1)).await;
        }
        Ok(Self { process, address, start_up: started.elapsed() })
    }

    /// What it says of itself.
    pub(crate) async fn view(&self) -> anyhow::Result<AgentView> {
        let (_, overview) = http::get(self.address, "/api/v1/overview").await?;
        let overview: Overview =
            serde_json::from_slice(&overview).context("the overview has another form")?;
        Ok(overview.agent)
    }
}

async fn is_ready(address: SocketAddr) -> bool {
    http::get(address, "/readyz").await.is_ok_and(|(status, _)| status.is_success())
}

fn configuration(listen: SocketAddr, target: &Target, load: Load) -> anyhow::Result<String> {
    let Load { every_s, flows } = load;
    let mut text = format!(
        "[agent]\nvantage = \"bench\"\nlisten = \"{listen}\"\nmax_flows = 4000\n\n\
         [defaults]\nevery = \"{every_s}s\"\ntimeout = \"900ms\"\nflows = {flows}\n"
    );
    for (nth, address) in (0..PROBES).zip(target.addresses.iter().cycle()) {
        write!(
            text,
            "\n[[probe]]\nname = \"probe-{nth:04}\"\nkind = \"http\"\nurl = \"http://{address}/\"\n\
             echo = {{ format = \"auto\" }}\n"
        )?;
    }
    Ok(text)
}

impl Stored {
    /// Reads a database that nobody has open any more.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let count = |condition: &str| -> rusqlite::Result<u64> {
            let query = format!("SELECT count(*) FROM flow {condition}");
            let count: i64 = connection.query_row(&query, [], |row| row.get(0))?;
            Ok(count.cast_unsigned())
        };
        Ok(Self {
            flows: count("")?,
            failed: count("WHERE failure IS NOT NULL OR detail IS NOT NULL")?,
            bytes: fs::metadata(path)?.len(),
        })
    }
}
