//! The alert about a blind agent, in words.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Answer, Blindness, Grounds, Missed};
use crate::{
    alert::{Alert, AlertKey, AlertKind, Severity},
    cause::{Cause, CauseKind},
    flow::Failure,
    notification::Resolution,
};

const REMEDY: &str = "On the host of this agent: `ip -brief link`, then `ip route`. Is the gateway there, and whatever \
     lies between it and the cluster?";

impl Blindness {
    /// What makes the alert about a blind agent the same as another one.
    #[must_use]
    pub fn key() -> AlertKey {
        AlertKey::of_vantage(AlertKind::VantageBlind, "connectivity")
    }

    /// The alert about it, opened at `now`.
    #[must_use]
    pub fn alert(&self, id: String, severity: Severity, now: DateTime<Utc>) -> Alert {
        Alert {
            title: "the agent cannot see".to_owned(),
            reason: format!("{} Silence says nothing about the cluster meanwhile.", self.grounds.reason()),
            cause: Some(Cause::new(CauseKind::OwnNetwork, self.grounds.cause())),
            remedy: Some(REMEDY.to_owned()),
            ..Alert::of_vantage(id, Self::key(), severity, self.since, now)
        }
    }
}

impl Missed {
    /// The end of `alert`, now that the agent sees again: the one summary.
    #[must_use]
    pub fn end(&self, alert: &Alert, now: DateTime<Utc>) -> Resolution {
        let rounds = match self.probes {
            0 => "no probe had rounds that count as unknown".to_owned(),
            1 => "1 probe had rounds that count as unknown".to_owned(),
            n => format!("{n} probes had rounds that count as unknown"),
        };
        let lasted = lasted(now - self.since);
        let reason = format!(
            "The agent sees again. For {lasted} it could not; {rounds}. What is still wrong is told separately."
        );
        Resolution::because(alert, reason, now)
    }
}

impl Grounds {
    fn reason(&self) -> String {
        match self {
            Self::Links => "No link of this host has carrier but the loopback.".to_owned(),
            Self::Targets(answers) => targets(answers),
            Self::Rounds { probes: 1, reason } => {
                format!("Every round of the only probe fails by this agent's own fault. {reason}")
            }
            Self::Rounds { probes, reason } => {
                format!(
                    "Every round of all {probes} probes fails by this agent's own fault. The latest: {reason}"
                )
            }
        }
    }

    fn cause(&self) -> &'static str {
        match self {
            Self::Links => "This host's cables or interfaces are down, or whatever they are plugged into is.",
            Self::Targets(_) => {
                "This host's way out: its uplink, its gateway, a firewall; or the network that lies before the targets and \
                 the cluster alike."
            }
            Self::Rounds { .. } => {
                "This host: its links, its routes, its name resolution, or the limits of the agent."
            }
        }
    }
}

/// "None of the 2 connectivity targets answers: 192.0.2.1 (no answer within 1000 ms), .."
fn targets(answers: &[Answer]) -> String {
    let why = |answer: &Answer| match &answer.heard {
        Ok(_) => String::new(),
        Err(Failure { detail, .. }) => format!("{} ({detail})", answer.target),
    };
    let whys: Vec<String> = answers.iter().map(why).collect();
    let mut text = match answers {
        [_] => "The only connectivity target does not answer: ".to_owned(),
        all => format!("None of the {} connectivity targets answers: ", all.len()),
    };
    let _ = write!(text, "{}.", whys.join(", "));
    text
}

/// "42 s", "7 min 3 s", "2 h 5 min"
fn lasted(time: TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, min, s) => format!("{min} min {s} s"),
        (h, min, _) => format!("{h} h {min} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_the_units_that_matter() {
        for (seconds, words) in [(-1, "0 s"), (42, "42 s"), (423, "7 min 3 s"), (7_530, "2 h 5 min")] {
            assert_eq!(lasted(TimeDelta::seconds(seconds)), words);
        }
    }
}
