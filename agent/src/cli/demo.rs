//! `vipwatch demo`: the lab's loopback cluster, its story, a webhook receiver, and the agent watching.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use vipwatch_lab::{
    loopback::{LoopbackCluster, LoopbackPlan},
    script, webhook,
};
use vipwatch_model::{alert::Event, notification::Notification};

use crate::{app, exit};

/// The sample configuration, which watches the demo's cluster.
const SAMPLE: &str = include_str!("../../../probes.toml");

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// The configuration to watch the demo's cluster with [default: a fresh copy of the sample]
    #[arg(long, short, value_name = "PATH")]
    config: Option<PathBuf>,
}

impl Demo {
    pub(super) async fn run(self) -> ExitCode {
        let (path, _copy) = match self.config {
            Some(path) => (path, None),
            None => match sample() {
                Ok((path, copy)) => (path, Some(copy)),
                Err(error) => {
                    eprintln!("vipwatch: failed to write the sample configuration: {error}");
                    return exit::INTERNAL.into();
                }
            },
        };
        let config = match app::load(&path) {
            Ok(config) => config,
            Err(code) => return code.into(),
        };
        let plan = LoopbackPlan::demo();
        let receiver = match TcpListener::bind(plan.webhook).await {
            Ok(receiver) => receiver,
            Err(error) => {
                eprintln!(
                    "vipwatch: failed to listen on {}: {error} (is another demo running?)",
                    plan.webhook
                );
                return exit::UNAVAILABLE.into();
            }
        };
        let cluster = match LoopbackCluster::start(plan).await {
            Ok(cluster) => cluster,
            Err(error) => {
                eprintln!(
                    "vipwatch: failed to start the demo's cluster: {error:#} (is another demo running?)"
                );
                return exit::UNAVAILABLE.into();
            }
        };
        super::print(&format!(
            "A cluster of three nodes runs on loopback; its story takes two minutes and starts over.\n\
             The page:          {}\n\
             The configuration: {} (change it and watch it being taken over)\n\
             Ctrl-C ends everything.\n\n",
            config.agent.page_url,
            path.display(),
        ));
        let shutdown = CancellationToken::new();
        let mut beside = JoinSet::new();
        let end = shutdown.clone();
        beside.spawn(async move {
            script::run(&cluster, end).await;
            cluster.shutdown().await;
        });
        let end = shutdown.clone();
        beside.spawn(async move {
            if let Err(error) =
                webhook::serve(receiver, |delivery| super::print(&told(delivery.body)), end).await
            {
                tracing::error!(%error, "failed to serve the demo's webhook receiver");
            }
        });
        let code = app::run(path, config, shutdown.clone()).await;
        shutdown.cancel();
        beside.join_all().await;
        code
    }
}

/// What the demo's webhook receiver got, as a short block of text.
fn told(document: serde_json::Value) -> String {
    let Ok(notification) = serde_json::from_value::<Notification>(document) else {
        return "          webhook  a document of another kind than this vipwatch sends\n".to_owned();
    };
    let alert = &notification.alert;
    let (at, what, reason) = match (&notification.resolution, notification.event) {
        (Some(resolution), Event::Resolved) => (resolution.at, "RESOLVED", &resolution.reason),
        _ => (alert.opened_at, "OPENED", &alert.reason),
    };
    let head = format!("{} webhook  {what} {}: {}\n", at.format("%H:%M:%SZ"), alert.severity, alert.title);
    let text = format!("{head}                   {reason}\n");
    // Anybody on this host can send to the receiver; nobody is to drive the terminal.
    text.chars().filter(|c| !c.is_control() || *c == '\n').collect()
}

/// A copy of the sample in a directory of its own, where the database goes as well; gone at the end.
fn sample() -> std::io::Result<(PathBuf, tempfile::TempDir)> {
    let directory = tempfile::Builder::new().prefix("vipwatch-demo-").tempdir()?;
    let path = directory.path().join("probes.toml");
    std::fs::write(&path, SAMPLE)?;
    Ok((path, directory))
}
