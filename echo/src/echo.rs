//! The one that answers, whatever the protocol: it signs what was seen of a flow with its names.

use std::net::SocketAddr;

use crate::answer::{Answer, FORMAT};
use crate::server::Flow;
use crate::{Endpoint, Identity};

/// Answers over HTTP, TCP, UDP and DNS.
#[derive(Debug, Clone, Default)]
pub struct Echo {
    identity: Identity,
    proxy: Option<Endpoint>,
}

impl Echo {
    /// An echo that signs its answers with `identity`.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self { identity, proxy: None }
    }

    /// The same, for a connection that a proxy at this address made for its client.
    pub(crate) fn behind(self, proxy: SocketAddr) -> Self {
        Self { proxy: Some(proxy.into()), ..self }
    }

    /// What is known of `flow`, without any request.
    #[must_use]
    pub fn answer(&self, flow: Flow) -> Answer {
        Answer {
            format: FORMAT,
            peer: flow.peer.into(),
            local: flow.local.into(),
            proxy: self.proxy,
            node: self.identity.node.clone(),
            pod: self.identity.pod.clone(),
            namespace: self.identity.namespace.clone(),
            request: None,
        }
    }

    /// The pod's name, or else this machine's.
    pub(crate) fn host_name(&self) -> String {
        self.identity.pod.clone().unwrap_or_else(|| {
            nix::unistd::gethostname().map_or_else(|_| String::new(), |name| name.to_string_lossy().into())
        })
    }

    /// The answer to a line or a datagram. The commands are those of agnhost's netexec: `clientip`,
    /// `hostname` and `echo TEXT`. Anything else is answered with the JSON.
    pub(crate) fn reply(&self, request: &[u8], flow: Flow) -> Vec<u8> {
        match request.trim_ascii() {
            b"clientip" => Endpoint::from(flow.peer).to_string().into(),
            b"hostname" => self.host_name().into(),
            other => match other.strip_prefix(b"echo ") {
                Some(text) => text.to_vec(),
                None => self.answer(flow).to_json(),
            },
        }
    }
}
