//! Asking a web page that echoes its client's address: a flow of the prober's, so that its own end is known and can be
//! chosen.

use std::{net::IpAddr, time::Duration};

use url::{Host as UrlHost, Url};
use vipwatch_model::{
    echo::EchoFormat,
    probe::{Expectation, Limits, Probe, ProbeName, Subject, Transport},
    rule::Rules,
};

use super::{echo, memory::Answer};
use crate::{
    plan::Planned,
    prober::{Exchange, FlowMethod, Host, HttpExchange, Method, Prober, Tls},
    schedule::Schedule,
};

/// What the page at `url` sees of this agent: one answer per address family, or for that of `from` alone.
pub(super) async fn ask(
    prober: &Prober,
    name: &str,
    url: &Url,
    format: EchoFormat,
    from: Option<IpAddr>,
    limit: Duration,
) -> Vec<Answer> {
    let mut method = FlowMethod { echo: Some(format), ..to(url) };
    method.bind.addresses.extend(from);
    let observation = prober.observe(&once(name, method, limit)).await;
    echo::answers(name, from, &observation, Ok)
}

fn to(url: &Url) -> FlowMethod {
    let host = match url.host() {
        Some(UrlHost::Ipv4(address)) => Host::Address(address.into()),
        Some(UrlHost::Ipv6(address)) => Host::Address(address.into()),
        Some(UrlHost::Domain(name)) => Host::Name(name.to_owned()),
        None => Host::Name(String::new()),
    };
    let name = url.host_str().unwrap_or_default();
    let authority = url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let mut exchange = HttpExchange::get(authority, path);
    exchange.tls = (url.scheme() == "https").then(|| Tls::new(name.trim_matches(['[', ']'])));
    FlowMethod::new(host, url.port_or_known_default().unwrap_or(80), Exchange::Http(exchange))
}

/// A round of one flow per address, for once.
fn once(name: &str, method: FlowMethod, limit: Duration) -> Planned {
    let gap = 2 * limit;
    Planned {
        probe: Probe {
            name: ProbeName::new(name),
            subject: Subject::Endpoint { url: name.to_owned() },
            transport: Transport::Tcp,
            vips: Vec::new(),
            expectation: Expectation::Any,
            rules: Rules::uniform(1, 1, chrono::TimeDelta::MAX),
            limits: Limits::default(),
            labels: std::collections::BTreeMap::new(),
        },
        method: Method::Flows(Box::new(method)),
        schedule: Schedule::Every(gap),
        gap,
        timeout: limit,
        flows: 1,
    }
}
