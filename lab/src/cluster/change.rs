//! What can happen to a cluster.

use super::{Announcement, ExternalTrafficPolicy, ProxyHealth};

/// Something that happens to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The policy of `service` is set to `policy`.
    Policy {
        /// The service's `namespace/name`.
        service: String,
        /// The new policy.
        policy: ExternalTrafficPolicy,
    },
    /// The pods of `service` are exactly these.
    Endpoints {
        /// The service's `namespace/name`.
        service: String,
        /// How many pods run on which node.
        placement: Vec<(String, u8)>,
    },
    /// The announcing node of `service` is found in another way.
    Announcement {
        /// The service's `namespace/name`.
        service: String,
        /// The new way.
        announcement: Announcement,
    },
    /// The health check node port of `service` belongs to another service.
    HealthCheckPort {
        /// The service's `namespace/name`.
        service: String,
        /// The service that it was given to; `None` gives it back.
        taken_by: Option<String>,
    },
    /// A rule that does not belong there masquerades on `node`: see
    /// [`Condition::masquerades`](super::Condition::masquerades).
    StrayMasquerade {
        /// The node's name.
        node: String,
        /// Whether it is there.
        present: bool,
    },
    /// kube-proxy on `node` is in this state.
    ProxyHealth {
        /// The node's name.
        node: String,
        /// The state.
        health: ProxyHealth,
    },
    /// Everything is as it was planned.
    HealAll,
}

impl Change {
    /// [`Change::Policy`] from a borrowed name.
    #[must_use]
    pub fn policy(service: &str, policy: ExternalTrafficPolicy) -> Self {
        Self::Policy { service: service.to_owned(), policy }
    }

    /// [`Change::Endpoints`] from borrowed names.
    #[must_use]
    pub fn endpoints(service: &str, placement: &[(&str, u8)]) -> Self {
        let placement = placement.iter().map(|(node, pods)| ((*node).to_owned(), *pods)).collect();
        Self::Endpoints { service: service.to_owned(), placement }
    }

    /// [`Change::Announcement`] from a borrowed name.
    #[must_use]
    pub fn announcement(service: &str, announcement: Announcement) -> Self {
        Self::Announcement { service: service.to_owned(), announcement }
    }

    /// [`Change::HealthCheckPort`] from borrowed names.
    #[must_use]
    pub fn health_check_port(service: &str, taken_by: Option<&str>) -> Self {
        Self::HealthCheckPort { service: service.to_owned(), taken_by: taken_by.map(str::to_owned) }
    }

    /// [`Change::StrayMasquerade`] from a borrowed name.
    #[must_use]
    pub fn stray_masquerade(node: &str, present: bool) -> Self {
        Self::StrayMasquerade { node: node.to_owned(), present }
    }

    /// [`Change::ProxyHealth`] from a borrowed name.
    #[must_use]
    pub fn proxy_health(node: &str, health: ProxyHealth) -> Self {
        Self::ProxyHealth { node: node.to_owned(), health }
    }
}
