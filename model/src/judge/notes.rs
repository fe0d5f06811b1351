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

/// The notes on one round, in a fixed order.
pub(super) fn of(probe: &Probe, sight: &Sight, tally: &Tally<'_>, scene: &Scene<'_>) -> Vec<Note> {
    let notes = [
        tally.inside.map(|local| inside(local, scene)),
        port_changed(probe, tally),
        sight.canary.as_deref().and_then(headers_trusted),
        sight.lookup.as_ref().and_then(|lookup| dns_drift(probe, lookup)),
        sight.certificate.as_ref().and_then(|certificate| expiring(probe, certificate, scene)),
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

fn expiring(probe: &Probe, certificate: &Certificate, scene: &Scene<'_>) -> Option<Note> {
    let Certificate { subject, issuer, not_after, .. } = certificate;
    let left = *not_after - scene.at;
    let text = if left < TimeDelta::zero() {
        format!(
            "The certificate of {subject} (by {issuer}) expired on {}.",
            not_after.format("%Y-%m-%d %H:%M UTC")
        )
    } else if left < probe.rules.expires_within {
        format!(
            "The certificate of {subject} (by {issuer}) expires on {}, in {}.",
            not_after.format("%Y-%m-%d %H:%M UTC"),
            words::time(left)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::DateTime;

    use super::*;
    use crate::{
        address::AddressBook,
        egress::Egress,
        flow::SourceReport,
        judge::source,
        probe::{Expectation, Limits, ProbeName, Subject, Transport},
        rule::{EXPIRES_WITHIN, Rules},
    };

    const VIPS: [&str; 2] = ["192.0.2.201", "192.0.2.202"];

    fn flow(seen: &str) -> Flow {
        let mut flow = Flow::failed(None, crate::flow::FailureKind::Timeout, "");
        flow.local = Some("192.0.2.9:40000".parse().unwrap());
        flow.outcome = Outcome::Echoed(SourceReport::of(seen.parse().unwrap(), None));
        flow
    }

    /// The notes on a round of one preserved flow beside what is in `sight`.
    fn notes(sight: Sight) -> Vec<(NoteKind, String)> {
        notes_by(Rules::uniform(1, 1, TimeDelta::MAX), sight)
    }

    fn notes_by(rules: Rules, sight: Sight) -> Vec<(NoteKind, String)> {
        let flows = if sight.flows.is_empty() { vec![flow("192.0.2.9")] } else { sight.flows };
        let probe = Probe {
            name: ProbeName::new("x"),
            subject: Subject::Endpoint { url: "http://192.0.2.201/".into() },
            transport: Transport::Udp,
            expectation: Expectation::Preserved,
            vips: VIPS.map(|vip| vip.parse().unwrap()).into(),
            rules,
            limits: Limits::default(),
            labels: BTreeMap::new(),
        };
        let egress = Egress { socket: true, ..Egress::default() };
        let scene =
            Scene { egress: &egress, book: &AddressBook::default(), nodes: &[], at: DateTime::UNIX_EPOCH };
        let notes = source(&probe, &Sight { flows, ..sight }, &scene).notes;
        notes.into_iter().map(|note| (note.kind, note.text)).collect()
    }

    #[test]
    fn a_canary_that_comes_back_shows_that_headers_are_believed() {
        let canary = |seen: &str| notes(Sight { canary: Some(Box::new(flow(seen))), ..Sight::default() });
        let believed = canary(&CANARY.to_string());
        assert_eq!(believed[0].0, NoteKind::HeadersTrusted);
        assert_eq!(canary("192.0.2.9"), []);
        assert_eq!(canary("10.244.1.1"), [], "translated, but not believed");
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_told_with_what_is_strange_and_what_is_missing() {
        let leads_to = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
            notes(Sight {
                lookup: Some(Lookup { name: "echo.example.net".into(), addresses }),
                ..Sight::default()
            })
        };
        assert_eq!(leads_to(&VIPS), []);
        for (addresses, part) in [
            (&["192.0.2.201", "192.0.2.202", "192.0.2.7"][..], "leads to 192.0.2.7, too"),
            (&["192.0.2.201"], "does not lead to 192.0.2.202"),
            (&["192.0.2.201", "192.0.2.7"], "leads to 192.0.2.7 instead of 192.0.2.202"),
        ] {
            let [(kind, text)] = &leads_to(addresses)[..] else { panic!("{addresses:?}") };
            assert_eq!(*kind, NoteKind::DnsDrift);
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_certificate_is_told_of_as_long_before_it_expires_as_is_wished_for_and_afterwards() {
        let left_by = |expires_within: TimeDelta, left: TimeDelta| {
            let certificate = Certificate {
                subject: "echo.example.net".into(),
                issuer: "an authority".into(),
                not_before: DateTime::UNIX_EPOCH - TimeDelta::days(30),
                not_after: DateTime::UNIX_EPOCH + left,
                chain: 1,
                refused: None,
            };
            let rules = Rules { expires_within, ..Rules::uniform(1, 1, TimeDelta::MAX) };
            notes_by(rules, Sight { certificate: Some(certificate), ..Sight::default() })
        };
        let left = |left| left_by(EXPIRES_WITHIN, left);
        assert_eq!(left(TimeDelta::days(14)), []);
        assert!(left(TimeDelta::days(14) - TimeDelta::seconds(1))[0].1.ends_with("in 13 days."));
        assert!(left(TimeDelta::days(3))[0].1.ends_with("in 3 days."));
        assert!(left(TimeDelta::hours(47))[0].1.ends_with("in 47 hours."));
        assert!(left(TimeDelta::minutes(61))[0].1.ends_with("in 61 minutes."));
        assert_eq!(left_by(TimeDelta::hours(8), TimeDelta::days(3)), []);
        assert_eq!(left_by(TimeDelta::days(30), TimeDelta::days(29)).len(), 1);
        assert!(left(TimeDelta::days(-1))[0].1.contains("expired on 1969-12-31"));
    }

    #[test]
    fn repeated_datagrams_count_where_an_answer_came_in_the_end() {
        let mut late = flow("192.0.2.9");
        late.retransmits = 2;
        let mut silent = Flow::failed(None, crate::flow::FailureKind::Timeout, "");
        silent.retransmits = 3;
        let told = notes(Sight::from(vec![late, silent.clone()]));
        assert_eq!(told[0].0, NoteKind::Retransmitted);
        assert!(told[0].1.contains("2 times"), "{}", told[0].1);
        assert_eq!(notes(Sight::from(vec![silent])), [], "silence is no loss on the way");
    }
}
