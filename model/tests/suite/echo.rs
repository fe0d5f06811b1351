//! Echo formats on the bodies of real servers (rewritten with documentation addresses): what is read out of each, and
//! what is said of those that tell nothing.

use vipwatch_model::{
    echo::{EchoError, EchoFormat, KnownFormat, Reply, UNUSABLE},
    flow::SourceReport,
};

/// Every sample with its name.
pub(crate) const SAMPLES: &[(&str, &[u8])] = &[
    ("vipwatch.json", include_bytes!("bodies/vipwatch.json")),
    ("ealen.json", include_bytes!("bodies/ealen.json")),
    ("clientip.txt", include_bytes!("bodies/clientip.txt")),
    ("clientip-v6.txt", include_bytes!("bodies/clientip-v6.txt")),
    ("nginx.txt", include_bytes!("bodies/nginx.txt")),
    ("whoami.txt", include_bytes!("bodies/whoami.txt")),
    ("whoami-api.json", include_bytes!("bodies/whoami-api.json")),
    ("mendhak.json", include_bytes!("bodies/mendhak.json")),
    ("echoserver.txt", include_bytes!("bodies/echoserver.txt")),
    ("echoserver-1.4.txt", include_bytes!("bodies/echoserver-1.4.txt")),
    ("httpbin-ip.json", include_bytes!("bodies/httpbin-ip.json")),
    ("httpbin-get.json", include_bytes!("bodies/httpbin-get.json")),
    ("go-httpbin-get.json", include_bytes!("bodies/go-httpbin-get.json")),
    ("kubenurse.json", include_bytes!("bodies/kubenurse.json")),
    ("ealen-hidden.json", include_bytes!("bodies/ealen-hidden.json")),
    ("whoami-api-old.json", include_bytes!("bodies/whoami-api-old.json")),
    ("agnhost-root.txt", include_bytes!("bodies/agnhost-root.txt")),
    ("echo-basic.json", include_bytes!("bodies/echo-basic.json")),
    ("echo-basic-tcp.txt", include_bytes!("bodies/echo-basic-tcp.txt")),
    ("jmalloc.txt", include_bytes!("bodies/jmalloc.txt")),
    ("nginxdemos.txt", include_bytes!("bodies/nginxdemos.txt")),
    ("hello-app.txt", include_bytes!("bodies/hello-app.txt")),
    ("nginx-welcome.html", include_bytes!("bodies/nginx-welcome.html")),
    ("access-log.txt", include_bytes!("bodies/access-log.txt")),
    ("own.json", include_bytes!("bodies/own.json")),
    ("own.txt", include_bytes!("bodies/own.txt")),
];

fn sample(name: &str) -> &'static [u8] {
    SAMPLES.iter().find(|(found, _)| *found == name).unwrap().1
}

fn read(format: &str, body: &[u8]) -> Result<SourceReport, EchoError> {
    format.parse::<EchoFormat>().unwrap().read(&Reply::of(body))
}

/// A report on one line: address, what is forwarded, who answered, whether headers are trusted.
fn line(report: &SourceReport) -> String {
    let address = match report.port {
        Some(port) => std::net::SocketAddr::new(report.address, port).to_string(),
        None => report.address.to_string(),
    };
    let list: Vec<String> = report.forwarded.iter().map(ToString::to_string).collect();
    let mut line = address;
    for (word, value) in [
        ("for", (!list.is_empty()).then(|| list.join(","))),
        ("on", report.node.clone()),
        ("by", report.pod.clone()),
    ] {
        line += &value.map(|value| format!(" {word} {value}")).unwrap_or_default();
    }
    if report.trusts_headers { line + " trusting" } else { line }
}

