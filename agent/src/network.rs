//! Tells when this host's addresses and routes, or its links change: the way out may be another one then, or gone.
//!
//! What exactly has changed does not matter, so the kernel's messages are not read, only noticed. What comes faster
//! than it is noticed is dropped by the kernel, which is noticed, too.

use rtnetlink::{
    MulticastGroup,
    sys::{AsyncSocket as _, AsyncSocketExt as _, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE},
};

/// What tells of addresses and routes.
const WAYS: &[MulticastGroup] = &[
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
];

/// A view of this host's network.
pub(crate) enum Network {
    /// What the kernel tells.
    Watched(TokioSocket),
    /// Without the kernel's help nothing ever changes.
    Unwatched,
    /// What a test tells.
    #[cfg(test)]
    Told(tokio::sync::mpsc::Receiver<()>),
}

impl Network {
    /// Begins to look at addresses and routes.
    pub(crate) fn of_ways() -> Self {
        open(WAYS).map(Self::Watched).unwrap_or_else(|error| {
            tracing::warn!(%error, "failed to watch this host's addresses; the egress address is asked for on schedule alone");
            Self::Unwatched
        })
    }

    /// Begins to look at links.
    pub(crate) fn of_links() -> Self {
        open(&[MulticastGroup::Link]).map(Self::Watched).unwrap_or_else(|error| {
            tracing::warn!(%error, "failed to watch this host's links; a lost one is noticed by what fails for it");
            Self::Unwatched
        })
    }

    /// Waits for the next change.
    pub(crate) async fn changed(&mut self) {
        match self {
            Self::Watched(socket) => {
                let mut beginning = [0; 16];
                // An error is an overrun: too many changes at once.
                let _ = socket.recv(&mut beginning.as_mut_slice()).await;
            }
            Self::Unwatched => std::future::pending().await,
            #[cfg(test)]
            Self::Told(changes) => match changes.recv().await {
                Some(()) => {}
                None => std::future::pending().await,
            },
        }
    }
}

fn open(groups: &[MulticastGroup]) -> std::io::Result<TokioSocket> {
    let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
    let groups = groups.iter().fold(0, |groups, group| groups | 1 << (*group as u32 - 1));
    socket.socket_mut().bind(&SocketAddr::new(0, groups))?;
    Ok(socket)
}
