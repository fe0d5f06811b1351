//! `[[probe]]`: what else to watch.

use std::net::IpAddr;

use url::{Host as UrlHost, Url};
use vipwatch_model::probe::Expectation;

use crate::prober::{Bind, Host};

use super::{
    address::OpenUrl,
    choice::choice,
    departure::DepartureLayer,
    echo::EchoTable,
    flows::{Flows, FlowsTable, Setting},
    meaning::Deciding as _,
    name::Name,
    occasion::Occasions,
    protocol::{HTTP, Protocol, Spoken, Takers},
    reader::{At, Reader, Slot},
    rule::{AlertRules, ProbeRulesTable, RulesLayer},
    table::table,
    target::Target,
    timing::{Layer, Timing, TimingTable},
    value::Text as _,
};

/// Something that belongs to no Service.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Its name, unique among the probes.
    pub name: String,
    /// Its target as a URL, without what might be a secret.
    pub url: String,
    /// What is done there.
    pub errand: Errand,
    /// When and how persistently it is probed.
    pub timing: Timing,
    /// When its alerts are opened.
    pub alerts: AlertRules,
}

/// What a probe does at its target.
#[derive(Debug, Clone, PartialEq)]
pub enum Errand {
    /// Flows to a port.
    Flows {
        /// Where to.
        host: Host,
        /// The port there.
        port: u16,
        /// How they are made.
        flows: Box<Flows>,
    },
    /// Echo requests of ICMP.
    Ping {
        /// Where to.
        address: IpAddr,
        /// How they leave this host.
        bind: Bind,
    },
}

/// What a probe speaks; `http` covers https.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind(Protocol);

choice! {
    Kind: "a kind of probe" {
        "http" => Kind(Protocol::Http),
        "tcp" => Kind(Protocol::Tcp),
        "tls" => Kind(Protocol::Tls),
        "udp" => Kind(Protocol::Udp),
        "dns" => Kind(Protocol::Dns),
        "icmp" => Kind(Protocol::Icmp),
    }
    later { "arp" }
    elsewhere {
        "https" => "write kind = \"http\" and an https URL",
        "ping" => "write kind = \"icmp\"",
        "node_health" => "it belongs to a service: health_check_node_port in its [[service]] asks every node",
        "kube_proxy_health" => "it belongs to the nodes: kube_proxy_health_port in [cluster] asks every node",
    }
}

/// What takes an address instead of a URL.
const ADDRESS: Takers = &[Protocol::Tcp, Protocol::Tls, Protocol::Udp, Protocol::Dns, Protocol::Icmp];

table! {
    /// A probe of something that is no Kubernetes Service.
    pub(super) struct ProbeTable {
        /// The probe's name.
        required name: Name,
        /// What it speaks; "http" covers https.
        decides kind: Kind,
        /// The URL to ask for, with http.
        optional url: OpenUrl,
        /// Where to go, with every other kind: an address or a name, and a port (but with icmp an address
        /// alone).
        optional address: Target,
        /// How the answer tells which source address the far side sees. Left out: only reachability is
        /// watched.
        optional echo: EchoTable,
        /// How its flows are made and what is expected of them.
        flatten flows: FlowsTable,
        /// The probe's own timing.
        flatten timing: TimingTable,
        /// The probe's own rules for its alerts.
        optional alerts: ProbeRulesTable,
    }
}

impl ProbeTable {
    pub(super) fn resolve(
        self,
        timing: &Layer,
        rules: &RulesLayer,
        departure: &DepartureLayer,
        reader: &mut Reader<'_>,
    ) -> Option<Probe> {
        let timing = self.timing.clone().layer(timing, reader).timing();
        let spoken = self.spoken()?;
        let place = self.place(&spoken, reader);
        if let Some(address) = place.as_ref().and_then(Place::address) {
            self.flows.departure.names_nothing("the target is an address, not a name", reader);
            self.flows.departure.families(&[address], reader);
        }
        let (name, url) = (self.name.clone().required(), self.shown(&spoken));
        let errand = if spoken.value == Protocol::Icmp {
            self.flows.check(&spoken, &self.echo, reader);
            let departure = self.flows.departure.layer(departure, reader).departure();
            let Some(Place::Node(address)) = place else { return None };
            Errand::Ping { address, bind: departure?.bind }
        } else {
            let path = self.url.given().map_or_else(String::new, |url| path(&url.value.0));
            let implied = Expectation::Preserved;
            let setting = Setting { spoken, path, echo: self.echo, implied, below: departure };
            let flows = Box::new(self.flows.resolve(setting, reader)?);
            let Some(Place::Port(host, port)) = place else { return None };
            Errand::Flows { host, port, flows }
        };
        let occasions = match &errand {
            Errand::Flows { flows, .. } => Occasions::of(flows),
            Errand::Ping { .. } => Occasions::default(),
        };
        let rules = rules.with(&self.alerts, Some(&occasions), reader);
        let timing = timing?;
        Some(Probe { name: name?.0, url: url?, errand, alerts: rules.rules(&timing)?, timing })
    }

