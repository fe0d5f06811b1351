//! What holds for every body: a report or a named error and no panic, nothing of the body in an error, and the same
//! report whichever way a server writes an address.

use std::{fmt::Write as _, net::IpAddr};

use proptest::{prelude::*, sample::Index};
use vipwatch_model::{
    echo::{EchoFormat, KnownFormat, Reply},
    flow::SourceReport,
};

use crate::echo::SAMPLES;

/// The most of a body that the agent reads.
const CAP: usize = 64 * 1024;

/// All formats, with one of each kind that is told by its place.
fn formats() -> Vec<EchoFormat> {
    let places = [
        "json:/host/ip",
        "json:/headers/x-forwarded-for",
        r"regex:(?<address>\S+?)[: ](?<port>\d+)",
        "regex:(.*)",
    ];
    EchoFormat::words().chain(places).map(|text| text.parse().unwrap()).collect()
}

/// Reads `body` in every format and checks what must hold of each report.
fn read_all(body: &[u8]) {
    for format in formats() {
        if let Ok(report) = format.read(&Reply::of(body)) {
            assert_eq!(report.address, report.address.to_canonical());
            assert!(report.forwarded.len() <= 16 && report.port != Some(0), "{report:?}");
            for name in [&report.node, &report.pod].into_iter().flatten() {
                assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.'), "{name}");
            }
        }
    }
}

/// A body as the servers of `format` write it.
fn written(format: KnownFormat, address: &str, port: u16, forwarded: &str) -> String {
    let socket =
        if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
    let headers = format!(r#"{{"accept":"*/*","x-forwarded-for":"{forwarded}"}}"#);
    let lists = format!(r#"{{"Accept":["*/*"],"X-Forwarded-For":["{forwarded}"]}}"#);
    match format {
        KnownFormat::Vipwatch => format!(
            r#"{{"vipwatch_echo":1,"peer":{{"address":"{address}","port":{port}}},"headers":{headers}}}"#
        ),
        KnownFormat::Ealen => format!(
            r#"{{"host":{{"hostname":"x","ip":"{address}","ips":[]}},"request":{{"headers":{headers}}}}}"#
        ),
        KnownFormat::Address => socket,
        KnownFormat::Whoami => format!(
            "Hostname: x\nIP: 192.0.2.77\nRemoteAddr: {socket}\nGET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {forwarded}\r\n\r\n"
        ),
        KnownFormat::Mendhak => {
            format!(r#"{{"path":"/","headers":{headers},"ip":"{address}","ips":[],"os":{{"hostname":"x"}}}}"#)
        }
        KnownFormat::Echoserver => {
            let mut body = format!(
                "\n\nHostname: x\n\nRequest Information:\n\tclient_address={address}\n\tmethod=GET\n"
            );
            write!(body, "\nRequest Headers:\n\tx-forwarded-for={forwarded}  \n\nRequest Body:\n").unwrap();
            body
        }
        KnownFormat::Httpbin => {
            format!(r#"{{"args":{{}},"headers":{lists},"origin":"{address}","url":"http://x/"}}"#)
        }
        KnownFormat::Kubenurse => format!(
            r#"{{"hostname":"x","headers":{lists},"user_agent":"","request_uri":"/","remote_addr":"{socket}"}}"#
        ),
    }
}

fn has_port(format: KnownFormat) -> bool {
    use KnownFormat::{Address, Kubenurse, Vipwatch, Whoami};
    matches!(format, Address | Kubenurse | Vipwatch | Whoami)
}

fn read(body: &str) -> SourceReport {
    "auto"
        .parse::<EchoFormat>()
        .unwrap()
        .read(&Reply::of(body.as_bytes()))
        .unwrap_or_else(|e| panic!("{e}: {body}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_bytes_up_to_the_cap_give_a_report_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..=CAP)) {
        read_all(&body);
    }

    /// A beginning that some parser likes, over and over up to the cap.
    #[test]
    fn no_repetition_is_too_much(
        piece in r#"[\[{"]{1,3}|"[a-z]{1,8}":|x-forwarded-for=|for=\[?::1,|IP: 192\.0\.2\.1\n|\n\t|\PC{1,8}"#,
        sample in any::<Index>(),
    ) {
        let mut body = sample.get(SAMPLES).1.to_vec();
        body.extend(piece.as_bytes().iter().cycle().take(CAP - body.len()));
        read_all(&body);
        read_all(&piece.repeat(CAP / piece.len()).into_bytes());
    }
}

proptest! {
    #[test]
    fn damaged_bodies_give_a_report_or_an_error(
        sample in any::<Index>(),
        from in any::<Index>(),
        length in 0usize..24,
        with in proptest::collection::vec(any::<u8>(), 0..24),
    ) {
        let mut body = sample.get(SAMPLES).1.to_vec();
        let from = from.index(body.len());
        let end = body.len().min(from + length);
        body.splice(from..end, with);
        read_all(&body);
    }

    #[test]
    fn an_error_never_quotes_the_body(secret in "[a-z]{12}") {
        for body in [
            secret.clone(),
            format!(r#"{{"host":{{"ip":"{secret}","ips":[]}},"request":1}}"#),
            format!(r#"{{"origin":"{secret}"}}"#),
            format!(r#"{{"{secret}":"192.0.2.9"}}"#),
            format!("Hostname: {secret}\nRemoteAddr: {secret}\n"),
            format!("Request served by {secret}\n"),
        ] {
            for format in formats() {
                let error = format.read(&Reply::of(body.as_bytes())).unwrap_err();
                prop_assert!(!format!("{error} {error:?}").contains(&secret), "{error}");
            }
        }
    }

    #[test]
    fn what_a_server_writes_is_read_back(
        address: IpAddr, port in 1u16.., client: [u8; 4], proxy: [u8; 16],
    ) {
        let forwarded = [IpAddr::from(client), IpAddr::from(proxy)];
        let list = format!("{}, {}", forwarded[0], forwarded[1]);
        for format in KnownFormat::ALL {
            let report = read(&written(*format, &address.to_string(), port, &list));
            prop_assert_eq!(report.address, address.to_canonical(), "{}", format);
            prop_assert_eq!(report.port, has_port(*format).then_some(port), "{}", format);
            prop_assert_eq!(report.trusts_headers, format.trusts_headers(), "{}", format);
            if *format != KnownFormat::Address {
                prop_assert_eq!(&report.forwarded, &forwarded.map(|address| address.to_canonical()), "{}", format);
            }
        }
    }

    #[test]
    fn a_mapped_address_is_the_plain_one(octets: [u8; 4], port in 1u16.., client: [u8; 4]) {
        let [plain, client] = [octets, client].map(std::net::Ipv4Addr::from);
        let mapped = plain.to_ipv6_mapped().to_string();
        for format in KnownFormat::ALL {
            let as_plain = read(&written(*format, &plain.to_string(), port, &client.to_string()));
            let as_mapped = read(&written(*format, &mapped, port, &client.to_ipv6_mapped().to_string()));
            prop_assert_eq!(as_plain, as_mapped, "{}", format);
        }
    }

    #[test]
    fn no_text_is_a_format_that_cannot_be_written_again(text in "(json:/|regex:\\(|header:)?\\PC{0,40}") {
        if let Ok(format) = text.parse::<EchoFormat>() {
            prop_assert_eq!(format.to_string().parse::<EchoFormat>().unwrap(), format);
        }
    }
}
