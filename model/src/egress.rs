//! The agent's own source address as the far side ought to see it: the baseline of every comparison.

use std::net::{IpAddr, SocketAddr};

use chrono::{DateTime, Utc};
use ipnet::IpNet;

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
    /// Why an address could not be learnt, in words; per source that failed.
    pub unknown: Vec<String>,
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
    /// When.
    pub at: DateTime<Utc>,
}

/// How an address compares with the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// It is an egress address.
    Same,
    /// It is not.
    Different,
    /// There is no baseline for this flow: no local address known, or no other address of its family.
    NoBaseline,
}

impl Egress {
    /// Compares what the far side saw with the baseline for a flow whose own end was `local`.
    #[must_use]
    pub fn compare(&self, local: Option<SocketAddr>, seen: IpAddr) -> Comparison {
        let seen = unmapped(seen);
        let mut baseline = self.baseline(local, seen.is_ipv4()).peekable();
        if baseline.peek().is_none() {
            Comparison::NoBaseline
        } else if baseline.any(|net| net.contains(&seen)) {
            Comparison::Same
        } else {
            Comparison::Different
        }
    }

    /// The baseline in words for a flow whose own end was `local`: plain addresses or CIDRs.
    #[must_use]
    pub fn expected(&self, local: Option<SocketAddr>) -> Vec<String> {
        let family = local.is_none_or(|local| unmapped(local.ip()).is_ipv4());
        let mut expected: Vec<String> = self.baseline(local, family).map(words).collect();
        expected.sort();
        expected.dedup();
        expected
    }

    /// Whether a flow from `local` is compared with addresses that were learnt: they may change at any time, so that
    /// a difference has to be looked into before it is believed.
    #[must_use]
    pub fn is_learnt(&self, local: Option<SocketAddr>) -> bool {
        local.is_some_and(|local| self.learnt(unmapped(local.ip())).next().is_some())
    }

    fn baseline(&self, local: Option<SocketAddr>, ipv4: bool) -> impl Iterator<Item = IpNet> {
        let local = local.map(|local| unmapped(local.ip())).filter(|local| local.is_ipv4() == ipv4);
        let fixed = self.fixed.iter().copied().filter(move |net| net.addr().is_ipv4() == ipv4);
        let learnt = local.into_iter().flat_map(|local| self.learnt(local));
        let socket = local.filter(|_| self.socket);
        socket.into_iter().chain(learnt.map(|learnt| learnt.address)).map(IpNet::from).chain(fixed)
    }

    /// What was learnt for flows from `local`: over the same uplink if anything was, else over any of its family.
    fn learnt(&self, local: IpAddr) -> impl Iterator<Item = &Learnt> {
        let here = self.learnt.iter().any(|learnt| learnt.local == local);
        self.learnt.iter().filter(move |learnt| {
            if here { learnt.local == local } else { learnt.address.is_ipv4() == local.is_ipv4() }
        })
    }
}

fn words(net: IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn egress(socket: bool, fixed: &[&str]) -> Egress {
        let fixed = fixed.iter().map(|net| net.parse().unwrap()).collect();
        Egress { socket, fixed, ..Egress::default() }
    }

    fn learnt(local: &str, address: &str) -> Learnt {
        let (local, address) = (local.parse().unwrap(), address.parse().unwrap());
        Learnt { local, address, from: "stun".into(), at: DateTime::UNIX_EPOCH }
    }

    #[test]
    fn the_socket_is_the_baseline() {
        let egress = egress(true, &[]);
        let local = Some("192.0.2.9:40000".parse().unwrap());
        assert_eq!(egress.compare(local, "192.0.2.9".parse().unwrap()), Comparison::Same);
        assert_eq!(egress.compare(local, "::ffff:192.0.2.9".parse().unwrap()), Comparison::Same);
        assert_eq!(egress.compare(local, "10.244.1.1".parse().unwrap()), Comparison::Different);
        assert_eq!(egress.compare(None, "192.0.2.9".parse().unwrap()), Comparison::NoBaseline);
        assert_eq!(egress.compare(local, "2001:db8::9".parse().unwrap()), Comparison::NoBaseline);
    }

    #[test]
    fn fixed_addresses_and_networks_per_family() {
        let egress = egress(false, &["198.51.100.7/32", "2001:db8:1::/48"]);
        let local = Some("192.0.2.9:40000".parse().unwrap());
        assert_eq!(egress.compare(local, "198.51.100.7".parse().unwrap()), Comparison::Same);
        assert_eq!(egress.compare(local, "192.0.2.9".parse().unwrap()), Comparison::Different);
        assert_eq!(egress.compare(local, "2001:db8:1::5".parse().unwrap()), Comparison::Same);
        assert_eq!(egress.expected(local), ["198.51.100.7"]);
        assert_eq!(egress.expected(Some("[2001:db8::9]:1".parse().unwrap())), ["2001:db8:1::/48"]);
    }

    #[test]
    fn each_uplink_has_its_own_egress() {
        let egress = Egress {
            learnt: vec![learnt("10.0.0.2", "198.51.100.7"), learnt("10.1.0.2", "203.0.113.7")],
            ..Egress::default()
        };
        let over =
            |local: &str, seen: &str| egress.compare(Some(local.parse().unwrap()), seen.parse().unwrap());
        assert_eq!(over("10.0.0.2:1", "198.51.100.7"), Comparison::Same);
        assert_eq!(over("10.0.0.2:1", "203.0.113.7"), Comparison::Different, "that is the other uplink's");
        assert_eq!(
            over("10.2.0.2:1", "203.0.113.7"),
            Comparison::Same,
            "nothing was learnt for this one alone"
        );
        assert_eq!(over("[2001:db8::9]:1", "2001:db8::9"), Comparison::NoBaseline);
        assert!(egress.is_learnt(Some("10.0.0.2:1".parse().unwrap())));
        assert!(!egress.is_learnt(Some("[2001:db8::9]:1".parse().unwrap())));
    }
}
