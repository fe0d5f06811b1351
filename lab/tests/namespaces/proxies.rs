//! A reverse proxy in front of the backend.

use std::io::ErrorKind;
use std::net::SocketAddr;

use vipwatch_echo::Answer;
use vipwatch_lab::cluster::ExternalTrafficPolicy::{Cluster, Local};
use vipwatch_lab::cluster::{Backend, Cni, Family, Overlay};
use vipwatch_lab::matrix::Transport;
use vipwatch_lab::namespaces::{NamespaceLab, NamespacePlan, inside};

use crate::client::{ask, get, get_with, of};

const ECHO: &str = "default/echo-server";
const INGRESS: &str = "ingress/nginx";

fn vip(lab: &NamespaceLab, family: Family) -> SocketAddr {
    lab.state().service(INGRESS).unwrap().vip(family).unwrap()
}

/// Whom the backend sees, and whom the proxy's headers tell it of.
fn seen(lab: &NamespaceLab, family: Family) -> (String, String) {
    let spoofed = "X-Forwarded-For: 203.0.113.1\r\nX-Real-IP: 203.0.113.1\r\n";
    let (_, _, body) = get_with(lab, vip(lab, family), "/", spoofed).unwrap();
    let answer: Answer = serde_json::from_str(&body).unwrap();
    assert_eq!(answer.node.as_deref(), Some("node-2"));
    let headers = answer.request.unwrap().headers;
    assert_eq!(headers["x-forwarded-for"], headers["x-real-ip"]);
    (answer.peer.address.to_string(), headers["x-real-ip"].clone())
}

#[test]
fn the_backend_sees_the_proxy_and_the_header_what_the_proxy_saw() {
    if !inside("proxies::the_backend_sees_the_proxy_and_the_header_what_the_proxy_saw") {
        return;
    }
    let plan = NamespacePlan::empty(2, Cni::Bridge, Overlay::HostGw)
        .with_service(ECHO, Backend::Pods, &["node-2"])
        .with_service(INGRESS, Backend::Proxy { to: ECHO.to_owned() }, &["node-1"]);
    let mut lab = NamespaceLab::start(&plan).unwrap();
    for (policy, in_header) in
        [(Local, ["192.0.2.9", "2001:db8::9"]), (Cluster, ["10.244.1.1", "2001:db8:244:1::1"])]
    {
        lab.set_policy(INGRESS, policy).unwrap();
        for family in Family::ALL {
            let proxy = of(family, "10.244.1.20", "2001:db8:244:1::14").to_string();
            let header = of(family, in_header[0], in_header[1]).to_string();
            assert_eq!(seen(&lab, family), (proxy, header));
        }
    }
    let refused = ask(&lab, Transport::Udp, vip(&lab, Family::V4)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

    lab.set_endpoints(ECHO, &[]).unwrap();
    let (_, status, _) = get(&lab, vip(&lab, Family::V4)).unwrap();
    assert_eq!(status, "HTTP/1.1 502 Bad Gateway");
}
