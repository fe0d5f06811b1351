//! Asking a web page that echoes its client's address: a flow of the prober's, so that its own end is known and can be
//! chosen.

use std::{net::IpAddr, time::Duration};

use url::Url;
use vipwatch_model::echo::EchoFormat;

use super::{echo, memory::Answer};
use crate::{
    plan::Planned,
    prober::{FlowMethod, Method, Prober},
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
    let mut method = FlowMethod { echo: Some(format), ..FlowMethod::get(url) };
    method.bind.addresses.extend(from);
    let method = Method::Flows(Box::new(method));
    let observation = prober.observe(&Planned::once(name, method, limit)).await;
    echo::answers(name, from, &observation, Ok)
}
