//! The flows of one round: to every address of the target, side by side.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures_util::future::{OptionFuture, join_all};
use tokio::time::{Instant, timeout};
use vipwatch_model::{
    echo::EchoFormat,
    flow::{Failure, FailureKind, Flow, Outcome},
    observation::{Lookup, Sight},
};

use super::{
    NO_SLOT, Prober,
    connection::{self, Wire},
    dns,
    flow::{Ended, Progress, micros, until},
    http::{self, Ask},
    method::{Bind, Exchange, FlowMethod, Host, Tls},
    ping, resolve, tcp, tls, udp,
};
use crate::plan::Planned;

/// The most addresses of one name that are probed in a round.
const ADDRESS_CAP: usize = 32;

impl Prober {
    /// Makes the flows of a round, and looks up beside them the name that ought to lead where they go. That this
    /// fails is no fault of the flows.
    pub(super) async fn flows(&self, planned: &Planned, method: &FlowMethod) -> Sight {
        let name = method.dns_name.as_deref();
        let lookup = OptionFuture::from(name.map(|name| self.look_up(name, method, planned.timeout)));
        let (mut sight, lookup) = tokio::join!(self.flows_to_host(planned, method), lookup);
        if let Some(Ok(lookup)) = lookup {
            sight.lookup = Some(lookup);
        }
        sight
    }

    /// A name is looked up once for all flows of a round. Each of them would have had to on its own, so each counts the
    /// time, and has what is left.
    async fn flows_to_host(&self, planned: &Planned, method: &FlowMethod) -> Sight {
        let name = match &method.host {
            Host::Address(address) => return self.flows_to(planned, method, &[*address], None).await,
            Host::Name(name) => name,
        };
        let started = Instant::now();
        match self.look_up(name, method, planned.timeout).await {
            Ok(lookup) => {
                let took = started.elapsed();
                let mut sight = self.flows_to(planned, method, &lookup.addresses, Some(took)).await;
                sight.lookup = Some(lookup);
                sight
            }
            Err(failure) => {
                let flow = Flow::failed(None, failure.kind, failure.detail);
                vec![flow; planned.flows as usize].into()
            }
        }
    }

    /// As many flows as are planned, at least one to each address.
    async fn flows_to(
        &self,
        planned: &Planned,
        method: &FlowMethod,
        addresses: &[IpAddr],
        looked_up_in: Option<Duration>,
    ) -> Sight {
        let addresses = &addresses[..addresses.len().min(ADDRESS_CAP)];
        let flows = addresses.len().max(planned.flows as usize);
        let limit = planned.timeout.saturating_sub(looked_up_in.unwrap_or_default());
        let flow = |(address, canary): (&IpAddr, bool)| {
            let mut progress = Progress::towards(SocketAddr::new(*address, method.port));
            progress.phases.resolve_us = looked_up_in.map(micros);
            self.flow(planned, method, progress, limit, canary)
        };
        let measuring = addresses.iter().cycle().take(flows).map(|address| (address, false));
        let with_canary = method.canary && matches!(method.exchange, Exchange::Http(_));
        let canary = addresses.iter().take(usize::from(with_canary)).map(|address| (address, true));
        let mut sight = Sight::default();
        for Ended { flow, certificate } in join_all(measuring.chain(canary).map(flow)).await {
            sight.flows.push(flow);
            sight.certificate = sight.certificate.or(certificate);
        }
        self.blame_ourselves(&method.bind, &mut sight.flows).await;
        sight.canary = sight.flows.pop_if(|_| with_canary).map(Box::new);
        sight
    }

    /// As many echo requests as flows are planned.
    pub(super) async fn pings(&self, planned: &Planned, address: IpAddr, bind: &Bind) -> Sight {
        let ping = |nth: u32| async move {
            let mut progress = Progress::towards(SocketAddr::new(address, 0));
            let Some(_slot) = self.slot(planned).await else { return progress.ended(Err(no_slot())).flow };
            // Sequence numbers count around.
            let nth = u16::try_from(nth & 0xffff).unwrap_or_default();
            let outcome = until(Instant::now() + planned.timeout, ping::ping(bind, nth, &mut progress)).await;
            progress.ended(outcome).flow
        };
        let mut flows = join_all((0..planned.flows).map(ping)).await;
        self.blame_ourselves(bind, &mut flows).await;
        flows.into()
    }

