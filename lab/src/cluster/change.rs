//! What can happen to a cluster.

use super::{Announcement, ExternalTrafficPolicy};

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
}
