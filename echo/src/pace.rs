//! How often datagrams are answered: in total, and to one network.
//!
//! Whoever sends a datagram may have forged its source, and the answer then goes to somebody who never
//! asked. What one network can be sent is therefore bounded, whoever asks for it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// Networks share this many buckets. Two that fall into the same one share its rate.
const BUCKETS: usize = 1024;

/// Datagrams answered per second. After a pause twice as many are answered at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// To everybody together.
    pub total: NonZeroU32,
    /// To one IPv4 address or one IPv6 /64.
    pub per_peer: NonZeroU32,
}

impl Default for Rates {
    fn default() -> Self {
        const { Self { total: NonZeroU32::new(1000).unwrap(), per_peer: NonZeroU32::new(100).unwrap() } }
    }
}

/// Keeps to [`Rates`]. Takes the same memory however many peers there are.
#[derive(Debug)]
pub(crate) struct Pace {
    rates: Rates,
    total: Bucket,
    per_peer: Vec<Bucket>,
    /// Seeded anew at each start, so that nobody can aim at another's bucket.
    hasher: RandomState,
}

impl Pace {
    pub(crate) fn new(rates: Rates, now: Instant) -> Self {
        let bucket = Bucket { paid_until: now };
        Self { rates, total: bucket, per_peer: vec![bucket; BUCKETS], hasher: RandomState::new() }
    }

    /// Whether one more answer may go to `peer` now. Counts it if so.
    pub(crate) fn admits(&mut self, peer: IpAddr, now: Instant) -> bool {
        let [a, b, ..] = self.hasher.hash_one(network(peer)).to_ne_bytes();
        let bucket = &mut self.per_peer[usize::from(u16::from_ne_bytes([a, b])) % BUCKETS];
        let admitted = bucket.holds(self.rates.per_peer, now) && self.total.holds(self.rates.total, now);
        if admitted {
            bucket.take(self.rates.per_peer, now);
            self.total.take(self.rates.total, now);
        }
        admitted
    }
}

/// What counts as one peer: an IPv4 address, or the /64 that an IPv6 host can choose its addresses from.
pub(crate) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

/// A token bucket, kept as the time until which the answers so far use up the rate.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    paid_until: Instant,
}

impl Bucket {
    fn holds(self, rate: NonZeroU32, now: Instant) -> bool {
        let burst = Duration::from_secs(2) - interval(rate);
        self.paid_until.saturating_duration_since(now) <= burst
    }

    fn take(&mut self, rate: NonZeroU32, now: Instant) {
        self.paid_until = self.paid_until.max(now) + interval(rate);
    }
}

fn interval(rate: NonZeroU32) -> Duration {
    Duration::from_secs(1) / rate.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limited(total: u32, per_peer: u32, now: Instant) -> Pace {
        let rate = |n| NonZeroU32::new(n).unwrap();
        Pace::new(Rates { total: rate(total), per_peer: rate(per_peer) }, now)
    }

    fn admitted(pace: &mut Pace, peer: &str, now: Instant) -> usize {
        let peer = peer.parse().unwrap();
        (0..1000).filter(|_| pace.admits(peer, now)).count()
    }

    #[test]
    fn one_peer_gets_twice_its_rate_at_once_and_its_rate_from_then_on() {
        let now = Instant::now();
        let mut pace = limited(1000, 10, now);
        assert_eq!(admitted(&mut pace, "192.0.2.9", now), 20);
        assert_eq!(admitted(&mut pace, "192.0.2.9", now + SECOND), 10);
        assert_eq!(admitted(&mut pace, "192.0.2.9", now + SECOND + SECOND / 10), 1);
        assert_eq!(admitted(&mut pace, "192.0.2.9", now + 60 * SECOND), 20, "a long pause saves up no more");
    }

    #[test]
    fn many_peers_together_get_the_total() {
        let now = Instant::now();
        let mut pace = limited(30, 10, now);
        let all: usize = (0..50).map(|host| admitted(&mut pace, &format!("192.0.2.{host}"), now)).sum();
        assert_eq!(all, 60);
    }

    #[test]
    fn a_peer_cannot_help_itself_by_changing_its_address() {
        let now = Instant::now();
        let mut pace = limited(1000, 10, now);
        assert_eq!(admitted(&mut pace, "2001:db8::1", now), 20);
        assert_eq!(admitted(&mut pace, "2001:db8::ffff:2", now), 0);

        let mut pace = limited(1000, 10, now);
        assert_eq!(admitted(&mut pace, "192.0.2.9", now), 20);
        assert_eq!(admitted(&mut pace, "::ffff:192.0.2.9", now), 0);
    }
}