/// The samples that hold a peer: what is read out of each, and by which format.
const READ: &[(&str, KnownFormat, &str)] = &[
    (
        "vipwatch.json",
        KnownFormat::Vipwatch,
        "10.244.1.1:41234 for 198.51.100.7,203.0.113.9 on node-1 by echo-x2x7k",
    ),
    ("ealen.json", KnownFormat::Ealen, "10.244.1.1 for 198.51.100.7 by echo-7f9c"),
    ("clientip.txt", KnownFormat::Address, "192.0.2.9:41234"),
    ("clientip-v6.txt", KnownFormat::Address, "[2001:db8::9]:41234"),
    ("nginx.txt", KnownFormat::Address, "192.0.2.9:41234"),
    ("whoami.txt", KnownFormat::Whoami, "10.244.1.1:34567 for 198.51.100.7,203.0.113.9 by whoami-7d9f"),
    ("whoami-api.json", KnownFormat::Whoami, "[2001:db8:244::1]:34567 for 198.51.100.7 by whoami-7d9f"),
    (
        "mendhak.json",
        KnownFormat::Mendhak,
        "198.51.100.7 for 203.0.113.50,198.51.100.7 by http-echo-5c4d trusting",
    ),
    (
        "echoserver.txt",
        KnownFormat::Echoserver,
        "10.244.2.1 for 2001:db8:7::1,198.51.100.7 on node-2 by echoserver-6b5f",
    ),
    ("echoserver-1.4.txt", KnownFormat::Echoserver, "10.244.2.1 for 198.51.100.7"),
    ("httpbin-ip.json", KnownFormat::Httpbin, "10.244.1.1 for 10.244.1.1 trusting"),
    ("httpbin-get.json", KnownFormat::Httpbin, "198.51.100.7 for 198.51.100.7,203.0.113.9 trusting"),
    ("go-httpbin-get.json", KnownFormat::Httpbin, "10.244.1.1:50312 for 198.51.100.7 trusting"),
    ("kubenurse.json", KnownFormat::Kubenurse, "10.244.1.1:40404 for 198.51.100.7 by kubenurse-8zkqp"),
];

