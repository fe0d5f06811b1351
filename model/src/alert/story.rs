//! The words of an alert: its title, and what is told of it beyond the last round's verdict.

use super::{
    Alert, AlertKind, Known, Nodes, Scope,
    condition::{self, Health},
};
use crate::{
    cause::{Cause, CauseKind},
    probe::{Probe, Subject},
    verdict::{Finding, NoteKind, Verdict},
};

/// The verdict's reason; only what is told of a whole service has to be said of all its nodes.
pub(super) fn reason(kind: AlertKind, known: &Known<'_>) -> String {
    let Known { probe, verdict, .. } = known;
    if let Some(text) = note(kind, verdict) {
        return text.to_owned();
    }
    match (&probe.subject, kind, verdict.finding) {
        (Subject::Node { service, address, .. }, AlertKind::PolicyDrift, Finding::PortClosed) => format!(
            "The health check node port {} of {service} is closed on every node: its externalTrafficPolicy is no \
             longer Local, its port changed, or the service is gone.",
            address.port()
        ),
        (Subject::Node { service, .. }, AlertKind::NoHealthyNode, _) => format!(
            "No node has a ready endpoint of {service}: whatever node its VIPs lead to has no pod to hand connections to."
        ),
        (Subject::Node { service, .. }, AlertKind::RedundancyLost, _) => format!(
            "Fewer than {} nodes have a ready endpoint of {service}, as min_healthy_nodes asks for.",
            probe.rules.min_healthy_nodes
        ),
        (_, AlertKind::Flapping, _) => format!(
            "The last {} rounds went back and forth too often to tell each change (from {} % of changes on it counts as \
             flapping, below {} % no longer). The last one said: {}",
            probe.rules.flapping.window,
            probe.rules.flapping.enter,
            probe.rules.flapping.leave,
            verdict.reason,
        ),
        _ => verdict.reason.clone(),
    }
}

/// Why an alert is over, after a round of `this`.
pub(super) fn end(alert: &Alert, this: &Known<'_>, nodes: &Nodes<'_>) -> String {
    let (reason, target) = (&this.verdict.reason, this.probe.subject.target());
    match alert.key.kind {
        kind if !this.probe.rules.of(kind).enabled => format!("Alerts of the kind {kind} are turned off."),
        // What was found at one target says nothing of another.
        kind if kind.scope() == Scope::Probe && alert.target != target => {
            format!("It is pointed at {target} now, no longer at {}. {reason}", alert.target)
        }
        AlertKind::Degraded if this.verdict.state.is_bad() => {
            format!("It turned into something worse. {reason}")
        }
        AlertKind::NoHealthyNode | AlertKind::RedundancyLost => {
            let (service, of) = (&alert.key.subject, nodes.configured);
            if condition::is_drifted(nodes) {
                return format!(
                    "The health check node ports do not answer for {service} any more, on no node: they cannot tell who has a ready \
                     endpoint. {reason}"
                );
            }
            let healthy = condition::healthy(nodes, Health::Confirmed);
            format!("{healthy} of {of} nodes have a ready endpoint of {service} now.")
        }
        AlertKind::HeadersTrusted => "Forged headers are not believed any more.".to_owned(),
        AlertKind::DnsDrift => "The name leads to the VIPs, and to nothing else.".to_owned(),
        AlertKind::CertificateExpiring => "The certificate is valid for long enough.".to_owned(),
        AlertKind::PolicyDrift => {
            format!("The health check node port is as the configured policy has it again. {reason}")
        }
        AlertKind::Flapping => format!("It has said the same for long enough. The last round: {reason}"),
        _ => reason.clone(),
    }
}

/// The text of the note that an alert of `kind` is about.
fn note(kind: AlertKind, verdict: &Verdict) -> Option<&str> {
    let kind = match kind {
        AlertKind::HeadersTrusted => NoteKind::HeadersTrusted,
        AlertKind::DnsDrift => NoteKind::DnsDrift,
        AlertKind::CertificateExpiring => NoteKind::CertificateExpiring,
        _ => return None,
    };
    verdict.notes.iter().find(|note| note.kind == kind).map(|note| note.text.as_str())
}

