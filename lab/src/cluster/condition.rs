//! What can be wrong with a node while its pods run.

/// How a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Condition {
    /// Whether a rule that does not belong there masquerades everything that comes to the node's pods from
    /// outside the pod networks, whatever the policy: what CNI plugins leave behind, and some add on purpose.
    pub masquerades: bool,
    /// How kube-proxy is.
    pub proxy: ProxyHealth,
}

/// How kube-proxy is on a node. Its rules stay in force in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyHealth {
    /// It keeps its rules up to date.
    #[default]
    Healthy,
    /// It has not managed to for too long.
    Stale,
    /// It does, but the node is about to be deleted and wants no new connections.
    Leaving,
    /// It does not run: all its health checks are closed.
    Gone,
}