    async fn flow(
        &self,
        planned: &Planned,
        method: &FlowMethod,
        mut progress: Progress,
        limit: Duration,
        canary: bool,
    ) -> Ended {
        let Some(_slot) = self.slot(planned).await else { return progress.ended(Err(no_slot())) };
        let deadline = Instant::now() + limit;
        let outcome = until(deadline, self.attempt(method, canary, deadline, &mut progress)).await;
        let mut ended = progress.ended(outcome);
        // What comes back may be no more than what was sent, unless the echo tells the two apart or was told where to look.
        if method.proxy_header.is_some()
            && matches!(method.echo, Some(EchoFormat::Auto | EchoFormat::Known(_)))
            && let (Outcome::Echoed(report), Some(local)) = (&mut ended.flow.outcome, ended.flow.local)
            && report.forwarded.is_empty()
        {
            report.trusts_headers = true;
            report.forwarded.push(local.ip());
        }
        ended
    }

    async fn attempt(
        &self,
        method: &FlowMethod,
        canary: bool,
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<Outcome, Failure> {
        progress.begin();
        let echo = method.echo.as_ref();
        match &method.exchange {
            Exchange::Http(exchange) => {
                let wire = self.open(method, exchange.tls.as_ref(), progress).await?;
                let ask = Ask::of(exchange, echo, canary);
                let answer = http::exchange(wire, &ask, progress).await?;
                Ok(http::outcome(&exchange.expect, echo, &answer))
            }
            Exchange::Tcp(exchange) => {
                let wire = self.open(method, exchange.tls.as_ref(), progress).await?;
                tcp::exchange(wire, exchange, echo, deadline, progress).await
            }
            Exchange::Udp(exchange) => udp::exchange(&method.bind, exchange, echo, progress).await,
            Exchange::Dns(exchange) if exchange.tcp => {
                let wire = self.open(method, None, progress).await?;
                dns::over_tcp(wire, exchange, progress).await
            }
            Exchange::Dns(exchange) => dns::over_udp(&method.bind, exchange, progress).await,
            Exchange::Tls(exchange) => {
                let wire = self.open(method, Some(exchange), progress).await?;
                tls::part(wire, progress).await
            }
        }
    }

    async fn open(
        &self,
        method: &FlowMethod,
        tls: Option<&Tls>,
        progress: &mut Progress,
    ) -> Result<Wire, Failure> {
        let tls = tls.map(|tls| (tls, &self.handshakes));
        connection::open(&method.bind, method.proxy_header, tls, progress).await
    }

    /// The addresses of a name. The way to the probe's own name servers may be barred here like any other.
    async fn look_up(&self, name: &str, method: &FlowMethod, limit: Duration) -> Result<Lookup, Failure> {
        let servers = &method.name_servers;
        let found = timeout(limit, resolve::addresses(name, servers)).await;
        match (found.unwrap_or_else(|_| Err(resolve::silent(servers))), servers.first()) {
            (Ok(addresses), _) => Ok(Lookup { name: name.to_owned(), addresses }),
            (Err(failure), None) => Err(failure),
            (Err(failure), Some(server)) => {
                let unbound = Bind::default();
                let ours = self.routes.failure_of_ours(FailureKind::Timeout, server.ip(), &unbound);
                Err(ours.await.unwrap_or(failure))
            }
        }
    }

    /// Asks, once per address and kind, whether failures have their cause on this host.
    async fn blame_ourselves(&self, bind: &Bind, flows: &mut [Flow]) {
        let mut asked: Option<(IpAddr, FailureKind, Option<Failure>)> = None;
        for flow in flows {
            let (Some(remote), Outcome::Failed(failure)) = (flow.remote, &mut flow.outcome) else { continue };
            let key = (remote.ip(), failure.kind);
            if asked.as_ref().is_none_or(|(address, kind, _)| (*address, *kind) != key) {
                asked = Some((key.0, key.1, self.routes.failure_of_ours(key.1, key.0, bind).await));
            }
            if let Some((_, _, Some(ours))) = &asked {
                *failure = ours.clone();
            }
        }
    }
}

fn no_slot() -> Failure {
    Failure::new(FailureKind::Agent, NO_SLOT)
}
