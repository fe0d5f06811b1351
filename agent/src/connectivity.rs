//! Whether the agent itself can see: asks the connectivity targets, and lets no round be held against the cluster that
//! fell silent together with them.
//!
//! ```text
//!  clock, links, silent rounds ──▶ lookout ──▶ all targets ──▶ what they said ──▶ gate: rounds, pipeline, page
//! ```
//!
//! One task, the lookout, runs at most one check at a time; its results go to a watch channel. Rounds that were answered
//! never wait for it: see [`gate`].

mod ask;
mod gate;
mod lookout;

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use vipwatch_model::connectivity::Check;

pub use gate::Gate;
pub use lookout::Lookout;

use crate::{clock::Clock, config::Connectivity, network::Network, plan::Plan};
use ask::Asker;
use gate::View;
use lookout::{Answers, Carrier, Parts};

/// Requests that may wait for the lookout.
const REQUESTS: usize = 64;

/// A lookout for `plan`, and the handle by which rounds, the pipeline and the page know what it sees.
#[must_use]
pub fn start(plan: &Plan, clock: Clock) -> (Lookout, Gate) {
    let (requests_in, requests) = mpsc::channel(REQUESTS);
    let settings = plan.connectivity.clone().map(Arc::new);
    let (view_in, view) = watch::channel(Arc::new(View::before(settings)));
    let asker = Arc::new(Asker::default());
    let links = Arc::clone(&asker);
    let look = move || -> Carrier {
        let asker = Arc::clone(&links);
        Box::pin(async move { asker.has_carrier().await })
    };
    let ask = move |settings: Arc<Connectivity>| -> Answers {
        let asker = Arc::clone(&asker);
        Box::pin(async move { asker.everybody(&settings).await })
    };
    let parts = Parts {
        ask: Box::new(ask),
        look: Box::new(look),
        clock,
        links: Network::of_links(),
        view: view_in,
        requests,
    };
    (Lookout::new(parts), Gate::new(view, requests_in))
}

/// Asks all targets of `plan` once, if there are any: for commands that run one round and end.
pub async fn check_once(plan: &Plan, clock: &Clock) -> Option<Check> {
    let settings = plan.connectivity.as_ref()?;
    let at = clock.now();
    Some(Check { at, answers: Asker::default().everybody(settings).await })
}
