//! Turns names into addresses, without a cache, so that a probe sees what a client starting now would see.
//! Plain addresses never come here.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
};
use vipwatch_model::flow::{Failure, FailureKind};

/// The addresses of `name`, sorted: name servers rotate them. The caller bounds the time.
///
/// The system's name servers (`/etc/resolv.conf`) are read each time: they change while the agent runs. Where
/// `name_servers` are given, they alone are asked: no hosts file, no search list.
pub(super) async fn addresses(name: &str, name_servers: &[SocketAddr]) -> Result<Vec<IpAddr>, Failure> {
    let resolver = resolver(name_servers).map_err(|error| unusable(name_servers, &error))?;
    let found = match resolver.lookup_ip(name).await {
        Ok(found) => found,
        Err(error) if error.is_no_records_found() => return Err(none(name)),
        Err(error) => return Err(unusable(name_servers, &error)),
    };
    let mut addresses: Vec<IpAddr> = found.iter().collect();
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() { Err(none(name)) } else { Ok(addresses) }
}

/// What it means that nothing came back in time.
pub(super) fn silent(name_servers: &[SocketAddr]) -> Failure {
    unusable(name_servers, &"no answer in time")
}

/// Name servers that do not work: they say nothing of the target. This host's are its own affair; those of the probe
/// are those of its clients, who find no way to the target either.
fn unusable(name_servers: &[SocketAddr], why: &dyn fmt::Display) -> Failure {
    match name_servers {
        [] => Failure::new(FailureKind::Vantage, format!("this host's name resolution does not work: {why}")),
        _ => Failure::new(FailureKind::Resolve, format!("the name servers of the probe do not work: {why}")),
    }
}

fn none(name: &str) -> Failure {
    Failure::new(FailureKind::Resolve, format!("{name} has no address"))
}

fn resolver(name_servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = if name_servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = name_servers.iter().map(|server| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
            NameServerConfig::new(server.ip(), true, connections.into())
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.options_mut().use_hosts_file = ResolveHosts::Never;
        builder
    };
    builder.options_mut().cache_size = 0;
    // Both families are asked for: each address that a client could be given is one to probe.
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build()
}
