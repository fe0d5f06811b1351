//! Puts the parts together: build, spawn, wait for a signal, drain.
//!
//! ```text
//!             plans                    rounds
//! reload ───────────────▶ scheduler ───────────▶ pipeline ──▶ store thread
//!    ├──▶ connectivity, egress ─┘ gate, baseline    │ │            │
//!    └────────────────────────────────────────────▶ ▲ │            │ deliveries
//!                          restored ────────────────┘ │            ▼
//!                                             overview ▼          outbox ──▶ receivers
//!                                                    web
//! ```
//!
//! Everything ends from left to right: the scheduler stops starting rounds and lets those in flight
//! finish, its end closes the pipeline's input, and only then the store writes what it holds and closes.

use std::{collections::HashMap, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    config::{self, Config},
    connectivity,
    control::{self, AgentControl},
    egress, exit,
    heartbeat::Heartbeat,
    lifecycle::{self, Signals},
    outbox,
    pipeline::{self, Pipeline},
    plan::Plan,
    prober::Prober,
    reload, scheduler,
    status::AgentStatus,
    store::{self, Store},
};

/// Records that may wait while the database cannot be written: with a thousand probes every ten seconds,
/// more than three minutes.
const BUFFER: usize = 20_000;
/// Rounds that may wait for the pipeline.
const ROUNDS: usize = 1_024;
/// How long the start waits for the database before probing begins without what it remembers.
const OPENING: Duration = Duration::from_secs(5);

/// Runs the agent until a signal, or `shutdown`, ends it.
pub async fn run(path: PathBuf, config: Config, shutdown: CancellationToken) -> ExitCode {
    let listener = match TcpListener::bind(config.agent.listen).await {
        Ok(listener) => listener,
        Err(error) => {
            let listen = config.agent.listen;
            tracing::error!(%listen, %error, "failed to listen; let agent.listen name a free address of this host");
            return exit::UNAVAILABLE.into();
        }
    };
    let agent = match Agent::start(path, &config, listener, &shutdown).await {
        Ok(agent) => agent,
        Err(error) => {
            tracing::error!(%error, "failed to start");
            return exit::INTERNAL.into();
        }
    };
    agent.until_the_end(config.agent.grace, shutdown).await
}

/// The running parts.
struct Agent {
    /// The loops that everything depends on: the end of one before its time ends the process.
    core: JoinSet<&'static str>,
    store: Arc<Store>,
    signals: Signals,
    heartbeats: Vec<(&'static str, Heartbeat)>,
}

impl Agent {
    async fn start(
        path: PathBuf,
        config: &Config,
        listener: TcpListener,
        shutdown: &CancellationToken,
    ) -> std::io::Result<Self> {
        let signals = Signals::catch()?;
        let clock = Clock::system();
        let plan = Arc::new(Plan::new(config));
        let notices = plan.notices(config.agent.max_flows);
        for notice in &notices {
            tracing::warn!("{notice}");
        }
        let (for_outbox, from_store) = mpsc::channel(256);
        let (restored_in, mut restored) = mpsc::channel(1);
        let (rounds_in, rounds) = mpsc::channel(ROUNDS);
        let (plans_in, plans) = mpsc::channel(4);
        let (pipeline_in, pipeline_commands) = mpsc::channel(4);
        let (outbox_in, outbox_commands) = mpsc::channel(4);
        let (statuses_in, statuses) = watch::channel(HashMap::new());
        let (standing_in, standing) = watch::channel(Arc::default());

        let prober = Arc::new(Prober::new(config.agent.max_flows));
        let (learner, baseline) = egress::start(Arc::clone(&plan), Arc::clone(&prober), clock.clone());
        let mut core = JoinSet::new();
        core.spawn(named("egress", learner.run(shutdown.clone())));
        let (lookout, gate) = connectivity::start(&plan, clock.clone());
        core.spawn(named("connectivity", lookout.run(shutdown.clone())));

        let options =
            store::Options { path: config.agent.database.clone(), keep: config.agent.keep, buffer: BUFFER };
        let store_beat = Heartbeat::default();
        let outlets =
            store::Outlets { outbox: for_outbox, restored: restored_in, heartbeat: store_beat.clone() };
        let store = Arc::new(Store::start(options, clock.clone(), outlets)?);

        let outbox_end = CancellationToken::new();
        let outbox = outbox::run(
            from_store,
            outbox_commands,
            Arc::clone(&store),
            clock.clone(),
            statuses_in,
            standing,
            outbox_end.clone(),
        );
        core.spawn(named("outbox", outbox));

        let remembered = timeout(OPENING, first_opening(&store, &mut restored)).await.ok().flatten();
        let (scheduler_beat, pipeline_beat) = (Heartbeat::default(), Heartbeat::default());
        let parts = pipeline::Parts {
            store: Arc::clone(&store),
            clock: clock.clone(),
            origin: path.display().to_string(),
            notices,
            baseline: baseline.clone(),
            gate: gate.clone(),
            receivers: statuses,
            standing: standing_in,
            heartbeat: pipeline_beat.clone(),
        };
        // The outbox outlasts the pipeline, however that ends, so that what the last rounds want told is written.
        let outbox_end = outbox_end.drop_guard();
        let pipeline = Pipeline::new(parts, Arc::clone(&plan), remembered);
        let (overview_in, overview) = watch::channel(pipeline.overview());
        core.spawn(named("pipeline", async move {
            pipeline.run(overview_in, rounds, pipeline_commands, restored).await;
            drop(outbox_end);
        }));

        let parts = scheduler::Parts {
            observer: prober,
            gate: gate.clone(),
            baseline: baseline.clone(),
            clock: clock.clone(),
            rounds: rounds_in,
            plans,
            heartbeat: scheduler_beat.clone(),
        };
        core.spawn(named("scheduler", scheduler::run(parts, shutdown.clone())));

        let heartbeats = vec![("scheduler", scheduler_beat), ("pipeline", pipeline_beat)];
        // A disk that hangs makes the agent not ready, but starting it anew would not mend the disk.
        let signs = heartbeats.iter().cloned().chain([("store", store_beat)]).collect();
        let control = AgentControl {
            pipeline: pipeline_in.clone(),
            outbox: outbox_in.clone(),
            store: Arc::clone(&store),
            overview: overview.clone(),
            clock: clock.clone(),
        };
        let status = AgentStatus { overview, store: Arc::clone(&store), heartbeats: signs };
        let (access_in, access) = watch::channel(control::access(&config.agent));
        let site = vipwatch_web::Site { status: Arc::new(status), control: Arc::new(control), access };
        let page = vipwatch_web::serve(listener, site, shutdown.clone());
        core.spawn(named("page", async {
            if let Err(error) = page.await {
                tracing::error!(%error, "failed to serve the page");
            }
        }));

        let reloader = reload::Reloader {
            path,
            last: Ok(config.clone()),
            hangup: lifecycle::hangup()?,
            started_with: config.agent.clone(),
            clock,
            baseline,
            gate,
            scheduler: plans_in,
            pipeline: pipeline_in,
            outbox: outbox_in,
            access: access_in,
        };
        reloader.first(&plan).await;
        core.spawn(named("reload", reloader.run(shutdown.clone())));
        tracing::info!(
            vantage = %config.agent.vantage, page = %config.agent.page_url, probes = plan.probes.len(),
            "vipwatch watches"
        );
        Ok(Self { core, store, signals, heartbeats })
    }

