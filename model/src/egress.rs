//! The agent's own source address as the far side ought to see it: the baseline of every comparison.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::address::unmapped;

/// Where the baseline comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Egress {
    /// Take the flow's own local address (`getsockname`): the truth wherever no NAT lies between the
    /// agent and the VIP.
    pub socket: bool,
    /// Addresses and CIDRs that the operator vouches for.
    pub fixed: Vec<IpNet>,
}

/// How an address compares with the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// It is an egress address.
    Same,
    /// It is not.
    Different,
    /// There is no baseline for this flow: no local address known, or no fixed address of its family.
    NoBaseline,
}

impl Egress {
    /// Compares what the far side saw with the baseline for a flow whose own end was `local`.
    #[must_use]
    pub fn compare(&self, local: Option<SocketAddr>, seen: IpAddr) -> Comparison {
        let seen = unmapped(seen);
        let local = self.socket.then_some(local).flatten().map(|local| unmapped(local.ip()));
        let family = |address: &IpAddr| address.is_ipv4() == seen.is_ipv4();
        let local = local.filter(family);
        let mut fixed = self.fixed.iter().filter(|net| family(&net.addr())).peekable();
        if local.is_none() && fixed.peek().is_none() {
            return Comparison::NoBaseline;
        }
        if local == Some(seen) || fixed.any(|net| net.contains(&seen)) {
            Comparison::Same
        } else {
            Comparison::Different
        }
    }

    /// The baseline in words for a flow whose own end was `local`: plain addresses or CIDRs.
    #[must_use]
    pub fn expected(&self, local: Option<SocketAddr>) -> Vec<String> {
        let local = self.socket.then_some(local).flatten().map(|local| unmapped(local.ip()));
        let fixed = self.fixed.iter().map(|net| {
            if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
        });
        let mut expected: Vec<String> = local.iter().map(ToString::to_string).chain(fixed).collect();
        expected.dedup();
        expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn egress(socket: bool, fixed: &[&str]) -> Egress {
        Egress { socket, fixed: fixed.iter().map(|net| net.parse().unwrap()).collect() }
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
        assert_eq!(egress.expected(local), ["198.51.100.7", "2001:db8:1::/48"]);
    }
}
