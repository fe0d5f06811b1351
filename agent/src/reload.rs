//! Takes over a changed configuration while running: on SIGHUP, and when the file changes.
//!
//! The new file is read and checked as a whole first. A faulty one changes nothing: the old
//! configuration goes on, and the faults are in the log and on the page until a good one comes.

use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::{
    signal::unix::Signal,
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    config::{self, Agent, Config},
    connectivity::Gate,
    control,
    egress::Baseline,
    lifecycle, outbox, pipeline,
    plan::Plan,
};

/// How long a changed file is left alone, so that a half-written one is not read.
const SETTLE: Duration = Duration::from_millis(200);

/// How long until a file that cannot be watched is looked at again.
const UNWATCHED: Duration = Duration::from_secs(2);

/// Watches the file and tells the other parts.
pub struct Reloader {
    /// The configuration file.
    pub path: PathBuf,
    /// What the file said last: a configuration, or its faults in words.
    pub last: Result<Config, String>,
    /// SIGHUP.
    pub hangup: Signal,
    /// The settings that only a restart changes, as they are in force.
    pub started_with: Agent,
    /// Wall time.
    pub clock: Clock,
    /// What rounds are judged against.
    pub baseline: Baseline,
    /// What keeps them from judgement.
    pub gate: Gate,
    /// The scheduler's input.
    pub scheduler: mpsc::Sender<Arc<Plan>>,
    /// The pipeline's input.
    pub pipeline: mpsc::Sender<pipeline::Command>,
    /// The outbox's input.
    pub outbox: mpsc::Sender<outbox::Command>,
    /// Who may change something over the API.
    pub access: watch::Sender<vipwatch_web::Access>,
}

impl Reloader {
    /// Hands out the plan that the agent starts with.
    pub async fn first(&self, plan: &Arc<Plan>) {
        let _ = self.outbox.send(outbox::Command::Receivers(plan.receivers.clone())).await;
        let _ = self.scheduler.send(Arc::clone(plan)).await;
    }

    /// Runs until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let (changed_in, mut changed) = mpsc::channel(1);
        let mut asked = false;
        loop {
            // Anew each time: a link on the way may lead elsewhere by now. What changed before the watch began
            // shows only by comparing, so that comes after it.
            let watcher = self.watch(changed_in.clone());
            self.compare(asked).await;
            tokio::select! {
                () = shutdown.cancelled() => return,
                // A ConfigMap may have been swapped in the very moment in which the watch was set up.
                () = tokio::time::sleep(UNWATCHED), if watcher.is_none() => asked = false,
                _ = self.hangup.recv() => asked = true,
                Some(()) = changed.recv() => {
                    asked = false;
                    tokio::time::sleep(SETTLE).await;
                    while changed.try_recv().is_ok() {}
                }
            }
        }
    }

    /// Watches directories, not the file: editors and ConfigMaps put a new file, or a new link, in its place.
    /// The path as it was given and the file that it leads to may lie in different ones.
    fn watch(&self, changed: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
        let given = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        let real = given.canonicalize().unwrap_or_else(|_| given.clone());
        let mut directories: Vec<PathBuf> =
            [&given, &real].iter().filter_map(|path| Some(path.parent()?.into())).collect();
        directories.dedup();
        let names: Vec<OsString> =
            [&given, &real].iter().filter_map(|path| Some(path.file_name()?.into())).collect();
        let handler = move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            // A ConfigMap swaps the link `..data` and leaves the file's own name alone.
            let ours = |path: &PathBuf| {
                path.file_name().is_some_and(|file| file == "..data" || names.iter().any(|name| name == file))
            };
            if !event.kind.is_access() && event.paths.iter().any(ours) {
                let _ = changed.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(handler).and_then(|mut watcher| {
            for directory in &directories {
                watcher.watch(directory, RecursiveMode::NonRecursive)?;
            }
            Ok(watcher)
        });
        watcher
            .inspect_err(|error| {
                tracing::debug!(%error, "failed to watch the configuration file; looking at it every 2 s");
            })
            .ok()
    }

    /// Reads the file and takes it over if it says something else than last time, or if that was `asked` for.
    async fn compare(&mut self, asked: bool) {
        let path = self.path.clone();
        let loaded =
            tokio::task::spawn_blocking(move || config::load(&path).map_err(|error| in_words(&error)));
        let loaded =
            loaded.await.unwrap_or_else(|_| Err("the reader of the configuration failed".to_owned()));
        if loaded == self.last && !asked {
            return;
        }
        lifecycle::reloading();
        match &loaded {
            Ok(config) => self.take_over(config).await,
            Err(error) => self.refuse(error.clone()).await,
        }
        lifecycle::reloaded();
        self.last = loaded;
    }

    async fn take_over(&self, config: &Config) {
        let plan = Arc::new(Plan::new(config));
        let mut notices = self.for_a_restart(&config.agent);
        notices.extend(plan.notices(self.started_with.max_flows));
        for notice in &notices {
            tracing::warn!("{notice}");
        }
        tracing::info!(probes = plan.probes.len(), "reloaded the configuration");
        self.access.send_replace(control::access(&config.agent));
        let _ = self.outbox.send(outbox::Command::Receivers(plan.receivers.clone())).await;
        let at = self.clock.now();
        // First, so that no round of the new plan is judged against what only the old one asked for.
        self.baseline.take_over(Arc::clone(&plan)).await;
        self.gate.take_over(plan.connectivity.clone()).await;
        let _ = self.pipeline.send(pipeline::Command::Plan { plan: Arc::clone(&plan), at, notices }).await;
        let _ = self.scheduler.send(plan).await;
    }

    async fn refuse(&self, error: String) {
        tracing::error!(%error, "failed to reload the configuration; the old one goes on");
        let _ = self.pipeline.send(pipeline::Command::Refused { error }).await;
    }

    /// What of the new settings has to wait for a restart.
    fn for_a_restart(&self, new: &Agent) -> Vec<String> {
        let old = &self.started_with;
        let changed = [
            ("listen", old.listen != new.listen),
            ("database", old.database != new.database),
            ("max_flows", old.max_flows != new.max_flows),
            ("keep", old.keep != new.keep),
            ("grace", old.grace != new.grace),
        ];
        let waiting = changed.iter().filter(|(_, changed)| *changed);
        waiting
            .map(|(key, _)| {
                format!("agent.{key} has changed in the configuration: restart vipwatch to apply it")
            })
            .collect()
    }
}

/// The error as it goes to the log and the page: no colours.
fn in_words(error: &config::LoadError) -> String {
    match error {
        config::LoadError::Read { source, .. } => format!("{error}: {source}"),
        config::LoadError::Faults(faults) => faults.render(false),
    }
}
