//! Is the agent's own network at fault? Asked only after a failure, of the kernel's routing table.
//!
//! Without a route, or with the route's interface down or without carrier, no packet of ours ever
//! reached the cluster, so nothing may be said about it. With both in order, a "no route to host" came
//! from the neighbour table or from a router, and is the target's affair.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::TryStreamExt as _;
use rtnetlink::{
    LinkGetRequest, RouteMessageBuilder,
    packet_route::{
        link::{LinkAttribute, LinkFlags},
        route::{RouteAttribute, RouteMessage},
    },
};
use tokio::{task::JoinSet, time::timeout};
use vipwatch_model::flow::{Failure, FailureKind};

use super::method::Bind;

/// How long the kernel may take; it answers in microseconds unless something is wrong.
const PATIENCE: Duration = Duration::from_millis(200);

/// The kernel's answers about routes and links, through one netlink socket, opened when it is needed.
#[derive(Default)]
pub(super) struct Routes {
    netlink: Mutex<Option<Arc<Netlink>>>,
}

struct Netlink {
    handle: rtnetlink::Handle,
    /// Runs the socket; ended with the prober.
    _connection: JoinSet<()>,
}

impl Routes {
    /// The fault of this host that explains a failure of `kind` towards `target`, if there is one.
    pub(super) async fn failure_of_ours(
        &self,
        kind: FailureKind,
        target: IpAddr,
        bind: &Bind,
    ) -> Option<Failure> {
        if !matches!(kind, FailureKind::Unreachable | FailureKind::Timeout | FailureKind::Reset) {
            return None;
        }
        let netlink = self.netlink()?;
        let why = match timeout(PATIENCE, netlink.fault_towards(target, bind)).await {
            Ok(Ok(why)) => why?,
            Ok(Err(rtnetlink::Error::NetlinkError(_))) => format!("this host has no route to {target}"),
            _ => {
                tracing::warn!("failed to ask the kernel for a route; asking over a new socket next time");
                self.lock().take();
                return None;
            }
        };
        Some(Failure::new(FailureKind::Vantage, why))
    }

    /// Whether a link of this host but the loopback has carrier; nothing if the kernel does not tell.
    pub(super) async fn has_carrier(&self) -> Option<bool> {
        let netlink = self.netlink()?;
        let told = timeout(PATIENCE, netlink.has_carrier()).await;
        if !matches!(told, Ok(Ok(_))) {
            tracing::warn!(
                "failed to ask the kernel for this host's links; asking over a new socket next time"
            );
            self.lock().take();
        }
        told.ok()?.ok()
    }

    fn netlink(&self) -> Option<Arc<Netlink>> {
        let mut slot = self.lock();
        if slot.is_none() {
            match Netlink::open() {
                Ok(netlink) => *slot = Some(Arc::new(netlink)),
                Err(error) => tracing::warn!(
                    %error,
                    "failed to open a netlink socket; faults of this host's network cannot be told from the cluster's"
                ),
            }
        }
        slot.clone()
    }

    // Only ever replaced as a whole, so a poisoned lock is usable.
    fn lock(&self) -> MutexGuard<'_, Option<Arc<Netlink>>> {
        self.netlink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Netlink {
    fn open() -> std::io::Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        Ok(Self { handle, _connection: tasks })
    }

    async fn fault_towards(&self, target: IpAddr, bind: &Bind) -> Result<Option<String>, rtnetlink::Error> {
        let links = self.handle.link().get();
        // A flow that is bound to an interface leaves by it, whatever the routing table says.
        if let Some(interface) = &bind.interface {
            return Ok(link_fault(links.match_name(interface.clone())).await);
        }
        let source = bind.addresses.iter().copied().find(|source| source.is_ipv4() == target.is_ipv4());
        match self.interface_towards(target, source).await? {
            Some(index) => Ok(link_fault(links.match_index(index)).await),
            None => Ok(None),
        }
    }

    async fn has_carrier(&self) -> Result<bool, rtnetlink::Error> {
        let mut links = Box::pin(self.handle.link().get().execute());
        while let Some(link) = links.try_next().await? {
            let flags = link.header.flags;
            if flags.contains(LinkFlags::Up | LinkFlags::Running) && !flags.contains(LinkFlags::Loopback) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The index of the interface that packets to `target` leave by, from `source` if that is given.
    async fn interface_towards(
        &self,
        target: IpAddr,
        source: Option<IpAddr>,
    ) -> Result<Option<u32>, rtnetlink::Error> {
        let question: RouteMessage = match (target, source) {
            (IpAddr::V4(target), source) => {
                let question = RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(target, 32);
                match source {
                    Some(IpAddr::V4(source)) => question.source_prefix(source, 32).build(),
                    _ => question.build(),
                }
            }
            (IpAddr::V6(target), source) => {
                let question = RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(target, 128);
                match source {
                    Some(IpAddr::V6(source)) => question.source_prefix(source, 128).build(),
                    _ => question.build(),
                }
            }
        };
        let mut answers = Box::pin(self.handle.route().get(question).execute());
        let Some(route) = answers.try_next().await? else { return Ok(None) };
        Ok(route.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Oif(index) => Some(*index),
            _ => None,
        }))
    }
}

/// Why the interface that is asked for cannot carry packets now, if it cannot.
async fn link_fault(link: LinkGetRequest) -> Option<String> {
    let mut answers = Box::pin(link.execute());
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
