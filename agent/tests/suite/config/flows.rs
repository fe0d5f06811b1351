//! What the keys say that services and probes share.

use std::fs;

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;
use vipwatch::{
    config::{Errand, Flows, Speech},
    prober::{DnsPurpose, Roots},
};
use vipwatch_model::probe::Expectation;

use super::{MINIMAL, files, parse, parse_among};

/// The flows of the only probe in a configuration that has `keys` for it.
pub(super) fn flows_of(files: &TempDir, keys: &str) -> Flows {
    let source = format!("{MINIMAL}[[probe]]\nname = \"x\"\n{keys}\n");
    let config = parse_among(files, &source).unwrap_or_else(|faults| panic!("{}", faults.render(false)));
    match config.probes.into_iter().next().unwrap().errand {
        Errand::Flows { flows, .. } => *flows,
        errand @ Errand::Ping { .. } => panic!("{errand:?}"),
    }
}

#[test]
fn what_is_expected_follows_from_echo_and_policy() {
    let nets = |nets: &[&str]| Expectation::Within(nets.iter().map(|net| net.parse().unwrap()).collect());
    for (policy, keys, expected) in [
        ("Local", "", Expectation::Answer),
        ("Cluster", "", Expectation::Answer),
        ("Local", "echo = {}", Expectation::Preserved),
        ("Cluster", "echo = {}", Expectation::Any),
        ("Cluster", "echo = {}\nexpect_source = \"preserved\"", Expectation::Preserved),
        ("Local", "echo = {}\nexpect_source = \"any\"", Expectation::Any),
        ("Local", "echo = {}\nexpect_source = \"header\"", Expectation::InHeader),
        (
            "Cluster",
            "echo = {}\nexpect_source = [\"198.51.100.7\", \"2001:db8:7::/64\"]",
            nets(&["198.51.100.7/32", "2001:db8:7::/64"]),
        ),
    ] {
        let service = "[[service]]\nname = \"default/x\"\nvips = [\"192.0.2.201\"]\nport = 80";
        let source = format!("{MINIMAL}{service}\nexternal_traffic_policy = {policy:?}\n{keys}\n");
        assert_eq!(parse(&source).unwrap().services[0].flows.expectation, expected, "{policy} {keys}");
        let probe = "[[probe]]\nname = \"x\"\nkind = \"http\"\nurl = \"http://192.0.2.30/\"";
        let config = parse(&format!("{MINIMAL}{probe}\n{keys}\n")).unwrap();
        let Errand::Flows { flows, .. } = &config.probes[0].errand else { panic!("{keys}") };
        // A probe has no policy: an echo alone means that the address survives.
        let expected = if keys == "echo = {}" { Expectation::Preserved } else { expected };
        assert_eq!(flows.expectation, expected, "{keys}");
    }
}

#[test]
fn credentials_come_from_the_file_the_environment_or_a_file_of_their_own() {
    let files = files();
    for (keys, header) in [
        ("username = \"vipwatch\"\npassword = \"${PROBE_PASSWORD}\"", "Basic dmlwd2F0Y2g6aGlkZGVu"),
        ("username = \"vipwatch\"\npassword_file = \"password\"", "Basic dmlwd2F0Y2g6aGlkZGVu"),
        ("bearer_token = \"${PROBE_TOKEN}\"", "Bearer hidden"),
        ("bearer_token_file = \"token\"", "Bearer hidden"),
        ("headers = { Authorization = \"Negotiate hidden\" }", "Negotiate hidden"),
    ] {
        let flows = flows_of(&files, &format!("kind = \"http\"\nurl = \"http://192.0.2.30/\"\n{keys}"));
        let Speech::Http { request, .. } = &flows.speech else { panic!("{flows:?}") };
        let [(name, value)] = request.headers.as_slice() else { panic!("{keys}") };
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("authorization", header), "{keys}");
        assert!(value.is_sensitive() && !format!("{flows:?}").contains("hidden"), "{keys}");
    }
}

#[test]
fn certificates_are_read_and_a_new_content_is_a_change() {
    let files = files();
    let keys = "kind = \"tls\"\naddress = \"192.0.2.30:443\"\n\
        tls = { ca_file = \"ca.pem\", cert_file = \"client.pem\", key_file = \"client.key\" }";
    let before = flows_of(&files, keys);
    let Speech::Tcp { tls: Some(tls), .. } = &before.speech else { panic!("{before:?}") };
    assert!(matches!(tls.roots, Roots::Own(_)) && tls.identity.is_some() && !tls.insecure);
    assert_eq!(flows_of(&files, keys), before);
    let other = CertificateParams::new(["other.example.net".to_owned()]).unwrap();
    let other = other.self_signed(&KeyPair::generate().unwrap()).unwrap();
    fs::write(files.path().join("ca.pem"), other.pem()).unwrap();
    assert_ne!(flows_of(&files, keys), before);
}

