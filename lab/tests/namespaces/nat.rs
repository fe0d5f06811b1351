//! A client behind a NAT of its own.

use std::io;
use std::net::{IpAddr, UdpSocket};

use vipwatch_lab::cluster::ExternalTrafficPolicy::Cluster;
use vipwatch_lab::matrix::Transport;
use vipwatch_lab::namespaces::{CLIENT, Link, NamespaceLab, NamespacePlan, inside};

use crate::client::{PATIENCE, ask, echo_all, of};

const ECHO: &str = "default/echo-server";

/// Without attributes; the transaction is all zeros, so that the mask is the cookie alone.
const BINDING_REQUEST: [u8; 20] = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// `myip.test IN TXT`.
const TXT_QUERY: &[u8] = b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x04myip\x04test\0\0\x10\0\x01";

fn exchange(lab: &NamespaceLab, server: &str, request: &[u8]) -> Vec<u8> {
    let send = || {
        let socket = UdpSocket::bind(if server.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" })?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.connect(server)?;
        socket.send(request)?;
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer)?;
        io::Result::Ok(answer[..length].to_vec())
    };
    lab.within(CLIENT, send).unwrap().unwrap()
}

/// The address in the XOR-MAPPED-ADDRESS of an answer to [`BINDING_REQUEST`].
fn mapped(answer: &[u8]) -> IpAddr {
    let mut address = answer[28..].to_vec();
    address.iter_mut().zip(&BINDING_REQUEST[4..]).for_each(|(byte, mask)| *byte ^= mask);
    match <[u8; 4]>::try_from(address.as_slice()) {
        Ok(v4) => v4.into(),
        Err(_) => <[u8; 16]>::try_from(address.as_slice()).unwrap().into(),
    }
}

#[test]
fn a_client_behind_a_nat_is_seen_as_the_nat() {
    if !inside("nat::a_client_behind_a_nat_is_seen_as_the_nat") {
        return;
    }
    let plan = NamespacePlan::default().behind_nat();
    let mut lab = NamespaceLab::start(&plan).unwrap();
    let check_local = |lab: &NamespaceLab| {
        for (family, flow) in echo_all(lab, ECHO) {
            assert_eq!(flow.source.ip(), of(family, "198.51.100.9", "2001:db8:98::9"));
            assert_eq!(flow.seen(), of(family, "192.0.2.8", "2001:db8::8"));
        }
    };
    check_local(&lab);
    for control in &plan.control {
        for transport in Transport::ALL {
            let flow = ask(&lab, transport, *control).unwrap();
            assert!(plan.nat.as_ref().unwrap().outside.contains(&flow.seen()), "{flow:?}");
        }
    }

    for (stun, dns, expected) in [
        ("192.0.2.30:3478", "192.0.2.30:53", "192.0.2.8"),
        ("[2001:db8::30]:3478", "[2001:db8::30]:53", "2001:db8::8"),
    ] {
        let expected: IpAddr = expected.parse().unwrap();
        assert_eq!(mapped(&exchange(&lab, stun, &BINDING_REQUEST)), expected);
        assert!(exchange(&lab, dns, TXT_QUERY).ends_with(expected.to_string().as_bytes()));
    }

    lab.set_link(CLIENT, Link::Down).unwrap();
    lab.set_link(CLIENT, Link::Up).unwrap();
    lab.move_pod(ECHO, "node-3").unwrap();
    check_local(&lab);

    lab.set_policy(ECHO, Cluster).unwrap();
    for (family, flow) in echo_all(&lab, ECHO) {
        let announcer = lab.announcer(ECHO).unwrap().unwrap();
        assert_eq!(announcer, "node-1");
        assert_eq!(flow.seen(), of(family, "192.0.2.11", "2001:db8::11"));
    }
}