    /// What is spoken: by the kind, and for HTTP by the URL.
    fn spoken(&self) -> Option<Spoken> {
        let kind = self.kind.given()?;
        let tls = self.url.given().filter(|url| url.value.0.scheme() == "https");
        Some(match (kind.value.0, tls) {
            (Protocol::Http, Some(url)) => Spoken { value: Protocol::Https, span: url.span.clone() },
            (value, _) => Spoken { value, span: kind.span.clone() },
        })
    }

    /// Where the probe goes; nothing after a fault.
    fn place(&self, spoken: &Spoken, reader: &mut Reader<'_>) -> Option<Place> {
        spoken.takes("url", &self.url, HTTP, reader);
        spoken.takes("address", &self.address, ADDRESS, reader);
        match (spoken.is_one_of(HTTP), &self.url, &self.address) {
            (true, Slot::Given(url), _) => return of_url(&url.value.0),
            (false, _, Slot::Given(target)) => return of_address(spoken, target, reader),
            (true, Slot::Absent, _) => {
                let hint = format!("add for example url = {:?}", OpenUrl::EXAMPLE);
                reader.missing(spoken.place(), "http needs the key url").hint(hint);
            }
            (false, _, Slot::Absent) => {
                let word = spoken.value.word();
                let hint = format!("add for example address = {:?}", example(spoken));
                reader.missing(spoken.place(), format!("{word} needs the key address")).hint(hint);
            }
            _ => {}
        }
        None
    }

    /// The target as a URL. A query may hold a token, and this is shown everywhere.
    fn shown(&self, spoken: &Spoken) -> Option<String> {
        if let Some(url) = self.url.given() {
            let mut url = url.value.0.clone();
            url.set_query(None);
            url.set_fragment(None);
            return Some(url.into());
        }
        let target = &self.address.given()?.value;
        let question = self.flows.dns.given().and_then(|dns| dns.value.name.given());
        let question = question.map_or_else(String::new, |name| format!("/{}", name.value.0));
        Some(format!("{}://{target}{question}", spoken.value.word()))
    }
}

/// Where a probe goes.
enum Place {
    Port(Host, u16),
    Node(IpAddr),
}

impl Place {
    /// The address, unless it takes a name server to know it.
    fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Port(Host::Address(address), _) | Self::Node(address) => Some(*address),
            Self::Port(Host::Name(_), _) => None,
        }
    }
}

fn of_url(url: &Url) -> Option<Place> {
    let host = match url.host()? {
        UrlHost::Domain(name) => Host::Name(name.to_owned()),
        UrlHost::Ipv4(address) => Host::Address(address.into()),
        UrlHost::Ipv6(address) => Host::Address(address.into()),
    };
    Some(Place::Port(host, url.port_or_known_default()?))
}

fn of_address(spoken: &Spoken, target: &At<Target>, reader: &mut Reader<'_>) -> Option<Place> {
    let wrong = match (spoken.value, &target.value) {
        (Protocol::Icmp, Target::Host(Host::Address(address))) => return Some(Place::Node(*address)),
        (Protocol::Icmp, Target::Host(Host::Name(_))) => "icmp takes an address, not a name",
        (Protocol::Icmp, Target::Server(_)) => "icmp takes an address and no port",
        (_, Target::Server(server)) => return Some(Place::Port(server.host.clone(), server.port)),
        (_, Target::Host(_)) => "the port is missing",
    };
    reader.fault(target.place(), wrong).hint(format!("for example {:?}", example(spoken)));
    None
}

fn example(spoken: &Spoken) -> &'static str {
    if spoken.value == Protocol::Icmp { "192.0.2.30" } else { Target::EXAMPLE }
}

/// Path and query of a URL.
fn path(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}
