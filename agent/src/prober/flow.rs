//! One flow in the making.

use std::{net::SocketAddr, time::Duration};

use tokio::time::{Instant, timeout_at};
use vipwatch_model::{
    flow::{Failure, FailureKind, Flow, Outcome, Phases},
    observation::Certificate,
};

/// What has been learnt of a flow so far; what is left of it when it fails.
pub(super) struct Progress {
    pub(super) local: Option<SocketAddr>,
    pub(super) remote: SocketAddr,
    pub(super) phases: Phases,
    pub(super) retransmits: u8,
    pub(super) certificate: Option<Certificate>,
    mark: Instant,
}

/// A flow that has ended.
pub(super) struct Ended {
    pub(super) flow: Flow,
    pub(super) certificate: Option<Certificate>,
}

impl Progress {
    pub(super) fn towards(remote: SocketAddr) -> Self {
        Self {
            local: None,
            remote,
            phases: Phases::default(),
            retransmits: 0,
            certificate: None,
            mark: Instant::now(),
        }
    }

    /// The first phase begins.
    pub(super) fn begin(&mut self) {
        self.mark = Instant::now();
    }

    /// The time since the last phase ended, in microseconds; the next phase begins.
    pub(super) fn lap(&mut self) -> u32 {
        let now = Instant::now();
        let took = micros(now - self.mark);
        self.mark = now;
        took
    }

    pub(super) fn ended(self, outcome: Result<Outcome, Failure>) -> Ended {
        let flow = Flow {
            local: self.local,
            remote: Some(self.remote),
            phases: self.phases,
            retransmits: self.retransmits,
            outcome: outcome.unwrap_or_else(Outcome::Failed),
        };
        Ended { flow, certificate: self.certificate }
    }
}

/// What comes of `attempt` until `deadline`.
pub(super) async fn until<T>(
    deadline: Instant,
    attempt: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let limit = deadline.saturating_duration_since(Instant::now());
    timeout_at(deadline, attempt).await.unwrap_or_else(|_| {
        let limit = limit.as_micros().div_ceil(1_000);
        Err(Failure::new(FailureKind::Timeout, format!("no answer within {limit} ms")))
    })
}

/// A duration in whole microseconds, as far as 32 bits reach (71 minutes).
pub(super) fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}
