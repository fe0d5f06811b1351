//! The agent's own source address as the far side ought to see it: the baseline of every comparison.

mod change;
mod stranger;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use chrono::{DateTime, Utc};
use ipnet::IpNet;

pub use change::Change;
pub use stranger::Stranger;

use crate::address::unmapped;

/// Where the baseline comes from. Whatever is in here counts; nothing takes precedence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Egress {
    /// Take the flow's own local address (`getsockname`): the truth wherever no NAT lies between the
    /// agent and the VIP.
    pub socket: bool,
    /// Addresses and CIDRs that the operator vouches for.
    pub fixed: Vec<IpNet>,
    /// Addresses that others outside saw this agent come from.
    pub learnt: Vec<Learnt>,
    /// Addresses that may be this agent's own by now: there was nobody to confirm or deny it. A flow that
    /// arrived from one of them has no baseline.
    pub doubtful: Vec<Stranger>,
    /// Why an address could not be learnt; per source that failed, and per doubt.
    pub unknown: Vec<Unknown>,
}

/// An egress address that was learnt by asking somebody outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learnt {
    /// This agent's own end while it asked: with several uplinks each has another egress.
    pub local: IpAddr,
    /// What the one asked saw.
    pub address: IpAddr,
    /// Who was asked, such as `stun stun.example.net:3478`.
    pub from: String,
    /// When it was last seen so.
    pub at: DateTime<Utc>,
}

/// Why an address could not be learnt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The address family that it concerns; `None` for both.
    pub family: Option<Family>,
    /// In a clause, such as `stun stun.example.net:3478 does not answer`.
    pub why: String,
}

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// How an address compares with the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// It is an egress address.
    Same,
    /// It is not.
    Different,
    /// There is no baseline for this flow: no local address known, no other address of its family, or a doubt
    /// that could not be settled.
    NoBaseline,
}

impl Egress {
    /// Compares what the far side saw with the baseline for a flow whose own end was `local`.
    #[must_use]
    pub fn compare(&self, local: Option<SocketAddr>, seen: IpAddr) -> Comparison {
        let seen = unmapped(seen);
        let mut baseline = self.baseline(local, Family::of(seen)).peekable();
        let none = baseline.peek().is_none();
        if baseline.any(|net| net.contains(&seen)) {
            Comparison::Same
        } else if none || self.doubts(local, seen) {
            Comparison::NoBaseline
        } else {
            Comparison::Different
        }
    }

    /// Whether `seen` may be the egress address of a flow whose own end was `local`, and nobody could be asked.
    #[must_use]
    pub fn doubts(&self, local: Option<SocketAddr>, seen: IpAddr) -> bool {
        let doubt = local.map(|local| Stranger { local: unmapped(local.ip()), address: unmapped(seen) });
        doubt.is_some_and(|doubt| self.doubtful.contains(&doubt))
    }

    /// The baseline in words for a flow whose own end was `local`: plain addresses or CIDRs.
    #[must_use]
    pub fn expected(&self, local: Option<SocketAddr>) -> Vec<String> {
        let family = local.map_or(Family::V4, |local| Family::of(local.ip()));
        let mut expected: Vec<String> = self.baseline(local, family).map(words).collect();
        expected.sort();
        expected.dedup();
        expected
    }

    /// Why there is no baseline for a flow whose own end was `local`, as far as that is known: a doubt about this
    /// very flow's address before a source that failed.
    #[must_use]
    pub fn why_unknown(&self, local: Option<SocketAddr>) -> Option<&str> {
        let family = local.map(|local| Family::of(local.ip()));
        let concerns = |unknown: &&Unknown| unknown.family.is_none_or(|of| family.is_none_or(|my| my == of));
        self.unknown.iter().find(concerns).map(|unknown| unknown.why.as_str())
    }

    fn baseline(&self, local: Option<SocketAddr>, family: Family) -> impl Iterator<Item = IpNet> {
        let local = local.map(|local| unmapped(local.ip())).filter(|local| Family::of(*local) == family);
        let fixed = self.fixed.iter().copied().filter(move |net| Family::of(net.addr()) == family);
        let learnt = local.into_iter().flat_map(|local| self.learnt_for(local));
        let socket = local.filter(|_| self.socket);
        socket.into_iter().chain(learnt.map(|learnt| learnt.address)).map(IpNet::from).chain(fixed)
    }

    /// What was learnt for flows from `local`: over the same uplink if anything was, else over any of its family.
    fn learnt_for(&self, local: IpAddr) -> impl Iterator<Item = &Learnt> {
        let here = self.learnt.iter().any(|learnt| learnt.local == local);
        self.learnt.iter().filter(move |learnt| {
            if here { learnt.local == local } else { Family::of(learnt.address) == Family::of(local) }
        })
    }
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of `address`; an IPv4-mapped address is of IPv4.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if unmapped(address).is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

fn words(net: IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

#[cfg(test)]
mod tests;
