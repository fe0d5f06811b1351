//! Turns a target's name into addresses, without a cache, so that a probe sees what a client starting
//! now would see. Plain addresses never come here.

use std::{net::IpAddr, time::Duration};

use hickory_resolver::{TokioResolver, net::NetError};
use tokio::sync::OnceCell;
use vipwatch_model::flow::{Failure, FailureKind};

/// The system's name servers (`/etc/resolv.conf`), read on first use.
#[derive(Default)]
pub(super) struct Resolver {
    system: OnceCell<TokioResolver>,
}

impl Resolver {
    /// The addresses of `name`, sorted: name servers rotate them.
    pub(super) async fn addresses(&self, name: &str, timeout: Duration) -> Result<Vec<IpAddr>, Failure> {
        let resolver =
            self.system.get_or_try_init(|| async { system() }).await.map_err(|error| unusable(&error))?;
        let lookup = tokio::time::timeout(timeout, resolver.lookup_ip(name));
        match lookup.await {
            Err(_) => Err(Failure::new(
                FailureKind::Vantage,
                format!("no name server of this host answered for {name}"),
            )),
            Ok(Ok(found)) => {
                let mut addresses: Vec<IpAddr> = found.iter().collect();
                addresses.sort_unstable();
                Ok(addresses)
            }
            Ok(Err(error)) if error.is_no_records_found() => {
                Err(Failure::new(FailureKind::Resolve, format!("{name} has no address")))
            }
            Ok(Err(error)) => Err(unusable(&error)),
        }
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
