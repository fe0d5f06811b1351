//! What is worth knowing beside the finding.

use std::net::IpAddr;

use chrono::TimeDelta;

use super::{Scene, tally::Tally, words};
use crate::{
    flow::{Flow, Outcome},
    observation::{CANARY, Certificate, Lookup, Sight},
    probe::Probe,
    verdict::{Note, NoteKind},
};

/// A certificate that is valid for less than this is worth a note.
const EXPIRES_SOON: TimeDelta = TimeDelta::days(14);

/// The notes on one round, in a fixed order.
pub(super) fn of(probe: &Probe, sight: &Sight, tally: &Tally<'_>, scene: &Scene<'_>) -> Vec<Note> {
    let notes = [
        tally.inside.map(|local| inside(local, scene)),
        port_changed(probe, tally),
        sight.canary.as_deref().and_then(headers_trusted),
        sight.lookup.as_ref().and_then(|lookup| dns_drift(probe, lookup)),
        sight.certificate.as_ref().and_then(|certificate| expiring(certificate, scene)),
        retransmitted(probe, tally),
    ];
    notes.into_iter().flatten().collect()
}

fn note(kind: NoteKind, text: String) -> Note {
    Note { kind, text }
}

fn inside(local: IpAddr, scene: &Scene<'_>) -> Note {
    let class = scene.book.classify(local);
    note(
        NoteKind::VantageInside,
        format!(
            "This agent's own address {local} lies inside the cluster ({class}). Traffic to a VIP takes another way from \
             there than from a client: run vipwatch on a host outside."
        ),
    )
}

/// The address survives and the port does not. kube-proxy's masquerading changes both, so this is no SNAT by a node;
/// Calico's eBPF data path does it when two clients collide on a port.
fn port_changed(probe: &Probe, tally: &Tally<'_>) -> Option<Note> {
    let (own, seen) = tally.a_changed_port?;
    Some(note(
        NoteKind::PortChanged,
        format!(
            "The source port changed on {} of {} (such as {own} to {seen}) while the address survived: something on the way \
             rewrites connections.",
            tally.port_changed,
            words::count(tally.conclusive(), probe.transport)
        ),
    ))
}

fn headers_trusted(canary: &Flow) -> Option<Note> {
    let Outcome::Echoed(report) = &canary.outcome else { return None };
    (report.address == CANARY).then(|| {
        note(
            NoteKind::HeadersTrusted,
            format!(
                "A request that claimed {CANARY} in X-Forwarded-For was taken to come from there: anybody can forge a source \
                 address here, and a proxy that sets the header would hide a translation."
            ),
        )
    })
}

fn dns_drift(probe: &Probe, lookup: &Lookup) -> Option<Note> {
    if probe.vips.is_empty() {
        return None;
    }
    let list =
        |addresses: Vec<&IpAddr>| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let strange: Vec<_> = lookup.addresses.iter().filter(|address| !probe.vips.contains(address)).collect();
    let missing: Vec<_> = probe.vips.iter().filter(|vip| !lookup.addresses.contains(vip)).collect();
    let name = &lookup.name;
    let text = match (strange.is_empty(), missing.is_empty()) {
        (true, true) => return None,
        (false, true) => format!("{name} leads to {}, too, which is no VIP of the service.", list(strange)),
        (true, false) => format!("{name} does not lead to {}, which is a VIP of the service.", list(missing)),
        (false, false) => format!(
            "{name} leads to {} instead of {}, which is a VIP of the service.",
            list(strange),
            list(missing)
        ),
    };
    Some(note(NoteKind::DnsDrift, text))
}

fn expiring(certificate: &Certificate, scene: &Scene<'_>) -> Option<Note> {
    let Certificate { subject, issuer, not_after, .. } = certificate;
    let left = *not_after - scene.at;
    let text = if left < TimeDelta::zero() {
        format!(
            "The certificate of {subject} (by {issuer}) expired on {}.",
            not_after.format("%Y-%m-%d %H:%M UTC")
        )
    } else if left < EXPIRES_SOON {
        format!(
            "The certificate of {subject} (by {issuer}) expires on {}, in {} days.",
            not_after.format("%Y-%m-%d %H:%M UTC"),
            left.num_days()
        )
    } else {
        return None;
    };
    Some(note(NoteKind::CertificateExpiring, text))
}

fn retransmitted(probe: &Probe, tally: &Tally<'_>) -> Option<Note> {
    (tally.retransmits > 0).then(|| {
        let times =
            if tally.retransmits == 1 { "once".to_owned() } else { format!("{} times", tally.retransmits) };
        let flows = words::count(tally.flows, probe.transport);
        note(
            NoteKind::Retransmitted,
            format!("In {flows} a datagram had to be sent again {times}: packets are lost on the way, or the answer is late."),
        )
    })
}
