//! What `vipwatch inspect` is pointed at, and how flows are made to it.

use std::net::IpAddr;

use url::Url;
use vipwatch_model::{
    dns::{Question, RecordKind},
    echo::EchoFormat,
    probe::Transport,
};

use crate::prober::{
    DnsExchange, DnsPurpose, Exchange, FlowMethod, Host, HttpExchange, TcpExchange, Tls, UdpExchange,
};

/// A target as it was typed, and how to reach it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    /// As it is shown: without query and credentials.
    pub(super) shown: String,
    /// How flows to it are made.
    pub(super) method: FlowMethod,
    /// What they are made of.
    pub(super) transport: Transport,
}

impl Target {
    /// Reads `http(s)://..`, `tcp://..`, `udp://..`, `dns://SERVER/NAME`, or a bare `HOST:PORT`, which is asked over HTTP.
    ///
    /// `send` is what is said first over TCP and UDP; where nothing is said, agnhost's `clientip` is.
    pub(super) fn parse(text: &str, format: EchoFormat, send: Option<&str>) -> Result<Self, String> {
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url =
            Url::parse(&url).map_err(|error| format!("{text:?} is no URL and no HOST:PORT: {error}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("leave the user's name and password out of the URL: it is shown".to_owned());
        }
        let host = url.host_str().ok_or_else(|| format!("{text:?} names no host"))?.to_owned();
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = |default: Option<u16>| {
            url.port()
                .or(default)
                .ok_or_else(|| format!("{text:?} needs a port, as in {}://{host}:8080", url.scheme()))
        };
        let family = bare.parse::<IpAddr>().ok();
        let (port, transport, exchange) = match url.scheme() {
            "http" => (port(Some(80))?, Transport::Tcp, http(&url, None)),
            "https" => (port(Some(443))?, Transport::Tcp, http(&url, Some(Tls::new(&bare)))),
            "tcp" => {
                let send = send.map_or_else(|| CLIENTIP_LINE.to_vec(), |text| line(text, "\n"));
                (port(None)?, Transport::Tcp, Exchange::Tcp(TcpExchange { send, ..TcpExchange::default() }))
            }
            "udp" => {
                let send = send.map_or_else(|| CLIENTIP.to_vec(), |text| line(text, ""));
                (port(None)?, Transport::Udp, Exchange::Udp(UdpExchange::new(send)))
            }
            "dns" => (port(Some(53))?, Transport::Udp, whoami(&url, family)?),
            other => {
                return Err(format!("{other}:// is not supported; use http, https, tcp, udp or dns"));
            }
        };
        let host = bare.parse::<IpAddr>().map_or_else(|_| Host::Name(bare), Host::Address);
        let mut shown = url.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        let method = FlowMethod { echo: Some(format), ..FlowMethod::new(host, port, exchange) };
        Ok(Self { shown: shown.to_string(), method, transport })
    }
}

/// CoreDNS' whoami answers any name; the type of the question is that of the address that comes back.
fn whoami(url: &Url, server: Option<IpAddr>) -> Result<Exchange, String> {
    let name = match url.path().trim_matches('/') {
        "" => "whoami.example.net",
        name => name,
    };
    let record = if server.is_some_and(|server| server.is_ipv6()) { RecordKind::Aaaa } else { RecordKind::A };
    let question =
        Question::new(name, record).map_err(|error| format!("{name:?} cannot be asked for: {error}"))?;
    Ok(Exchange::Dns(DnsExchange { question, tcp: false, purpose: DnsPurpose::Whoami }))
}

/// The command of agnhost netexec that tells the source address; `vipwatch echo` knows it as well.
const CLIENTIP: &[u8] = b"clientip";
const CLIENTIP_LINE: &[u8] = b"clientip\n";

fn line(text: &str, end: &str) -> Vec<u8> {
    format!("{text}{end}").into_bytes()
}

fn http(url: &Url, tls: Option<Tls>) -> Exchange {
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    // The url crate leaves a scheme's own port out of the authority.
    Exchange::Http(HttpExchange { tls, ..HttpExchange::get(url.authority(), path) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, String> {
        Target::parse(text, EchoFormat::Auto, None)
    }

    #[test]
    fn a_bare_host_and_port_is_asked_over_http() {
        let target = parse("192.0.2.201:8080").unwrap();
        assert_eq!(target.shown, "http://192.0.2.201:8080/");
        assert_eq!((target.method.host, target.method.port), (Host::Address([192, 0, 2, 201].into()), 8080));
        let target = parse("[2001:db8::201]:80").unwrap();
        assert_eq!(target.method.host, Host::Address("2001:db8::201".parse().unwrap()));
        assert_eq!(parse("echo.example.net").unwrap().method.host, Host::Name("echo.example.net".into()));
    }

    #[test]
    fn the_url_says_what_is_asked_for_and_what_is_shown() {
        let target = parse("https://echo.example.net/clientip?token=x#y").unwrap();
        assert_eq!(target.shown, "https://echo.example.net/clientip");
        let Exchange::Http(http) = &target.method.exchange else { panic!("{target:?}") };
        assert_eq!((http.path.as_str(), http.authority.as_str()), ("/clientip?token=x", "echo.example.net"));
        assert_eq!(http.tls.as_ref().unwrap().server_name, "echo.example.net");
        assert_eq!(target.method.port, 443);
    }

    #[test]
    fn without_further_words_a_plain_server_is_asked_as_agnhost_wants_it() {
        let Exchange::Udp(udp) = parse("udp://192.0.2.201:8081").unwrap().method.exchange else { panic!() };
        assert_eq!(udp.send, b"clientip");
        let target = Target::parse("tcp://[2001:db8::201]:7", EchoFormat::Auto, Some("who am i")).unwrap();
        let Exchange::Tcp(tcp) = target.method.exchange else { panic!() };
        assert_eq!(tcp.send, b"who am i\n");
    }

    #[test]
    fn a_name_server_is_asked_who_asks_it() {
        let target = parse("dns://[2001:db8::53]/me.example.net").unwrap();
        assert_eq!((target.method.port, target.transport), (53, Transport::Udp));
        let Exchange::Dns(dns) = target.method.exchange else { panic!() };
        assert_eq!(dns.question, Question::new("me.example.net", RecordKind::Aaaa).unwrap());
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_a_reason() {
        for (text, why) in [
            ("ftp://192.0.2.1/", "ftp:// is not supported"),
            ("http://user:secret@192.0.2.1/", "leave the user's name"),
            ("http://", "no URL"),
            ("udp://192.0.2.1", "needs a port"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why) && !error.contains("secret@"), "{text}: {error}");
        }
    }
}
