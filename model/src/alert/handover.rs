//! What one state machine of a probe hands over to the next: where the probe is pointed at another target, where the agent was away
//! for long, and where rounds were judged before the database could be read.
//!
//! An open alert stays open until rounds of what is probed now say otherwise, so whatever confirms it goes on. All the rest is
//! evidence of another target, or of long ago: states and counts begin anew.

use chrono::{DateTime, Utc};

use super::{AlertKey, AlertKind, Board};
use crate::{
    probe::Probe,
    state::{Machine, State},
};

impl Board {
    /// Gives `machine` what confirms the open alerts about `probe`, as `past` has it.
    pub fn hand_over(&self, probe: &Probe, past: &Machine, machine: &mut Machine) {
        for (kind, streak) in &past.streaks {
            if streak.holds().is_some() && machine.holds(*kind).is_none() && self.has(*kind, probe) {
                machine.streaks.insert(*kind, streak.clone());
            }
        }
        if past.flapping.is_some() && machine.flapping.is_none() && self.has(AlertKind::Flapping, probe) {
            (machine.flapping, machine.turns) = (past.flapping, past.turns);
        }
        if self.tells_of_endpoints(probe) {
            hand_over_endpoints(past, machine);
        }
        machine.last = machine.last.or(past.last);
    }

    /// The machine that a probe goes on with after a restart. What is bad since long ago and has no alert open (its probe was
    /// taken out and is put back, say) has to be seen anew.
    #[must_use]
    pub fn resume(&self, probe: &Probe, past: Machine, now: DateTime<Utc>) -> Machine {
        let long_ago = past.last.is_some_and(|last| now - last > probe.rules.stale_after);
        if !long_ago || self.accounts_for(probe, &past) {
            return past;
        }
        let mut machine = Machine::default();
        self.hand_over(probe, &past, &mut machine);
        machine
    }

    /// Whether there is an open alert for whatever `machine` calls for.
    fn accounts_for(&self, probe: &Probe, machine: &Machine) -> bool {
        let has = |kind| self.has(kind, probe);
        let state = match machine.state {
            State::Up | State::Idle | State::Unknown => true,
            State::Translated => has(AlertKind::SourceTranslated),
            State::Degraded => has(AlertKind::Degraded),
            State::Down => {
                has(probe.rules.down) || (probe.subject.node().is_some() && has(AlertKind::PolicyDrift))
            }
        };
        let counted = machine.streaks.iter().all(|(kind, streak)| streak.holds().is_none() || has(*kind));
        state && counted && (machine.flapping.is_none() || has(AlertKind::Flapping))
    }

    fn has(&self, kind: AlertKind, probe: &Probe) -> bool {
        self.is_open(&AlertKey::new(kind, probe))
    }

    /// Whether an alert is open about where the service of a node's probe has ready endpoints.
    fn tells_of_endpoints(&self, probe: &Probe) -> bool {
        let kinds = [AlertKind::NodeUnhealthy, AlertKind::NoHealthyNode, AlertKind::RedundancyLost];
        probe.subject.node().is_some()
            && probe.subject.service().is_some_and(|service| {
                self.iter()
                    .any(|alert| kinds.contains(&alert.key.kind) && alert.service.as_deref() == Some(service))
            })
    }
}

/// Whether a node has ready endpoints is a fact of the node and the service, by whatever port it was asked: an alert about
/// several nodes holds by what each of them was when it was seen last.
fn hand_over_endpoints(past: &Machine, machine: &mut Machine) {
    if machine.settled.is_none() || machine.settled == past.settled {
        (machine.settled, machine.settled_began, machine.settled_before) =
            (past.settled, past.settled_began, past.settled_before);
    }
    if machine.since.is_none() && past.seen() != State::Unknown {
        machine.before = Some(past.seen());
    }
}
