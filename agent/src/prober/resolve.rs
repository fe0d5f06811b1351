//! Turns a target's name into addresses, without a cache, so that a probe sees what a client starting
//! now would see. Plain addresses never come here.

use std::net::IpAddr;

use hickory_resolver::{TokioResolver, net::NetError};
use vipwatch_model::flow::{Failure, FailureKind};

/// The addresses of `name`, sorted: name servers rotate them. The caller bounds the time.
///
/// The system's name servers (`/etc/resolv.conf`) are read each time: they change while the agent runs.
pub(super) async fn addresses(name: &str) -> Result<Vec<IpAddr>, Failure> {
    let resolver = system().map_err(|error| unusable(&error))?;
    match resolver.lookup_ip(name).await {
        Ok(found) => {
            let mut addresses: Vec<IpAddr> = found.iter().collect();
            addresses.sort_unstable();
            Ok(addresses)
        }
        Err(error) if error.is_no_records_found() => {
            Err(Failure::new(FailureKind::Resolve, format!("{name} has no address")))
        }
        Err(error) => Err(unusable(&error)),
    }
}

fn system() -> Result<TokioResolver, NetError> {
    let mut builder = TokioResolver::builder_tokio()?;
    builder.options_mut().cache_size = 0;
    builder.build()
}

fn unusable(error: &NetError) -> Failure {
    Failure::new(FailureKind::Vantage, format!("this host's name resolution does not work: {error}"))
}