    async fn until_the_end(mut self, grace: Duration, shutdown: CancellationToken) -> ExitCode {
        let mut code = ExitCode::SUCCESS;
        let watchdog = lifecycle::Watchdog::ready(self.heartbeats.clone());
        tokio::select! {
            // First: once it is cancelled, loops end in time.
            biased;
            () = shutdown.cancelled() => {}
            () = self.signals.terminated() => tracing::info!("ending: rounds in flight finish, the database is closed"),
            () = watchdog.run() => {}
            () = self.store.ended() => {
                tracing::error!("the store's thread ended before its time; the agent ends, to be started anew");
                code = exit::INTERNAL.into();
            }
            ended = self.core.join_next() => {
                let name = ended.and_then(Result::ok).unwrap_or("a core loop");
                tracing::error!(%name, "a core loop ended before its time; the agent ends, to be started anew");
                code = exit::INTERNAL.into();
            }
        }
        lifecycle::stopping();
        shutdown.cancel();
        let end = async {
            while let Some(ended) = self.core.join_next().await {
                tracing::debug!(name = ended.unwrap_or("a core loop that panicked"), "ended");
            }
            let store = Arc::clone(&self.store);
            tokio::task::spawn_blocking(move || store.close()).await.ok();
        };
        tokio::select! {
            ended = timeout(grace, end) => if ended.is_err() {
                tracing::error!(?grace, "failed to end within agent.grace; what was not done is left");
                code = exit::INTERNAL.into();
            },
            () = self.signals.terminated() => {
                tracing::warn!("a second signal: ending at once");
                code = exit::INTERRUPTED.into();
            }
        }
        code
    }
}

/// Waits for the first attempt at opening the database: what it remembers, or that it failed.
async fn first_opening(
    store: &Store,
    restored: &mut mpsc::Receiver<Box<store::Restored>>,
) -> Option<Box<store::Restored>> {
    let mut health = store.watch_health();
    tokio::select! {
        biased;
        restored = restored.recv() => restored,
        _ = health.wait_for(|health| health.error.is_some()) => None,
    }
}

async fn named(name: &'static str, task: impl Future<Output = ()>) -> &'static str {
    task.await;
    name
}

/// Reads the configuration at `path`, or says on standard error what is wrong with it.
///
/// # Errors
/// The exit code, after the faults were shown.
pub fn load(path: &std::path::Path) -> Result<Config, exit::Code> {
    config::load(path).map_err(|error| explain(&error))
}

/// Says on standard error why there is no configuration; the exit code.
pub(crate) fn explain(error: &config::LoadError) -> exit::Code {
    use std::io::IsTerminal as _;
    match error {
        config::LoadError::Read { source, .. } => {
            eprintln!(
                "vipwatch: {error}: {source}\nName the configuration with --config PATH; probes.toml in the sources is a commented sample."
            );
        }
        config::LoadError::Faults(faults) => {
            eprint!("{}", faults.render(std::io::stderr().is_terminal()));
        }
    }
    exit::CONFIG
}
