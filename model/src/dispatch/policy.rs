//! What is configured, or asked for by an operator, about telling.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::Matcher;
use crate::alert::{Alert, AlertKind};

/// How alerts are told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// The names of all receivers.
    pub receivers: Vec<String>,
    /// Where alerts go. The first route that fits takes an alert, and unless it `goes_on` no other sees it; an alert that none
    /// takes goes to all receivers.
    pub routes: Vec<Route>,
    /// Which alerts keep others from being told.
    pub inhibitions: Vec<Inhibition>,
    /// How long the first alert of a group waits for others.
    pub group_wait: TimeDelta,
    /// For how long after a notification further alerts of its group are gathered into one; a worse one is told at once.
    pub group_window: TimeDelta,
    /// How often it is told again that an alert is open, until somebody acknowledges it.
    pub repeat_every: Option<TimeDelta>,
}

/// Where some alerts go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Which alerts.
    pub matcher: Matcher,
    /// To whom; nobody where it is empty.
    pub receivers: Vec<String>,
    /// Whether the routes below are asked as well.
    pub goes_on: bool,
}

/// While an alert of one kind is open, alerts of other kinds are not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inhibition {
    /// The kind that has to be open.
    pub source: AlertKind,
    /// The kinds that are not told meanwhile; all others where it is empty.
    pub targets: Vec<AlertKind>,
    /// What both have to have in common.
    pub extent: Extent,
}

/// What two alerts have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The probe.
    Probe,
    /// The node.
    Node,
    /// The service.
    Service,
    /// That this agent tells them.
    Vantage,
}

/// A maintenance window that is open now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Its name.
    pub name: String,
    /// Which alerts are not told meanwhile.
    pub matcher: Matcher,
    /// When it ends.
    pub until: DateTime<Utc>,
}

/// What an operator does not want to be told for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Unique for ever.
    pub id: String,
    /// Which alerts.
    pub matcher: Matcher,
    /// From when on.
    pub from: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
    /// Who asked for it, in their own words.
    pub by: String,
    /// Why.
    pub comment: String,
}

impl Silence {
    /// Holds for as long as it was asked for, where the clock was set back since.
    pub(super) fn clock_is(&mut self, now: DateTime<Utc>) {
        let ahead = (self.from - now).max(TimeDelta::zero());
        self.from -= ahead;
        self.until -= ahead;
    }
}

impl Policy {
    /// What holds where nothing is configured: everybody is told everything.
    #[must_use]
    pub fn to_all(receivers: Vec<String>) -> Self {
        Self {
            receivers,
            routes: Vec::new(),
            inhibitions: Inhibition::defaults(),
            group_wait: TimeDelta::zero(),
            group_window: TimeDelta::seconds(30),
            repeat_every: None,
        }
    }

    /// The routes that take `alert`, by their places among all.
    #[must_use]
    pub fn routes_of(&self, alert: &Alert) -> Vec<usize> {
        let fit = self.routes.iter().enumerate().filter(|(_, route)| route.matcher.matches(alert));
        let mut taken = Vec::new();
        for (place, route) in fit {
            taken.push(place);
            if !route.goes_on {
                break;
            }
        }
        taken
    }

    /// Who is told of `alert`.
    #[must_use]
    pub fn receivers_of(&self, alert: &Alert) -> Vec<String> {
        let taken = self.routes_of(alert);
        if taken.is_empty() {
            return self.receivers.clone();
        }
        let mut receivers: Vec<String> = Vec::new();
        for name in taken.into_iter().flat_map(|place| &self.routes[place].receivers) {
            if !receivers.contains(name) {
                receivers.push(name.clone());
            }
        }
        receivers
    }
}

impl Inhibition {
    /// Whether it may keep alerts of `kind` from being told.
    pub(super) fn concerns(&self, kind: AlertKind) -> bool {
        self.source != kind && (self.targets.is_empty() || self.targets.contains(&kind))
    }

    /// What holds where nothing else is configured: a blind agent tells only that; a node that is gone explains that it has
    /// no ready endpoint; whoever gets no answer learns nothing about addresses.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        use AlertKind::{
            CertificateExpiring, Degraded, DnsDrift, Flapping, NoHealthyNode, NodeDown, NodeUnhealthy,
            RedundancyLost, SourceTranslated, Unreachable, VantageBlind,
        };
        let rule = |source, targets: &[AlertKind], extent| Self { source, targets: targets.to_vec(), extent };
        vec![
            rule(VantageBlind, &[], Extent::Vantage),
            rule(NodeDown, &[NodeUnhealthy], Extent::Node),
            rule(Unreachable, &[SourceTranslated, Degraded, DnsDrift, CertificateExpiring], Extent::Probe),
            rule(NoHealthyNode, &[NodeUnhealthy, RedundancyLost], Extent::Service),
            rule(
                Flapping,
                &[SourceTranslated, Unreachable, Degraded, NodeUnhealthy, NodeDown],
                Extent::Probe,
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_holds_for_as_long_as_it_was_asked_for() {
        let at = |minutes| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::minutes(minutes);
        let made = Silence {
            id: String::new(),
            matcher: Matcher::default(),
            from: at(600),
            until: at(630),
            by: String::new(),
            comment: String::new(),
        };
        let seen = |now| {
            let mut silence = made.clone();
            silence.clock_is(now);
            (silence.from, silence.until)
        };
        assert_eq!(seen(at(610)), (at(600), at(630)));
        assert_eq!(seen(at(540)), (at(540), at(570)), "set back by an hour");
    }
}
