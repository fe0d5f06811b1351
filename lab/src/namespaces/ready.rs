//! Waiting for what the kernel does from queues of its own, a moment after the command that asked for it.
//! What is sent before that is lost, and sent again only after a second.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::namespace::Namespace;
use super::tool;

/// The queues are the whole machine's: while many labs come and go they take their time.
const TIME: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(1);
/// How the multicast group begins at which an address is solicited; its last three bytes follow.
const SOLICITED: &str = "ff0200000000000000000001ff";

/// Waits until `ip` says `ready` of `link` in the calling thread's namespace: "state forwarding" when a bridge
/// does so for it, "state UP" when it belongs to none.
pub(super) fn await_link(link: &str, ready: &str) -> Result<()> {
    let show = || Ok(tool::run("ip", &["-details", "link", "show", "dev", link], "")?.contains(ready));
    poll(show).with_context(|| format!("{link} does not become ready: no \"{ready}\""))
}

/// Waits until `device` listens for neighbours that solicit its IPv6 addresses.
pub(super) fn await_addresses(namespace: &Namespace, device: &str) -> Result<()> {
    let look = || {
        let addresses = fs::read_to_string("/proc/thread-self/net/if_inet6")?;
        let groups = fs::read_to_string("/proc/thread-self/net/igmp6")?;
        Ok(are_solicitable(device, &addresses, &groups))
    };
    let waited = namespace.within(|| poll(look))?;
    waited.with_context(|| format!("{device} in {} does not listen for solicitations", namespace.name()))
}

/// Whether every address of `device` but the link-local ones is in its multicast group, by the kernel's two
/// lists.
fn are_solicitable(device: &str, addresses: &str, groups: &str) -> bool {
    let mut own = addresses.lines().filter_map(|line| match *fields(line) {
        [address, _index, _prefix, "00", _flags, name] if name == device => address.get(26..),
        _ => None,
    });
    own.all(|last_bytes| is_member(device, &format!("{SOLICITED}{last_bytes}"), groups))
}

fn is_member(device: &str, group: &str, groups: &str) -> bool {
    groups
        .lines()
        .any(|line| matches!(*fields(line), [_index, name, joined, ..] if name == device && joined == group))
}

fn fields(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn poll(mut ready: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !ready()? {
        if start.elapsed() > TIME {
            bail!("waited for {TIME:?}");
        }
        sleep(POLL);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESSES: &str = "\
00000000000000000000000000000001 01 80 10 80       lo
20010db8000000000000000000000201 02 80 00 a2     eth0
fe80000000000000000000fffe000209 02 40 20 80     eth0
";

    fn groups(joined: &str) -> String {
        format!("1    lo              ff020000000000000000000000000001     1 0000000C 0\n{joined}")
    }

    #[test]
    fn an_address_is_solicitable_once_its_device_has_joined_the_group() {
        let joined = groups("2    eth0            ff0200000000000000000001ff000201     1 00000004 0\n");
        assert!(are_solicitable("eth0", ADDRESSES, &joined));
        let elsewhere = groups("3    eth1            ff0200000000000000000001ff000201     1 00000004 0\n");
        for groups in [groups(""), elsewhere] {
            assert!(!are_solicitable("eth0", ADDRESSES, &groups));
            assert!(are_solicitable("eth1", ADDRESSES, &groups), "it has no address");
        }
    }
}
