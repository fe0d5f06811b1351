//! A cluster inside this process, on addresses of 127.0.0.0/8. The data paths are real connections: what
//! kube-proxy would masquerade is spliced through a socket bound to the address a pod would then see.
//!
//! One task owns the cluster and everything that runs for it; [`LoopbackCluster`] is its handle. A
//! change is in force when its method returns.

mod front;
mod plan;
mod running;

pub use plan::LoopbackPlan;

use std::io;

use anyhow::{Context, Result, bail, ensure};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::cluster::{Announcement, Backend, Change, Cluster, ExternalTrafficPolicy};
use running::Running;

type Request = (Change, oneshot::Sender<Result<()>>);

/// A running cluster. Dropping it ends everything without waiting.
#[derive(Debug)]
pub struct LoopbackCluster {
    plan: LoopbackPlan,
    changes: mpsc::Sender<Request>,
    state: watch::Receiver<Cluster>,
    task: JoinHandle<()>,
    shutdown: DropGuard,
}

impl LoopbackCluster {
    /// Starts the cluster that `plan` describes.
    ///
    /// # Errors
    /// When the plan contradicts itself, or an address of it is in use.
    pub async fn start(plan: LoopbackPlan) -> Result<Self> {
        let cluster = Cluster::new(plan.cluster.clone()).and_then(supported)?;
        let shutdown = CancellationToken::new();
        let running = Running::start(&plan, &cluster).await?;
        let (state_sender, state) = watch::channel(cluster);
        let (changes, requests) = mpsc::channel(1);
        let task = tokio::spawn(own(running, state_sender, requests, shutdown.clone()));
        Ok(Self { plan, changes, state, task, shutdown: shutdown.drop_guard() })
    }

    /// Starts the usual cluster in a part of 127.0.0.0/8 that no other one uses, in this process or
    /// another: what tests want, since they run side by side.
    ///
    /// # Errors
    /// When no part is free.
    pub async fn start_apart() -> Result<Self> {
        let first = u8::try_from(std::process::id() % 100)?;
        for offset in 0..100 {
            // 127.100.0.0/16 and above: clear of the demo's addresses.
            let octet = 100 + (first + offset) % 100;
            match Self::start(LoopbackPlan::within(octet)).await {
                Err(error) if is_address_in_use(&error) => {}
                outcome => return outcome,
            }
        }
        bail!("no part of 127.0.0.0/8 is free for a cluster: is something listening on port 8080 everywhere?")
    }

    /// The addresses of the cluster.
    #[must_use]
    pub fn plan(&self) -> &LoopbackPlan {
        &self.plan
    }

    /// The cluster as it is now.
    #[must_use]
    pub fn state(&self) -> Cluster {
        self.state.borrow().clone()
    }

    /// Makes `change` happen.
    ///
    /// # Errors
    /// When the change names what is not there, or an address for it is in use.
    pub async fn apply(&self, change: Change) -> Result<()> {
        let (done, outcome) = oneshot::channel();
        let sent = self.changes.send((change, done)).await;
        sent.ok().context("the cluster has ended")?;
        outcome.await.context("the cluster has ended")?
    }

    /// Sets the policy of `service`.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub async fn set_policy(&self, service: &str, policy: ExternalTrafficPolicy) -> Result<()> {
        self.apply(Change::policy(service, policy)).await
    }

    /// Makes the pods of `service` exactly these many on these nodes.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub async fn set_endpoints(&self, service: &str, placement: &[(&str, u8)]) -> Result<()> {
        self.apply(Change::endpoints(service, placement)).await
    }

    /// Moves all pods of `service` to `node`, as a single one.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub async fn move_pod(&self, service: &str, node: &str) -> Result<()> {
        self.set_endpoints(service, &[(node, 1)]).await
    }

    /// Stops announcing the VIP of `service`, or has it announced by election again.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub async fn silence_vip(&self, service: &str, silent: bool) -> Result<()> {
        let announcement = if silent { Announcement::Withheld } else { Announcement::Elected };
        self.apply(Change::announcement(service, announcement)).await
    }

    /// Has `node` announce the VIP of `service` whether or not it should.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub async fn pin_announcer(&self, service: &str, node: &str) -> Result<()> {
        let announcement = Announcement::Pinned(node.to_owned());
        self.apply(Change::announcement(service, announcement)).await
    }

    /// Puts everything back as planned.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub async fn heal_all(&self) -> Result<()> {
        self.apply(Change::HealAll).await
    }

    /// Ends the cluster and waits for its connections, which takes a second at most.
    pub async fn shutdown(self) {
        drop(self.shutdown);
        let _ = self.task.await;
    }
}

async fn own(
    mut running: Running,
    state: watch::Sender<Cluster>,
    mut requests: mpsc::Receiver<Request>,
    shutdown: CancellationToken,
) {
    loop {
        let request = tokio::select! {
            () = shutdown.cancelled() => break,
            request = requests.recv() => request,
        };
        let Some((change, done)) = request else { break };
        let changed = state.borrow().changed(&change).and_then(supported);
        let outcome = match changed {
            Ok(next) => {
                let converged = running.converge(&next).await;
                state.send_replace(next);
                converged
            }
            Err(error) => Err(error),
        };
        let _ = done.send(outcome);
    }
    running.end().await;
}

/// Loopback has neither routes to several nodes nor networks that a proxy's connections could come from.
fn supported(cluster: Cluster) -> Result<Cluster> {
    for service in cluster.services() {
        let spread = matches!(service.announcement, Announcement::Ecmp(_));
        let proxy = matches!(service.backend, Backend::Proxy { .. });
        ensure!(!spread && !proxy, "{} needs a lab of namespaces", service.name);
    }
    Ok(cluster)
}

fn is_address_in_use(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|io| io.kind() == io::ErrorKind::AddrInUse)
}
