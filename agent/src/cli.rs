//! The command line. Each command has a file of its own; the words are those of the docs.

mod alerts;
mod deliveries;
mod demo;
mod echo;
mod inspect;
mod probe;
mod receivers;
mod remote;
mod routes;
mod run;
mod schema;
mod silence;
mod validate;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

use crate::{exit, logging};

/// Watches MetalLB services from outside the cluster: do they still see their clients' source addresses?
#[derive(Debug, Parser)]
#[command(name = "vipwatch", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// How log lines look; they go to standard error.
    #[arg(long, value_enum, default_value = "text", global = true)]
    log_format: logging::Format,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    fine
  1    something that was probed is not as expected; there is no such alert or silence, or the agent refuses;
       a receiver does not take a test
  2    the command line is wrong
  3    whether it is as expected could not be found out
  69   an address to listen on is not free; the agent cannot be reached
  70   a fault of vipwatch itself
  78   the configuration cannot be read or is wrong
  130  ended by a second signal before everything was done";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the agent: probe, judge, store, alert, and serve the status page.
    Run(run::Run),
    /// Check the configuration and show every fault in it.
    Validate(validate::Validate),
    /// Run probes once, now, and show what they find.
    Probe(probe::Probe),
    /// Show who is told about alerts, or try whether one of them can be.
    Receivers(receivers::Receivers),
    /// List the open alerts of the running agent: who was told, or why nobody was.
    Alerts(alerts::Alerts),
    /// Take an open alert on: reminders of it stop, and those who were told hear who has it.
    Ack(alerts::Ack),
    /// Let nobody be told of some alerts for a while.
    Silence(silence::Silence),
    /// List the silences in force.
    Silences(silence::Silences),
    /// End a silence before its time.
    Unsilence(silence::Unsilence),
    /// List what was told to whom, what waits, and what was given up; or attempt that again.
    Deliveries(deliveries::Deliveries),
    /// Find out, now and without a configuration, whether a target sees this host's own source address.
    Inspect(inspect::Inspect),
    /// Tell each client the source address it came from: over HTTP, HTTPS, TCP, UDP and DNS.
    Echo(echo::Echo),
    /// Watch a small cluster on loopback go wrong and heal.
    Demo(demo::Demo),
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
}

/// Which configuration to read.
#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration file [default: ./probes.toml, then /etc/vipwatch/probes.toml]
    #[arg(long, short, value_name = "PATH", env = "VIPWATCH_CONFIG", global = true)]
    config: Option<PathBuf>,
}

impl ConfigFile {
    /// The file that was named, or the first of the usual ones that is there.
    fn path(&self) -> PathBuf {
        let usual = ["probes.toml", "/etc/vipwatch/probes.toml"].map(Path::new);
        let found = || usual.into_iter().find(|path| path.exists()).unwrap_or(usual[0]).to_owned();
        self.config.clone().unwrap_or_else(found)
    }
}

/// Reads the arguments, runs the command, and says with which code to exit.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // Commands that print a result keep quiet about what they do; the long-running ones tell.
    let talkative = matches!(cli.command, Command::Run(_) | Command::Echo(_));
    logging::start(cli.log_format, if talkative { "info,hickory_resolver=warn" } else { "error" });
    // reqwest and tokio-rustls take the one that the process has installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match cli.command {
        Command::Validate(validate) => return validate.run(),
        Command::Schema => return schema::run(),
        Command::Echo(echo) => return echo.run(),
        _ => {}
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "failed to start the runtime");
            return exit::INTERNAL.into();
        }
    };
    let code = runtime.block_on(async {
        match cli.command {
            Command::Run(run) => run.run().await,
            Command::Probe(probe) => probe.run().await,
            Command::Receivers(receivers) => receivers.run().await,
            Command::Alerts(alerts) => alerts.run().await,
            Command::Ack(ack) => ack.run().await,
            Command::Silence(silence) => silence.run().await,
            Command::Silences(silences) => silences.run().await,
            Command::Unsilence(unsilence) => unsilence.run().await,
            Command::Deliveries(deliveries) => deliveries.run().await,
            Command::Inspect(inspect) => inspect.run().await,
            Command::Demo(demo) => demo.run().await,
            Command::Validate(_) | Command::Schema | Command::Echo(_) => ExitCode::SUCCESS,
        }
    });
    // Nothing may hold up the end: everything that matters has been waited for.
    runtime.shutdown_background();
    code
}

/// Prints to standard output; that nobody reads any more (`| head`) is no fault.
fn print(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
