//! Is the agent's own network at fault? Asked only after a failure, of the kernel's routing table.
//!
//! Without a route, or with the route's interface down or without carrier, no packet of ours ever
//! reached the cluster, so nothing may be said about it. With both in order, a "no route to host" came
//! from the neighbour table or from a router, and is the target's affair.

use std::net::IpAddr;

use futures_util::TryStreamExt as _;
use rtnetlink::{
    RouteMessageBuilder,
    packet_route::{
        link::{LinkAttribute, LinkFlags},
        route::{RouteAttribute, RouteMessage},
    },
};
use tokio::{sync::OnceCell, task::JoinSet};
use vipwatch_model::flow::{Failure, FailureKind};

/// The kernel's answers about routes and links, through one netlink socket opened on first use.
pub(super) struct Routes {
    netlink: OnceCell<Option<Netlink>>,
}

struct Netlink {
    handle: rtnetlink::Handle,
    /// Runs the socket; ended with the prober.
    _connection: JoinSet<()>,
}

impl Routes {
    pub(super) fn new() -> Self {
        Self { netlink: OnceCell::new() }
    }

    /// The fault of this host that explains a failure of `kind` towards `target`, if there is one.
    pub(super) async fn failure_of_ours(&self, kind: FailureKind, target: IpAddr) -> Option<Failure> {
        if !matches!(kind, FailureKind::Unreachable | FailureKind::Timeout | FailureKind::Reset) {
            return None;
        }
        let netlink = self.netlink.get_or_init(|| async { Netlink::open() }).await.as_ref()?;
        let why = match netlink.interface_towards(target).await {
            Ok(None) => return None,
            Ok(Some(index)) => netlink.link_fault(index).await?,
            Err(rtnetlink::Error::NetlinkError(_)) => format!("this host has no route to {target}"),
            Err(error) => {
                tracing::debug!(%error, "failed to ask the kernel for a route");
                return None;
            }
        };
        Some(Failure::new(FailureKind::Vantage, why))
    }
}

impl Netlink {
    fn open() -> Option<Self> {
        match rtnetlink::new_connection() {
            Ok((connection, handle, _)) => {
                let mut tasks = JoinSet::new();
                tasks.spawn(connection);
                Some(Self { handle, _connection: tasks })
            }
            Err(error) => {
                tracing::warn!(%error, "failed to open a netlink socket; faults of this host's network cannot be told from the cluster's");
                None
            }
        }
    }

    /// The index of the interface that packets to `target` leave by.
    async fn interface_towards(&self, target: IpAddr) -> Result<Option<u32>, rtnetlink::Error> {
        let question: RouteMessage = match target {
            IpAddr::V4(v4) => {
                RouteMessageBuilder::<std::net::Ipv4Addr>::new().destination_prefix(v4, 32).build()
            }
            IpAddr::V6(v6) => {
                RouteMessageBuilder::<std::net::Ipv6Addr>::new().destination_prefix(v6, 128).build()
            }
        };
        let mut answers = Box::pin(self.handle.route().get(question).execute());
        let Some(route) = answers.try_next().await? else { return Ok(None) };
        Ok(route.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Oif(index) => Some(*index),
            _ => None,
        }))
    }

    /// Why the interface cannot carry packets now, if it cannot.
    async fn link_fault(&self, index: u32) -> Option<String> {
        let mut answers = Box::pin(self.handle.link().get().match_index(index).execute());
        let link = answers.try_next().await.ok()??;
        let flags = link.header.flags;
        let name = link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.as_str()),
            _ => None,
        });
        let name = name.unwrap_or("towards the target");
        if !flags.contains(LinkFlags::Up) {
            Some(format!("this host's interface {name} is down"))
        } else if !flags.contains(LinkFlags::Running) {
            Some(format!("this host's interface {name} has no carrier"))
        } else {
            None
        }
    }
}