/// What to do next; the verdict's own advice is about its finding.
pub(super) fn remedy(kind: AlertKind, verdict: &Verdict) -> Option<String> {
    let words = match kind {
        AlertKind::HeadersTrusted => {
            "Let the echo report the connection's own peer, or let whatever stands before it drop X-Forwarded-For from clients."
        }
        AlertKind::DnsDrift => {
            "Correct the record, or `vips` and `dns_name` in the configuration if the service has moved."
        }
        AlertKind::CertificateExpiring => {
            "Renew it; with cert-manager, see why it was not renewed: `kubectl get certificate --all-namespaces`."
        }
        AlertKind::Flapping => {
            "Look at the probe's latest rounds on the page: what they have in common (one node, one responder) is where to look."
        }
        _ => return verdict.remedy.clone(),
    };
    Some(words.to_owned())
}

/// The verdict's cause; what one node alone does not show, all of them together do.
pub(super) fn cause(kind: AlertKind, verdict: &Verdict) -> Option<Cause> {
    match (kind, verdict.finding) {
        (AlertKind::HeadersTrusted | AlertKind::DnsDrift | AlertKind::CertificateExpiring, _) => None,
        (AlertKind::NoHealthyNode, _) => Some(Cause::new(
            CauseKind::NoEndpoints,
            "No pod of the service is ready: scaled to zero, all of them failing their readiness probes, or a selector that \
             matches none.",
        )),
        (AlertKind::PolicyDrift, Finding::PortClosed) => Some(Cause::new(
            CauseKind::PolicyReset,
            "The policy was reset to Cluster by a helm upgrade or an edit, or the service was deleted: kube-proxy closes the port on \
             all nodes at once.",
        )),
        _ => verdict.cause.clone(),
    }
}

pub(super) fn title(kind: AlertKind, probe: &Probe, verdict: &Verdict) -> String {
    let finding = verdict.finding;
    let target = probe.subject.target();
    let what = probe.subject.service().unwrap_or(probe.name.as_str());
    let node = probe.subject.node().unwrap_or_default();
    match kind {
        AlertKind::SourceTranslated if finding == Finding::PartlyTranslated => {
            format!("{what} loses some clients' source addresses at {target}")
        }
        AlertKind::SourceTranslated => format!("{what} loses its clients' source addresses at {target}"),
        AlertKind::Unreachable if finding == Finding::WrongAnswer => {
            format!("{what} does not answer as it should at {target}")
        }
        AlertKind::Unreachable => format!("{what} does not answer at {target}"),
        AlertKind::Degraded if finding == Finding::Slow => format!("{what} answers too slowly at {target}"),
        AlertKind::Degraded => format!("{what} answers only some connections at {target}"),
        AlertKind::NodeUnhealthy => format!("{node} lost its last ready endpoint of {what}"),
        AlertKind::NodeDown if finding == Finding::ProxyUnhealthy => {
            format!("the service proxy on {node} is unhealthy")
        }
        AlertKind::NodeDown if finding == Finding::PortClosed => {
            format!("{node} refuses health checks at {target}")
        }
        AlertKind::NodeDown => format!("{node} does not answer at {target}"),
        AlertKind::NoHealthyNode => format!("{what} has no ready endpoint on any node"),
        AlertKind::RedundancyLost => format!("{what} has ready endpoints on too few nodes"),
        AlertKind::HeadersTrusted => format!("{what} believes forged X-Forwarded-For headers at {target}"),
        AlertKind::DnsDrift => format!("the name of {what} leads elsewhere than to its VIPs"),
        AlertKind::CertificateExpiring => format!("the certificate of {what} at {target} expires soon"),
        AlertKind::EgressChanged => "the agent's own address changed".to_owned(),
        AlertKind::VantageBlind => "the agent cannot see".to_owned(),
        AlertKind::Flapping => format!("{what} at {target} keeps changing its state"),
        AlertKind::PolicyDrift if finding == Finding::PolicyLocal => {
            format!("{what} is no longer the Cluster service it is configured as")
        }
        AlertKind::PolicyDrift => format!("{what} is no longer the Local service it is configured as"),
    }
}
