//! How flows are made and what is expected of them: the keys that services and probes share.

use vipwatch_model::probe::Expectation;

use crate::prober::{DnsExchange, Pattern, ProxyVersion};

use super::{
    choice::choice,
    departure::{Departure, DepartureLayer, DepartureTable},
    dns::DnsTable,
    echo::{Echo, EchoTable},
    expect::ExpectSource,
    http::{Http, HttpTable},
    protocol::{ANSWER, DNS, ECHO, HTTP, Protocol, STREAM, Spoken, TALK, TLS},
    reader::{Reader, Slot},
    table::table,
    tls::{Tls, TlsTable},
    value::{Complaint, Text, text_values},
};

/// How flows are made, wherever they go, and what is expected of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Flows {
    /// What is said.
    pub speech: Speech,
    /// How the answer tells the source address that the far side sees; without it only reachability is watched.
    pub echo: Option<Echo>,
    /// What that source address ought to be; without an echo that an answer comes.
    pub expectation: Expectation,
    /// The version of the PROXY protocol's header to begin with.
    pub proxy_protocol: Option<ProxyVersion>,
    /// How the flows leave this host.
    pub departure: Departure,
}

/// What is said in a flow.
#[derive(Debug, Clone, PartialEq)]
pub enum Speech {
    /// HTTP/1.1, over TLS where there is any.
    Http {
        /// What is asked.
        request: Http,
        /// What is found in the answer's body.
        expect: Option<Pattern>,
        /// HTTPS.
        tls: Option<Tls>,
    },
    /// A few bytes over TCP, over TLS where there is any.
    Tcp {
        /// What is said.
        talk: Talk,
        /// TLS.
        tls: Option<Tls>,
    },
    /// A datagram.
    Udp(Talk),
    /// A question to a name server.
    Dns(DnsExchange),
}

/// What is sent, and what is found in the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Talk {
    /// What is sent; nothing at all where it is empty.
    pub send: Vec<u8>,
    /// What is found in the answer.
    pub expect: Option<Pattern>,
}

choice! {
    ProxyVersion: "a version of the PROXY protocol" {
        "v1" => ProxyVersion::V1,
        "v2" => ProxyVersion::V2,
    }
}

table! {
    /// How flows are made and what is expected of them.
    pub(super) struct FlowsTable {
        /// What is asked over HTTP.
        flatten http: HttpTable,
        /// What is sent, with tcp, tls and udp: "clientip" asks agnhost, for example.
        optional send: Payload,
        /// A regular expression that has to be found in the answer; with http and https in its body.
        optional expect_answer: Pattern,
        /// Whom to trust and as whom to appear, with https and tls.
        optional tls: TlsTable,
        /// What is asked of a name server, with dns.
        optional dns: DnsTable,
        /// The version of the PROXY protocol's header to begin each connection with, for a target that
        /// takes connections from a proxy only. An echo that believes it tells the header's address, whatever
        /// became of the connection's: see docs/ingress.md.
        optional proxy_protocol: ProxyVersion,
        /// What the source address that the echo tells ought to be: "preserved" (the agent's own), "header"
        /// (the agent's own, in the headers by which proxies name a client), "any", or one of a list of
        /// addresses and networks. Left out: "preserved", but "any" for a Service whose policy is Cluster.
        optional expect_source: ExpectSource,
        /// How the flows leave this host.
        flatten departure: DepartureTable,
    }
}

/// What is sent to a server that speaks neither HTTP nor DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Payload(String);

/// The largest payload: it fits into a datagram on every path.
const LARGEST_PAYLOAD: usize = 1200;

impl Text for Payload {
    const WHAT: &'static str = "a text of up to 1200 bytes";
    const EXAMPLE: &'static str = "clientip";

    fn parse(text: &str) -> Result<Self, Complaint> {
        if text.is_empty() || text.len() > LARGEST_PAYLOAD {
            return Err(Complaint::expected::<Self>());
        }
        Ok(Self(text.to_owned()))
    }
}

text_values!(Payload);

/// What follows for the flows from the keys around them.
pub(super) struct Setting<'a> {
    /// What is spoken.
    pub(super) spoken: Spoken,
    /// What is asked for over HTTP.
    pub(super) path: String,
    /// How the answer tells the source address.
    pub(super) echo: Slot<EchoTable>,
    /// What is expected of an echo unless something else is said.
    pub(super) implied: Expectation,
    /// How flows leave this host unless something else is said.
    pub(super) below: &'a DepartureLayer,
}

