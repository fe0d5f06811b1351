//! `make bench`: what probing costs, measured on the release binary from outside.
//!
//! The agent runs as a user would run it, on a generated configuration and a database on disk, against an
//! echo target in this process; so does each thing it is compared with. Only the measured process's own
//! CPU time counts. A run with a failed flow is no measurement: it is named, and the exit code is 1.

mod agent;
mod blackbox;
mod floor;
mod http;
mod machine;
mod page;
mod process;
mod report;
mod scenario;
mod target;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::Parser;
use tokio::sync::OnceCell;

use report::Report;
use scenario::{Bench, SCENARIOS};
use target::Target;

/// Probes in every scenario.
const PROBES: u32 = 1_000;

/// Measures what probing costs.
#[derive(Debug, Parser)]
struct Arguments {
    /// Scenarios to run, by name; all of them when none is named.
    scenarios: Vec<String>,
    /// How often each scenario is run; the median of each figure is shown.
    #[arg(long, default_value_t = 1, value_name = "TIMES")]
    repeat: usize,
    /// How long each run is measured, in seconds.
    #[arg(long, default_value_t = 20, value_name = "SECONDS")]
    window: u64,
    /// How long each run goes on before it is measured, in seconds.
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    warm_up: u64,
    /// Where the databases lie while they are measured [default: beside this program].
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
    /// Be the client of the scenario "floor" instead.
    #[arg(long, hide = true, value_name = "ADDRESSES", value_delimiter = ',')]
    floor: Vec<std::net::SocketAddr>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if !arguments.floor.is_empty() {
        runtime.block_on(floor::client(&arguments.floor));
        return Ok(ExitCode::SUCCESS);
    }
    runtime.block_on(async {
        let mut signals = vipwatch::lifecycle::Signals::catch()?;
        tokio::select! {
            done = bench(&arguments) => done,
            // What was started ends, and the databases are removed, as their owners go out of scope.
            () = signals.terminated() => anyhow::bail!("interrupted"),
        }
    })
}

async fn bench(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let here = std::env::current_exe()?;
    let beside = here.parent().context("this program lies nowhere")?;
    let directory = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(arguments.dir.as_deref().unwrap_or(beside))
        .context("failed to make a directory for the databases")?;
    let bench = Bench {
        program: agent::program(beside)?,
        directory: directory.path().to_owned(),
        target: Target::start().await?,
        warm_up: Duration::from_secs(arguments.warm_up),
        window: Duration::from_secs(arguments.window),
        seed: OnceCell::new(),
    };
    let wanted =
        |name: &str| arguments.scenarios.is_empty() || arguments.scenarios.iter().any(|it| it == name);
    if let Some(unknown) =
        arguments.scenarios.iter().find(|it| SCENARIOS.iter().all(|known| known.name != **it))
    {
        let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        anyhow::bail!("there is no scenario \"{unknown}\"; there are {}", names.join(", "));
    }

    println!("{}\n", machine::describe());
    let mut report = Report::default();
    for scenario in SCENARIOS.iter().filter(|scenario| wanted(scenario.name)) {
        for _ in 0..arguments.repeat.max(1) {
            report.add(scenario, bench.run(scenario).await?);
        }
    }
    report.first_start = bench.seed.get().map(|seed| seed.start_up);
    print!("{report}");
    Ok(if report.is_valid() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
