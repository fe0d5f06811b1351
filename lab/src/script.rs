//! The demo's story: what happens to the loopback cluster and when, and the loop that tells it.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::cluster::decide::announcer;
use crate::cluster::{Announcement, Change, Cluster, ExternalTrafficPolicy};
use crate::loopback::LoopbackCluster;

/// How long the story takes before it starts over.
pub const LENGTH: Duration = Duration::from_secs(120);

const ECHO: &str = "default/echo-server";
const WEB: &str = "default/web-server";

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When, from the start of the story.
    pub at: Duration,
    /// What a viewer is told.
    pub caption: String,
    /// What happens.
    pub change: Change,
}

/// The story, told of `cluster` as it is when healthy.
///
/// # Errors
/// When the cluster lacks one of the two services, or nobody announces the second.
pub fn steps(cluster: &Cluster) -> Result<Vec<Step>> {
    let web = cluster.service(WEB)?;
    let loser = announcer(cluster, web).map(|node| node.name.clone()).unwrap_or_default();
    let mut kept = Vec::new();
    for (node, pods) in cluster.placement(WEB)? {
        if node != loser {
            kept.push((node, u8::try_from(pods)?));
        }
    }
    let step = |at, caption: String, change| Step { at: Duration::from_secs(at), caption, change };
    Ok(vec![
        step(0, "all is well: both services keep the client's address".to_owned(), Change::HealAll),
        step(
            20,
            format!("{ECHO} regresses from Local to Cluster: clients are masqueraded, health checks refused"),
            Change::policy(ECHO, ExternalTrafficPolicy::Cluster),
        ),
        step(50, format!("{ECHO} is Local again"), Change::policy(ECHO, ExternalTrafficPolicy::Local)),
        step(
            65,
            format!("{WEB} loses its last pod on {loser}: health check 503 there, the VIP moves"),
            Change::Endpoints { service: WEB.to_owned(), placement: kept },
        ),
        step(
            80,
            format!("nobody announces the VIP of {ECHO} any more: connections time out"),
            Change::announcement(ECHO, Announcement::Withheld),
        ),
        step(105, "everything heals".to_owned(), Change::HealAll),
    ])
}

/// Plays the story on `cluster` over and over until `shutdown` is cancelled, with a line on standard
/// output for each step.
pub async fn run(cluster: &LoopbackCluster, shutdown: CancellationToken) {
    let steps = match steps(&cluster.state()) {
        Ok(steps) => steps,
        Err(error) => return error!("failed to plan the demo: {error:#}"),
    };
    let play = async {
        let mut start = Instant::now();
        loop {
            for step in &steps {
                sleep_until(start + step.at).await;
                tell(&step.caption);
                if let Err(error) = cluster.apply(step.change.clone()).await {
                    error!("failed to play a step of the demo: {error:#}");
                }
            }
            start += LENGTH;
        }
    };
    shutdown.run_until_cancelled(play).await;
}

fn tell(caption: &str) {
    let now = DateTime::<Utc>::from(SystemTime::now()).format("%H:%M:%SZ");
    // A demo whose output nobody reads any more goes on.
    let _ = writeln!(io::stdout(), "{now} demo     {caption}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loopback::LoopbackPlan;

    #[test]
    fn every_step_can_happen_and_the_last_heals() {
        let healthy = Cluster::new(LoopbackPlan::demo().cluster).unwrap();
        let steps = steps(&healthy).unwrap();
        let mut cluster = healthy.clone();
        for step in &steps {
            cluster = cluster.changed(&step.change).unwrap();
        }
        assert_eq!(cluster, healthy);
        assert!(steps.is_sorted_by_key(|step| step.at));
        assert!(steps.last().unwrap().at < LENGTH);
    }

    #[test]
    fn the_vip_of_the_web_server_moves_to_another_node() {
        let healthy = Cluster::new(LoopbackPlan::demo().cluster).unwrap();
        let moved = steps(&healthy).unwrap()[3].change.clone();
        let announcing = |cluster: &Cluster| {
            let service = cluster.service(WEB).unwrap();
            announcer(cluster, service).unwrap().name.clone()
        };
        assert_eq!(announcing(&healthy), "node-3");
        assert_eq!(announcing(&healthy.changed(&moved).unwrap()), "node-2");
    }
}
