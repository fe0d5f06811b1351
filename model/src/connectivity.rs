//! Whether the agent itself can see. Targets that do not depend on the cluster are asked again and again, and whenever
//! a round got no answer: while none of them answers, silence says nothing about the cluster.
//!
//! A [`Check`] is one asking of all targets, the [`Outlook`] what is known from checks and links so far. It decides
//! about single rounds ([`is_silent`], [`blame`]); [`Vision`] decides, from the outlook and the rounds together, when the
//! agent as a whole is blind.

mod blame;
mod story;
mod vision;

use chrono::{DateTime, Utc};

pub use blame::{blame, is_silent};
pub use vision::{Blindness, Grounds, Missed, Vision};

use crate::flow::{Failure, FailureKind};

/// One asking of all targets at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// When it began.
    pub at: DateTime<Utc>,
    /// What came of each target, in the order of the configuration.
    pub answers: Vec<Answer>,
}

/// What came of asking one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The target, as it is configured but without what might be a secret.
    pub target: String,
    /// How long its answer took, in microseconds; why there was none.
    pub heard: Result<u32, Failure>,
}

/// What a check says about the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// It sees: a target answered.
    Sees,
    /// It does not: no target answered.
    Blind,
    /// Nothing: the agent could not ask any of them, by a limit or a privilege of its own.
    Nothing,
}

impl Check {
    /// What it says. One target that answers is enough.
    #[must_use]
    pub fn says(&self) -> Says {
        let asked = |answer: &Answer| {
            answer.heard.as_ref().err().is_none_or(|failure| failure.kind != FailureKind::Agent)
        };
        if self.answers.iter().any(|answer| answer.heard.is_ok()) {
            Says::Sees
        } else if self.answers.iter().any(asked) {
            Says::Blind
        } else {
            Says::Nothing
        }
    }

    /// Why no round can be judged that got no answer: completes "no answer, but ...".
    #[must_use]
    pub fn why_blind(&self) -> String {
        match &self.answers[..] {
            [only] => format!("the connectivity target {} does not answer either", only.target),
            all => format!("none of the {} connectivity targets answers either", all.len()),
        }
    }
}

/// Checks on end that no target answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// How many.
    pub checks: u32,
    /// When the first of them began.
    pub since: DateTime<Utc>,
}

/// What is known from checks and links.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Whether there are targets.
    pub asks: bool,
    /// The latest check.
    pub last: Option<Check>,
    /// The latest checks, if no target answered them.
    pub failing: Option<Failing>,
    /// Since when no link of this host has carrier but the loopback.
    pub cut_off: Option<DateTime<Utc>>,
}

impl Outlook {
    /// Takes in the next check.
    pub fn take(&mut self, check: Check) {
        match (check.says(), &mut self.failing) {
            (Says::Sees, failing) => *failing = None,
            (Says::Blind, Some(failing)) => {
                failing.checks = failing.checks.saturating_add(1);
                // The clock may have been set back.
                failing.since = failing.since.min(check.at);
            }
            (Says::Blind, failing) => *failing = Some(Failing { checks: 1, since: check.at }),
            (Says::Nothing, _) => {}
        }
        self.last = Some(check);
    }

    /// Takes in whether a link has carrier.
    pub fn take_links(&mut self, carrier: bool, now: DateTime<Utc>) {
        self.cut_off = if carrier { None } else { self.cut_off.min(Some(now)).or(Some(now)) };
    }

    /// When the latest check began, if a target answered it.
    fn seen(&self) -> Option<DateTime<Utc>> {
        self.last.as_ref().filter(|check| check.says() == Says::Sees).map(|check| check.at)
    }

    /// Whether nothing is to be expected of targets.
    fn tells_nothing(&self) -> bool {
        !self.asks || self.last.as_ref().is_some_and(|check| check.says() == Says::Nothing)
    }
}
