//! From what the configuration says of flows to how the prober makes them.

use std::{net::IpAddr, time::Duration};

use vipwatch_model::probe::Transport;

use crate::{
    config::{self, Flows, Speech, Talk},
    prober::{
        Bind, Exchange, FlowMethod, Host, HttpExchange, HttpExpectation, Method, TcpExchange, Tls,
        UdpExchange,
    },
};

/// How the flows to a target are made that may take `timeout` each.
pub(super) fn flows(host: Host, port: u16, flows: &Flows, timeout: Duration) -> FlowMethod {
    let name = match &host {
        Host::Address(address) => address.to_string(),
        Host::Name(name) => name.clone(),
    };
    let exchange = match &flows.speech {
        Speech::Http { request, expect, tls } => {
            let authority = request.host.clone();
            Exchange::Http(HttpExchange {
                tls: tls
                    .as_ref()
                    .map(|tls| client(tls, request.host.as_deref().map_or(name.as_str(), without_port))),
                method: request.method.clone(),
                authority: authority.unwrap_or_else(|| self::authority(&name, port, tls.is_some())),
                path: request.path.clone(),
                headers: request.headers.clone(),
                expect: HttpExpectation { status: request.expect_status.clone(), body: expect.clone() },
            })
        }
        Speech::Tcp { talk, tls } => {
            let tls = tls.as_ref().map(|tls| client(tls, &name));
            let silent = talk.send.is_empty() && talk.expect.is_none() && flows.echo.is_none();
            match tls {
                // Nothing is said: what counts is the certificate.
                Some(tls) if silent => Exchange::Tls(tls),
                tls => {
                    Exchange::Tcp(TcpExchange { send: talk.send.clone(), tls, expect: talk.expect.clone() })
                }
            }
        }
        Speech::Udp(Talk { send, expect }) => Exchange::Udp(UdpExchange {
            send: send.clone(),
            // Short time-outs leave room for two more attempts as well.
            retransmit_after: UdpExchange::RETRANSMIT_AFTER.min(timeout / 4),
            expect: expect.clone(),
        }),
        Speech::Dns(question) => Exchange::Dns(question.clone()),
    };
    let bind = match &host {
        Host::Address(address) => bind_towards(*address, &flows.departure.bind),
        Host::Name(_) => flows.departure.bind.clone(),
    };
    let echo = flows.echo.as_ref().filter(|_| !matches!(flows.speech, Speech::Dns(_)));
    FlowMethod {
        name_servers: flows.departure.name_servers.clone(),
        bind,
        proxy_header: flows.proxy_protocol,
        echo: echo.map(|echo| echo.format.clone()),
        canary: echo.is_some_and(|echo| echo.canary),
        ..FlowMethod::new(host, port, exchange)
    }
}

/// Where packets to `target` leave this host: a source address of another family has no say in it.
pub(super) fn bind_towards(target: IpAddr, bind: &Bind) -> Bind {
    let same = |address: &&IpAddr| address.is_ipv4() == target.is_ipv4();
    Bind {
        addresses: bind.addresses.iter().filter(same).copied().collect(),
        interface: bind.interface.clone(),
    }
}

/// What a method's flows are made of.
pub(super) fn transport(method: &Method) -> Transport {
    match method {
        Method::Flows(flows) => match &flows.exchange {
            Exchange::Udp(_) => Transport::Udp,
            Exchange::Dns(question) if !question.tcp => Transport::Udp,
            _ => Transport::Tcp,
        },
        Method::Ping { .. } => Transport::Icmp,
        Method::NodeHealth(_) | Method::ProxyHealth(_) => Transport::Tcp,
    }
}

/// Whether a round is one question, whatever number of flows is configured.
pub(super) fn is_poll(method: &Method) -> bool {
    matches!(method, Method::NodeHealth(_) | Method::ProxyHealth(_))
}

fn client(tls: &config::Tls, host: &str) -> Tls {
    Tls {
        server_name: tls.server_name.clone().unwrap_or_else(|| host.to_owned()),
        roots: tls.roots.clone(),
        identity: tls.identity.clone(),
        insecure: tls.insecure,
    }
}

/// The server's name out of a `Host` header.
fn without_port(host: &str) -> &str {
    let name = host
        .rsplit_once(':')
        .filter(|(name, _)| !name.ends_with(':') && !name.contains(':') || name.ends_with(']'));
    name.map_or(host, |(name, _)| name).trim_matches(['[', ']'])
}

/// The `Host` header: the port is left out where it is the scheme's own (RFC 9110, 7.2).
fn authority(host: &str, port: u16, tls: bool) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    if port == if tls { 443 } else { 80 } { host } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_name_is_the_host_without_its_port() {
        for (host, name) in [
            ("www.example.net", "www.example.net"),
            ("www.example.net:8443", "www.example.net"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            assert_eq!(without_port(host), name);
        }
    }

    #[test]
    fn the_host_header_names_a_port_only_where_it_is_needed() {
        assert_eq!(authority("192.0.2.201", 80, false), "192.0.2.201");
        assert_eq!(authority("192.0.2.201", 80, true), "192.0.2.201:80");
        assert_eq!(authority("2001:db8::1", 443, true), "[2001:db8::1]");
        assert_eq!(authority("2001:db8::1", 8080, false), "[2001:db8::1]:8080");
    }

    #[test]
    fn a_source_address_goes_with_targets_of_its_family() {
        let addresses: Vec<IpAddr> = vec!["192.0.2.9".parse().unwrap(), "2001:db8::9".parse().unwrap()];
        let bind = Bind { addresses: addresses.clone(), interface: Some("eth1".into()) };
        for (target, own) in [("192.0.2.201", 0), ("2001:db8::201", 1)] {
            let towards = bind_towards(target.parse().unwrap(), &bind);
            assert_eq!(towards, Bind { addresses: vec![addresses[own]], interface: Some("eth1".into()) });
        }
    }
}
