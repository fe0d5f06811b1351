//! Addresses that flows were reported to come from and that nobody can place: not the baseline's, not the
//! cluster's. Where the baseline was learnt, such an address may be the agent's own after its NAT has changed, so
//! whoever taught the baseline has to be asked again before the round is judged.

use std::{collections::BTreeSet, net::IpAddr};

use super::{Comparison, Egress, Family, Unknown};
use crate::{
    address::{AddressBook, AddressClass, unmapped},
    flow::{Flow, Outcome},
    probe::Expectation,
};

/// An address that a flow was reported to come from and that nobody can place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stranger {
    /// This agent's own end of the flow.
    pub local: IpAddr,
    /// What the far side saw, or a proxy on the way.
    pub address: IpAddr,
}

impl Egress {
    /// The strangers among what `flows` reported, as far as `expectation` compares it with the baseline.
    ///
    /// An address of the cluster is none: no client outside can have it, so it says by itself that the flow was
    /// translated. Neither is a loopback address, unless the flow itself went over loopback. Where the peer or a proxy
    /// names an egress address, whoever the other is cannot be this agent.
    #[must_use]
    pub fn strangers(
        &self,
        flows: &[Flow],
        book: &AddressBook,
        expectation: &Expectation,
    ) -> BTreeSet<Stranger> {
        let mut strangers = BTreeSet::new();
        let headers = match expectation {
            Expectation::Preserved => false,
            Expectation::InHeader => true,
            Expectation::Within(_) | Expectation::Any | Expectation::Answer => return strangers,
        };
        for flow in flows {
            let (Some(local), Outcome::Echoed(report)) = (flow.local, &flow.outcome) else { continue };
            let named = || std::iter::once(report.address).chain(report.forwarded.iter().copied());
            if named().any(|address| self.compare(flow.local, address) == Comparison::Same) {
                continue;
            }
            let own = unmapped(local.ip());
            let strange = |address: &IpAddr| {
                let class = book.classify(*address);
                Family::of(*address) == Family::of(own)
                    && !class.is_cluster()
                    && (class != AddressClass::Loopback || own.is_loopback())
                    && self.compare(flow.local, *address) == Comparison::Different
            };
            let compared = if headers { usize::MAX } else { 1 };
            let found = named().take(compared).map(unmapped).filter(strange);
            strangers.extend(found.map(|address| Stranger { local: own, address }));
        }
        strangers
    }

    /// The same baseline, but undecided about `strangers`, each with why nobody could be asked about it.
    #[must_use]
    pub fn doubting(&self, strangers: impl IntoIterator<Item = (Stranger, String)>) -> Self {
        let mut doubting = self.clone();
        for (stranger, why) in strangers {
            let why = format!("{} may be this agent's new egress address: {why}", stranger.address);
            let family = Some(Family::of(stranger.local));
            doubting.unknown.insert(0, Unknown { family, why });
            doubting.doubtful.push(stranger);
        }
        doubting
    }
}
