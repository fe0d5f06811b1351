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
    /// From when on it was asked for, while the clock says that this is still to come. Meanwhile it holds for as long as it
    /// was asked for from when that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_from: Option<DateTime<Utc>>,
    /// Who asked for it, in their own words.
    pub by: String,
    /// Why.
    pub comment: String,
}

impl Silence {
    /// Holds for as long as it was asked for, where the clock was set back since; and as it was asked for, once that was only for
    /// a while. Tells whether that makes a difference.
    pub(super) fn clock_is(&mut self, now: DateTime<Utc>) -> bool {
        let asked = self.asked_from.unwrap_or(self.from);
        let moved = self.moved_by(now);
        self.from += moved;
        self.until += moved;
        self.asked_from = (self.from < asked).then_some(asked);
        !moved.is_zero()
    }

    /// Until when it holds, if it holds at `now`.
    pub(super) fn active_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        Some(self.until + self.moved_by(now)).filter(|until| now < *until)
    }

    fn moved_by(&self, now: DateTime<Utc>) -> TimeDelta {
        let asked = self.asked_from.unwrap_or(self.from);
        let from = if asked <= now { asked } else { self.from.min(now) };
        from - self.from
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

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn half_an_hour() -> Silence {
        Silence {
            id: String::new(),
            matcher: Matcher::default(),
            from: at(600),
            until: at(630),
            asked_from: None,
            by: String::new(),
            comment: String::new(),
        }
    }

    #[test]
    fn a_silence_holds_for_as_long_as_it_was_asked_for() {
        // What the clock says, and until when it holds by that.
        let stories: [&[(i64, Option<i64>)]; 5] = [
            &[(600, Some(630)), (629, Some(630)), (630, None)],
            // Set back by an hour for good.
            &[(610, Some(630)), (540, Some(570)), (550, Some(570)), (570, None)],
            // Set back twice.
            &[(540, Some(570)), (550, Some(570)), (300, Some(330)), (310, Some(330)), (330, None)],
            // Wrong for a moment, more than once.
            &[
                (610, Some(630)),
                (0, Some(30)),
                (5, Some(30)),
                (615, Some(630)),
                (1, Some(31)),
                (620, Some(630)),
            ],
            // Wrong until after it is over.
            &[(0, Some(30)), (631, None)],
        ];
        for story in stories {
            let mut silence = half_an_hour();
            for (now, until) in story {
                let seen = silence.active_until(at(*now));
                assert_eq!(seen, until.map(at), "{story:?} at {now}");
                // A restart comes in between.
                silence.clock_is(at(*now));
                silence = serde_json::from_str(&serde_json::to_string(&silence).unwrap()).unwrap();
                assert_eq!(silence.active_until(at(*now)), seen, "{story:?} at {now}");
                assert!(until.is_none() || silence.until == at(until.unwrap()), "{story:?} at {now}");
            }
        }
    }

    #[test]
    fn a_silence_as_it_was_asked_for_has_nothing_to_remember() {
        let mut silence = half_an_hour();
        assert!(!silence.clock_is(at(610)));
        assert!(silence.clock_is(at(0)));
        assert!(!silence.clock_is(at(1)));
        assert!(silence.clock_is(at(611)));
        assert_eq!(silence, half_an_hour());
    }
}
