//! One learning: everybody who is named in `[egress]` is asked, over every way, all at once.

use std::net::{IpAddr, SocketAddr};

use futures_util::future::join_all;
use vipwatch_model::egress::Family;

use super::{
    dns, http,
    memory::{Answer, Question},
    reference, stun,
};
use crate::{
    config::{self, Asked, EgressSource, Server},
    plan::Plan,
    prober::{self, Host, Prober},
};

/// Asks everybody. Bounded by the time that looking up a name and one answer may take together.
pub(super) async fn everybody(plan: &Plan, prober: &Prober) -> Vec<Answer> {
    let asked = plan.egress.sources.iter().map(|source| async move {
        let name = source.to_string();
        match source {
            EgressSource::Server { server, asked } => ask_server(&plan.egress, &name, server, asked).await,
            EgressSource::Page { url, format } => {
                let ways =
                    std::iter::once(None).chain(plan.egress.source_addresses.iter().copied().map(Some));
                let limit = plan.egress.timeout;
                join_all(ways.map(|from| http::ask(prober, &name, url, format.clone(), from, limit)))
                    .await
                    .concat()
            }
            EgressSource::Reference(probe) => reference::ask(prober, &name, plan, probe).await,
        }
    });
    join_all(asked).await.concat()
}

async fn ask_server(settings: &config::Egress, name: &str, server: &Server, asked: &Asked) -> Vec<Answer> {
    let limit = settings.timeout;
    let addresses = match &server.host {
        Host::Address(address) => Ok(vec![*address]),
        Host::Name(name) => prober::addresses_of(name, limit).await,
    };
    let questions = Family::ALL.into_iter().flat_map(|family| {
        let source = name.to_owned();
        ways(settings, family).map(move |from| Question { source: source.clone(), family, from })
    });
    let answers = questions.map(|question| async {
        let of_family = |address: &&IpAddr| Family::of(**address) == question.family;
        let address = match &addresses {
            Ok(addresses) => addresses.iter().find(of_family),
            Err(failure) => return Answer { question, heard: Err(failure.detail.clone()) },
        };
        let heard = match (address.map(|address| SocketAddr::new(*address, server.port)), asked) {
            (Some(server), Asked::Stun) => stun::ask(server, question.from, limit).await,
            (Some(server), Asked::Dns { name, record }) => {
                dns::ask(server, question.from, name, *record, limit).await
            }
            (None, _) => Err(format!("it has no {} address", question.family)),
        };
        Answer { question, heard }
    });
    join_all(answers).await
}

/// The addresses of this host to ask from over `family`; `None` leaves it to the routing table.
fn ways(settings: &config::Egress, family: Family) -> impl Iterator<Item = Option<IpAddr>> {
    let given =
        settings.source_addresses.iter().copied().filter(move |address| Family::of(*address) == family);
    std::iter::once(None).chain(given.map(Some))
}