impl FlowsTable {
    pub(super) fn resolve(self, setting: Setting<'_>, reader: &mut Reader<'_>) -> Option<Flows> {
        let Setting { spoken, path, echo, implied, below } = setting;
        self.check(&spoken, &echo, reader);
        let departure = self.departure.layer(below, reader).departure();
        // Each of them reports its faults, so all are resolved before the first missing one ends it.
        let request = spoken.is_one_of(HTTP).then(|| self.http.resolve(path, reader)).flatten();
        let tls = match self.tls {
            Slot::Given(tls) if spoken.is_one_of(TLS) => tls.value.resolve(reader),
            Slot::Absent => Some(Tls::built_in()),
            _ => None,
        };
        let dns = match self.dns {
            Slot::Given(dns) if spoken.is_one_of(DNS) => dns.value.resolve(&echo, reader),
            _ => None,
        };
        let expect = self.expect_answer.optional();
        let send = self.send.optional().map(|send| send.map(|Payload(text)| text.into_bytes()));
        let talk = send.zip(expect.clone());
        let talk = talk.map(|(send, expect)| Talk { send: send.unwrap_or_default(), expect });
        let echo = match echo.optional()? {
            Some(echo) => Some(echo.resolve()?),
            None => None,
        };
        let implied = if echo.is_some() { implied } else { Expectation::Answer };
        Some(Flows {
            speech: match spoken.value {
                Protocol::Http => Speech::Http { request: request?, expect: expect?, tls: None },
                Protocol::Https => Speech::Http { request: request?, expect: expect?, tls: Some(tls?) },
                Protocol::Tcp => Speech::Tcp { talk: talk?, tls: None },
                Protocol::Tls => Speech::Tcp { talk: talk?, tls: Some(tls?) },
                Protocol::Udp => Speech::Udp(talk?),
                Protocol::Dns => Speech::Dns(dns?),
                Protocol::Icmp => return None,
            },
            echo,
            expectation: self.expect_source.optional()?.map_or(implied, |ExpectSource(expect)| expect),
            proxy_protocol: self.proxy_protocol.optional()?,
            departure: departure?,
        })
    }

    /// Reports keys that do not go together.
    pub(super) fn check(&self, spoken: &Spoken, echo: &Slot<EchoTable>, reader: &mut Reader<'_>) {
        self.http.check(spoken, reader);
        spoken.takes("send", &self.send, TALK, reader);
        spoken.takes("expect_answer", &self.expect_answer, ANSWER, reader);
        spoken.takes("tls", &self.tls, TLS, reader);
        spoken.takes("dns", &self.dns, DNS, reader);
        spoken.takes("proxy_protocol", &self.proxy_protocol, STREAM, reader);
        spoken.takes("echo", echo, ECHO, reader);
        if let Some(echo) = echo.given() {
            echo.value.check(spoken, reader);
        }
        if !echo.given().is_some_and(|echo| echo.value.is_header()) {
            self.http.has_body("echo", echo, reader);
        }
        self.http.has_body("expect_answer", &self.expect_answer, reader);
        self.check_expectation(spoken, echo, reader);
        self.check_dns(spoken, reader);
        if spoken.value == Protocol::Udp && self.send.is_absent() {
            reader
                .missing(spoken.place(), "udp needs something to send")
                .hint("add for example send = \"clientip\", which agnhost and vipwatch echo understand");
        }
    }

    fn check_expectation(&self, spoken: &Spoken, echo: &Slot<EchoTable>, reader: &mut Reader<'_>) {
        spoken.takes("expect_source", &self.expect_source, ECHO, reader);
        let Some(expect) = self.expect_source.given().filter(|_| spoken.is_one_of(ECHO)) else { return };
        if echo.is_absent() {
            reader
                .fault(expect.place(), "a source address is expected, but nothing tells which one is seen")
                .hint("add echo = { format = \"auto\" }, or leave expect_source out");
        } else if expect.value.0 == Expectation::InHeader && !spoken.is_one_of(HTTP) {
            reader
                .fault(expect.place(), "only HTTP has headers in which a proxy names the client")
                .also(spoken.span.as_ref(), "this makes it something else");
        }
    }

    fn check_dns(&self, spoken: &Spoken, reader: &mut Reader<'_>) {
        if spoken.value != Protocol::Dns {
            return;
        }
        if self.dns.is_absent() {
            reader
                .missing(spoken.place(), "dns needs a question to ask")
                .hint("add for example dns = { name = \"echo.example.net\" }");
        }
        let over_udp = self.dns.given().is_some_and(|dns| !dns.value.is_over_tcp());
        if let Some(header) = self.proxy_protocol.given().filter(|_| over_udp) {
            reader
                .fault(
                    header.place(),
                    "the PROXY protocol goes with connections, and DNS travels over UDP here",
                )
                .hint("leave it out, or write transport = \"tcp\" into dns");
        }
    }
}
