//! `vipwatch inspect` as it is run: what it says of a cluster on loopback, and the codes that it exits with.

use std::{
    net::{Ipv4Addr, TcpListener},
    process::Output,
};

use serde_json::Value;
use vipwatch_lab::cluster::{Change, ExternalTrafficPolicy};

use crate::{
    agent::vipwatch,
    cluster::{Cluster, ECHO},
};

fn inspect(arguments: &[&str]) -> Output {
    vipwatch().arg("inspect").args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn it_tells_whether_the_address_is_preserved_and_what_to_do_when_not() {
    let cluster = Cluster::start();
    let vip = cluster.vip().to_string();
    let (nodes, port) = cluster.nodes();
    let mut arguments = vec![vip.as_str(), "--flows", "3", "--health-port", &port, "--node"];
    arguments.extend(nodes.iter().map(String::as_str));

    let preserved = inspect(&arguments);
    assert_eq!(preserved.status.code(), Some(0), "{preserved:?}");
    let told = text(&preserved);
    assert!(told.starts_with("✓ Your source address is preserved."), "{told}");
    assert!(!told.contains('\x1b'), "colours where nobody sees them: {told:?}");
    assert!(told.contains("ready endpoint of default/echo-server"), "{told}");

    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    let translated = inspect(&arguments);
    assert_eq!(translated.status.code(), Some(1), "{translated:?}");
    let told = text(&translated);
    for part in
        ["✗ Your source address is NOT preserved.", "Likely cause", "closed on every node", "What to do"]
    {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    arguments.push("--json");
    let told = json(&inspect(&arguments));
    assert_eq!(told["answer"], "not_preserved");
    assert_eq!(told["verdict"]["cause"]["kind"], "policy_reset");
    assert_eq!(told["verdict"]["evidence"].as_array().unwrap().len(), 3);
    assert_eq!(told["nodes"][0]["verdict"]["finding"], "port_closed");
    // Where the service is known, the commands name it.
    let mut arguments = vec![vip.as_str(), "--service", ECHO, "--json", "--node"];
    arguments.extend(nodes.iter().map(String::as_str));
    let named = json(&inspect(&arguments));
    assert!(named.to_string().contains("kubectl -n default patch service echo-server"), "{named}");
}

#[test]
fn what_cannot_be_told_exits_3_and_wrong_usage_2() {
    let closed = TcpListener::bind((Ipv4Addr::new(127, 77, 0, 1), 0)).unwrap().local_addr().unwrap();
    let refused = inspect(&[&closed.to_string(), "--flows", "2"]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(text(&refused).contains("2 were refused"), "{refused:?}");
    for wrong in [&["ftp://127.0.0.1/"][..], &["udp://127.0.0.1"], &["127.0.0.1:1", "--format", "nonsense"]] {
        let output = inspect(wrong);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(!output.stderr.is_empty());
    }
}