#[test]
fn a_question_with_an_echo_is_one_for_whoami() {
    let files = files();
    let dns = "kind = \"dns\"\naddress = \"192.0.2.53:53\"\ndns = { name = \"echo.example.net\"";
    let flows = flows_of(&files, &format!("{dns} }}\necho = {{}}"));
    let Speech::Dns(question) = &flows.speech else { panic!("{flows:?}") };
    assert_eq!(question.purpose, DnsPurpose::Whoami);
    let flows = flows_of(&files, &format!("{dns}, expect_addresses = [\"192.0.2.7\"], max_ttl = \"1m\" }}"));
    let Speech::Dns(question) = &flows.speech else { panic!("{flows:?}") };
    let addresses = vec!["192.0.2.7".parse().unwrap()];
    assert_eq!(question.purpose, DnsPurpose::Answer { addresses, min_ttl: None, max_ttl: Some(60) });
    assert!(!question.tcp);
}

#[test]
fn statuses_are_ranges() {
    let keys = "kind = \"http\"\nurl = \"http://192.0.2.30/\"\nexpect_status = [204, \"3xx\", \"400-404\"]";
    let flows = flows_of(&files(), keys);
    let Speech::Http { request, .. } = flows.speech else { panic!("{flows:?}") };
    assert_eq!(request.expect_status, [(204, 204), (300, 399), (400, 404)]);
}

#[test]
fn the_way_out_comes_from_the_nearest_level() {
    let config = parse(
        r#"
        agent.vantage = "test"
        [defaults]
        source_addresses = ["192.0.2.9"]
        name_servers = ["192.0.2.53", "[2001:db8::53]:5353"]
        [cluster]
        ping_nodes = true
        node = [{ name = "node-1", addresses = ["192.0.2.11"] }]
        [[probe]]
        name = "plain"
        kind = "tcp"
        address = "echo.example.net:7"
        [[probe]]
        name = "own"
        kind = "icmp"
        address = "2001:db8::1"
        source_addresses = ["2001:db8::9"]
        source_interface = "eth1"
        "#,
    )
    .unwrap();
    let ours = vec!["192.0.2.9".parse().unwrap()];
    assert_eq!(config.cluster.departure.bind.addresses, ours);
    let Errand::Flows { flows, .. } = &config.probes[0].errand else { panic!("{config:?}") };
    assert_eq!((&flows.departure.bind.addresses, &flows.departure.bind.interface), (&ours, &None));
    let servers = ["192.0.2.53:53", "[2001:db8::53]:5353"].map(|server| server.parse().unwrap());
    assert_eq!(flows.departure.name_servers, servers);
    let Errand::Ping { bind, .. } = &config.probes[1].errand else { panic!("{config:?}") };
    assert_eq!(bind.addresses, ["2001:db8::9".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(bind.interface.as_deref(), Some("eth1"));
}

#[test]
fn a_probe_is_shown_by_a_url_without_its_secrets() {
    for (keys, shown) in [
        ("kind = \"http\"\nurl = \"https://192.0.2.30/x?token=hidden#y\"", "https://192.0.2.30/x"),
        ("kind = \"tcp\"\naddress = \"echo.example.net:7\"", "tcp://echo.example.net:7"),
        ("kind = \"tls\"\naddress = \"[2001:db8::30]:443\"", "tls://[2001:db8::30]:443"),
        ("kind = \"udp\"\naddress = \"192.0.2.30:7\"\nsend = \"x\"", "udp://192.0.2.30:7"),
        (
            "kind = \"dns\"\naddress = \"192.0.2.53:53\"\ndns = { name = \"example.net\" }",
            "dns://192.0.2.53:53/example.net",
        ),
        ("kind = \"icmp\"\naddress = \"2001:db8::1\"", "icmp://[2001:db8::1]"),
    ] {
        let config = parse(&format!("{MINIMAL}[[probe]]\nname = \"x\"\n{keys}\n")).unwrap();
        assert_eq!(config.probes[0].url, shown);
    }
}
