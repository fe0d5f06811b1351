//! Addresses in the words of `ip`.

use std::net::IpAddr;

use crate::cluster::Family;

/// The line that gives `address` to `device`, in a network of `prefix` bits.
///
/// Without looking for duplicates, which for IPv6 goes on in the background even where it is switched off:
/// what needs the address right after this would fail.
pub(super) fn add(address: IpAddr, prefix: u8, device: &str) -> String {
    let unchecked = if address.is_ipv6() { " nodad" } else { "" };
    format!("address add {address}/{prefix} dev {device}{unchecked}\n")
}

/// [`add`] for an address in a network of its own.
pub(super) fn add_alone(address: IpAddr, device: &str) -> String {
    add(address, bits(address), device)
}

/// The network that holds `address` and no other.
pub(super) fn alone(address: IpAddr) -> String {
    format!("{address}/{}", bits(address))
}

fn bits(address: IpAddr) -> u8 {
    match Family::of(address) {
        Family::V4 => 32,
        Family::V6 => 128,
    }
}

/// How many bits name the network that nodes and clients share.
pub(super) fn shared_prefix(address: IpAddr) -> u8 {
    match Family::of(address) {
        Family::V4 => 24,
        Family::V6 => 64,
    }
}