#[test]
fn every_server_is_recognised_and_read() {
    for (name, format, expected) in READ {
        for written in ["auto", format.as_str()] {
            let report = read(written, sample(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(line(&report), *expected, "{name} as {written}");
        }
    }
    for format in KnownFormat::ALL {
        assert!(READ.iter().any(|(_, of, _)| of == format), "no sample of {format}");
    }
}

#[test]
fn no_body_is_read_by_the_wrong_parser() {
    for (name, body) in SAMPLES {
        let own = READ.iter().find(|(found, ..)| found == name).map(|(_, format, _)| format);
        for format in KnownFormat::ALL.iter().filter(|format| Some(*format) != own) {
            let read = read(format.as_str(), body);
            assert!(read.is_err(), "{name} was read as {format}: {read:?}");
            if let Some(own) = own {
                assert_eq!(read, Err(EchoError::Other { format: *format, found: *own }), "{name}");
            }
        }
    }
}

#[test]
fn servers_without_a_peer_are_named_with_a_mend() {
    let mut named = Vec::new();
    for (name, server, mend) in [
        ("ealen-hidden.json", "ealen/echo-server", "ENABLE__HOST=true"),
        ("whoami-api-old.json", "traefik/whoami", "ask it for /"),
        ("agnhost-root.txt", "agnhost", "/clientip"),
        ("echo-basic.json", "gateway-api echo-basic", "vipwatch echo"),
        ("echo-basic-tcp.txt", "gateway-api echo-basic", "vipwatch echo"),
        ("jmalloc.txt", "jmalloc/echo-server", "vipwatch echo"),
        ("nginxdemos.txt", "nginxdemos/hello", "vipwatch echo"),
        ("hello-app.txt", "hello-app", "vipwatch echo"),
    ] {
        for format in EchoFormat::words() {
            let error = read(format, sample(name)).unwrap_err();
            let EchoError::NoPeer { server: found, .. } = error else {
                panic!("{name} as {format}: {error}")
            };
            assert!(found.contains(server) && error.to_string().contains(mend), "{name}: {error}");
            named.push(found);
        }
    }
    for unusable in UNUSABLE {
        assert!(named.contains(&unusable.server), "no sample of {}", unusable.server);
    }
}

#[test]
fn what_is_no_echo_is_told_from_it() {
    for (body, found) in [
        (sample("nginx-welcome.html"), "but a web page:"),
        (sample("access-log.txt"), "but text of another shape:"),
        (sample("own.json"), "but JSON of another shape:"),
        (b"{\"origin\": \"192.0.2.9\"", "but text of another shape:"),
        (b"192.0.2.9, 192.0.2.10", "but text of another shape:"),
        (b"\x7fELF\0\0\0", "but binary data:"),
    ] {
        let error = read("auto", body).unwrap_err();
        assert!(matches!(error, EchoError::Unrecognised { .. }), "{error:?}");
        assert!(error.to_string().contains(found), "{error}");
        assert!(error.to_string().contains("vipwatch, ealen, address, whoami"), "{error}");
    }
    assert_eq!(read("auto", b" \r\n"), Err(EchoError::Empty));
}

/// A body that has the marks of two servers is not guessed at.
#[test]
fn a_body_that_could_be_two_things_is_neither() {
    let both = br#"{"vipwatch_echo":1,"peer":{"address":"192.0.2.9"},"remote_addr":"192.0.2.10","request_uri":"/","user_agent":""}"#;
    assert!(matches!(read("auto", both), Err(EchoError::Unrecognised { .. })));
    assert_eq!(line(&read("vipwatch", both).unwrap()), "192.0.2.9");
}

#[test]
fn what_is_missing_is_named() {
    for (format, body, why) in [
        ("ealen", "x", "it is no JSON"),
        ("ealen", r#"{"host":{}}"#, "host.ip is missing"),
        ("ealen", r#"{"host":{"ip":7,"ips":[]}}"#, "host.ip is no address"),
        ("vipwatch", r#"{"vipwatch_echo":1}"#, "peer.address is missing"),
        ("address", "192.0.2.9:99999", "neither an address nor"),
        ("whoami", "Hostname: x\nIP: 192.0.2.9\n", "RemoteAddr: is missing"),
        ("whoami", "Hostname: x\nRemoteAddr: @\nGET / HTTP/1.1\r\n", "RemoteAddr: holds no address"),
        ("mendhak", r#"{"ip":["192.0.2.9"]}"#, "ip is no address"),
        ("echoserver", "Request Information:\n\tmethod=GET\n", "client_address= is missing"),
        ("httpbin", r#"{"headers":{}}"#, "ask for /ip"),
        ("httpbin", r#"{"origin":"unknown, 192.0.2.9"}"#, "origin is no address"),
        ("kubenurse", "{}", "ask for /alive"),
        ("json:/client/ip", "<html>", "it is no JSON"),
        ("json:/client/name", r#"{"client":{"ip":"192.0.2.9"}}"#, "nothing at that place"),
        ("json:/client", r#"{"client":{"ip":"192.0.2.9"}}"#, "no address"),
        ("json:/port", r#"{"port":80}"#, "no address"),
        (r"regex:from (\S+)", "to 192.0.2.9", "matches nothing"),
        (r"regex:from (\S+)", "from here", "what the group holds is no address"),
        (r"regex:from(?: (\S+))?", "from", "matches no text"),
        (r"regex:(?<address>\S+) (?<port>\S+)", "192.0.2.9 http", "\"port\" holds is no port"),
        (r"regex:(?<address>\S+) (?<port>\S+)", "here 80", "\"address\" holds is no address"),
        ("header:x-client-ip", "192.0.2.9", "no such header"),
    ] {
        let error = read(format, body.as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with("the answer is not in the format"), "{error}");
        assert!(error.to_string().contains(why), "{format} on {body}: {error}");
    }
}

#[test]
fn anything_else_is_told_by_its_place() {
    for (format, body, expected) in [
        ("json:/client/ip", "own.json", "192.0.2.9"),
        ("json:/a~1b", "own.json", "192.0.2.9:80"),
        ("json:/seen", "own.json", "198.51.100.7 for 198.51.100.7,203.0.113.9 trusting"),
        ("json:/seen/1", "own.json", "203.0.113.9"),
        ("json:/headers/X-Forwarded-For", "own.json", "198.51.100.7 for 198.51.100.7 trusting"),
        ("json:/headers/X-Forwarded-For/0", "own.json", "198.51.100.7 for 198.51.100.7 trusting"),
        (r"regex:are ([^,]+),", "own.txt", "192.0.2.9"),
        (r"regex:are (?<address>[0-9a-f.:]+), port (?<port>\d+)", "own.txt", "192.0.2.9:41234"),
        (r"regex:^(?<address>\S+) - -", "access-log.txt", "192.0.2.9"),
    ] {
        let report = read(format, sample(body)).unwrap_or_else(|error| panic!("{format}: {error}"));
        assert_eq!(line(&report), expected, "{format}");
    }
}

#[test]
fn headers_of_the_answer_are_read_by_their_name() {
    let header = |name: &str| match name {
        "x-client-ip" => Some("::ffff:192.0.2.9"),
        "x-forwarded-for" => Some("198.51.100.7, 203.0.113.9"),
        "forwarded" => Some("for=198.51.100.7;proto=http"),
        "server" => Some("nginx"),
        _ => None,
    };
    let reply = Reply { body: b"", header: &header };
    let read = |format: &str| format.parse::<EchoFormat>().unwrap().read(&reply).map(|report| line(&report));
    assert_eq!(read("header:X-Client-IP").unwrap(), "192.0.2.9");
    assert_eq!(read("header:x-forwarded-for").unwrap(), "198.51.100.7 for 198.51.100.7,203.0.113.9 trusting");
    assert_eq!(read("header:forwarded").unwrap(), "198.51.100.7 for 198.51.100.7 trusting");
    assert!(read("header:server").unwrap_err().to_string().contains("the header holds no address"));
}

#[test]
fn names_that_are_no_names_are_dropped() {
    let body =
        br#"{"vipwatch_echo":1,"peer":{"address":"192.0.2.9","port":70000},"node":"<b>x</b>","pod":7}"#;
    assert_eq!(line(&read("auto", body).unwrap()), "192.0.2.9");
}

#[test]
fn formats_are_written_as_they_are_read() {
    for text in EchoFormat::words().chain([
        "json:/client/ip",
        "json:/a~1b/~0/0",
        r"regex:client=(\S+)",
        "regex:(?<address>.+) (?<port>[0-9]+)",
        "header:x-client-ip",
    ]) {
        let format: EchoFormat = text.parse().unwrap();
        assert_eq!(format.to_string(), text);
        assert_eq!(text.parse::<EchoFormat>().unwrap(), format);
    }
    assert_eq!("header:X-Client-IP".parse::<EchoFormat>().unwrap().to_string(), "header:x-client-ip");
}

#[test]
fn faults_in_a_format_are_named_with_a_mend() {
    let large = format!("regex:({})", "[a-z]{100}".repeat(90));
    let long = format!("regex:({})", "x".repeat(2000));
    for (text, what, mend) in [
        ("", "not an echo format", "one of auto, vipwatch"),
        ("Ealen", "not an echo format", "header:x-client-ip"),
        ("json:", "begins with a slash", "json:/client/ip"),
        ("json:client/ip", "begins with a slash", "json:/client/ip"),
        ("json:/a~b", "followed by 0 or 1", "~0"),
        ("json:/a~", "followed by 0 or 1", "~0"),
        ("regex:", "no group around the address", "client="),
        ("regex:client=\\S+", "no group around the address", "client="),
        ("regex:(a)(b)", "none is named \"address\"", "(?:...)"),
        ("regex:(secret", "no regular expression: unclosed group", "client="),
        (large.as_str(), "too large", "simplify"),
        (long.as_str(), "longer than 1024 bytes", "simplify"),
        ("header:", "no header has such a name", "header:x-client-ip"),
        ("header:a b", "no header has such a name", "header:x-client-ip"),
    ] {
        let fault = text.parse::<EchoFormat>().unwrap_err();
        assert!(fault.what.contains(what) && fault.mend.contains(mend), "{text}: {fault}");
        assert!(!fault.to_string().contains("secret"), "{fault}");
    }
}
