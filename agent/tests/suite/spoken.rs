//! Everything that can be spoken, from the configuration to the verdict, with `vipwatch echo` at the other end.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
};

use serde_json::Value;

use crate::{
    agent::{Home, Running, connect, vipwatch},
    authority::{Authority, named},
};

/// A free port on an address that no other test uses.
fn free_address(last: u8) -> SocketAddr {
    TcpListener::bind((Ipv4Addr::new(127, 67, 0, last), 0)).unwrap().local_addr().unwrap()
}

/// One round of every probe in `home`, by name.
fn probe(home: &Home) -> Vec<(String, Value)> {
    let output = vipwatch().args(["probe", "--json", "--config"]).arg(home.path()).output().unwrap();
    let rounds: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let named = |round: Value| (round["probe"].as_str().unwrap().to_owned(), round["verdict"].clone());
    rounds.into_iter().map(named).collect()
}

/// A server's certificate, and the files that a client needs to believe it, beside the configuration.
fn certificates(directory: &Path) {
    let authority = Authority::new("Test authority");
    let issued = authority.issue(&named("echo", &["echo.example.net"]));
    for (name, content) in
        [("ca.pem", &authority.pem), ("chain.pem", &issued.chain), ("key.pem", &issued.key)]
    {
        fs::write(directory.join(name), content).unwrap();
    }
}

#[test]
fn every_protocol_tells_the_source_address() {
    let [http, https, tcp, udp, dns, proxied] = [1, 2, 3, 4, 5, 6].map(free_address);
    let home = Home::new("");
    let directory = home.path().parent().unwrap().to_owned();
    certificates(&directory);
    let services = [
        ("http", http, "protocol = \"http\"\necho = { canary = true }"),
        (
            "https",
            https,
            "protocol = \"https\"\necho = {}\nhost = \"echo.example.net\"\ntls = { ca_file = \"ca.pem\" }",
        ),
        ("tcp", tcp, "protocol = \"tcp\"\nsend = \"clientip\\n\"\necho = { format = \"address\" }"),
        ("udp", udp, "protocol = \"udp\"\nsend = \"clientip\"\necho = { format = \"address\" }"),
        ("dns", dns, "protocol = \"dns\"\ndns = { name = \"echo.example.net\" }\necho = {}"),
        (
            "dns-over-tcp",
            dns,
            "protocol = \"dns\"\ndns = { name = \"echo.example.net\", transport = \"tcp\" }\necho = {}",
        ),
        // What the header says is not what the server sees.
        ("proxied", proxied, "proxy_protocol = \"v2\"\necho = {}"),
    ];
    let mut config =
        "[agent]\nvantage = \"test\"\n[defaults]\nflows = 3\nsource_addresses = [\"127.67.0.99\"]\n"
            .to_owned();
    for (name, address, keys) in services {
        config += &format!(
            "[[service]]\nname = \"default/{name}\"\nvips = [\"{}\"]\nport = {}\nexternal_traffic_policy = \"Local\"\n{keys}\n",
            address.ip(),
            address.port()
        );
    }
    home.configure(&config);

    let [a, b, c, d, e, f] = [http, https, tcp, udp, dns, proxied].map(|address| address.to_string());
    let mut direct = vipwatch();
    direct.current_dir(&directory);
    direct.args(["echo", "--http", &a, "--https", &b, "--tcp", &c, "--udp", &d, "--dns", &e]);
    direct.args(["--tls-cert", "chain.pem", "--tls-key", "key.pem"]);
    let _direct = Running::of(&mut direct);
    let _proxied = Running::of(vipwatch().args(["echo", "--http", &f, "--proxy-protocol"]));
    for address in [http, https, tcp, dns, proxied] {
        connect(address);
    }

    let rounds = probe(&home);
    assert_eq!(rounds.len(), services.len());
    for (name, verdict) in rounds {
        assert_eq!(verdict["finding"], "preserved", "{name}: {verdict:#}");
        let seen = &verdict["seen"][0];
        assert_eq!(
            (&seen["address"], &seen["flows"]),
            (&"127.67.0.99".into(), &3.into()),
            "{name}: {verdict:#}"
        );
    }
}

#[test]
fn what_is_expected_of_answers_is_held_against_them() {
    let [http, https, tcp] = [11, 12, 13].map(free_address);
    let home = Home::new("");
    let directory = home.path().parent().unwrap().to_owned();
    certificates(&directory);
    let probes = [
        (
            "status",
            format!("kind = \"http\"\nurl = \"http://{http}/\"\nexpect_status = [\"2xx\"]"),
            "answering",
        ),
        (
            "other-status",
            format!("kind = \"http\"\nurl = \"http://{http}/\"\nexpect_status = [204]"),
            "wrong_answer",
        ),
        (
            "body",
            format!("kind = \"http\"\nurl = \"http://{http}/\"\nexpect_answer = \"vipwatch_echo\""),
            "answering",
        ),
        (
            "other-body",
            format!("kind = \"http\"\nurl = \"http://{http}/\"\nexpect_answer = \"^shop\""),
            "wrong_answer",
        ),
        (
            "line",
            format!("kind = \"tcp\"\naddress = \"{tcp}\"\nsend = \"clientip\\n\"\nexpect_answer = \"^127\""),
            "answering",
        ),
        ("stranger", format!("kind = \"tls\"\naddress = \"{https}\""), "unreachable"),
        (
            "insecure",
            format!("kind = \"tls\"\naddress = \"{https}\"\ntls = {{ insecure = true }}"),
            "answering",
        ),
        (
            "name",
            format!(
                "kind = \"tls\"\naddress = \"{https}\"\n\
                 tls = {{ ca_file = \"ca.pem\", server_name = \"echo.example.net\" }}"
            ),
            "answering",
        ),
    ];
    let mut config = "[agent]\nvantage = \"test\"\n[defaults]\nflows = 1\n".to_owned();
    for (name, keys, _) in &probes {
        config += &format!("[[probe]]\nname = \"{name}\"\n{keys}\n");
    }
    home.configure(&config);
    let [a, b, c] = [http, https, tcp].map(|address| address.to_string());
    let mut echo = vipwatch();
    echo.current_dir(&directory).args(["echo", "--http", &a, "--https", &b, "--tcp", &c]);
    let _echo = Running::of(echo.args(["--tls-cert", "chain.pem", "--tls-key", "key.pem"]));
    for address in [http, https, tcp] {
        connect(address);
    }

    for ((name, verdict), (_, _, finding)) in probe(&home).into_iter().zip(&probes) {
        assert_eq!(verdict["finding"], *finding, "{name}: {verdict:#}");
    }
}
