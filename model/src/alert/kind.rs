//! What alerts are about, how bad they are, and what can happen to them: the stored words.

use crate::words::words;

words! {
    /// What an alert is about.
    pub enum AlertKind {
        /// Clients' source addresses are lost although they ought to survive.
        SourceTranslated = "source_translated",
        /// The target does not answer.
        Unreachable = "unreachable",
        /// Part of the connections fail, or answers take too long.
        Degraded = "degraded",
        /// A node lost its last ready endpoint of a service.
        NodeUnhealthy = "node_unhealthy",
        /// A node does not answer health checks, or its service proxy says that it is unhealthy.
        NodeDown = "node_down",
        /// No node has a ready endpoint of a service.
        NoHealthyNode = "no_healthy_node",
        /// Fewer nodes than `min_healthy_nodes` have a ready endpoint of a service.
        RedundancyLost = "redundancy_lost",
        /// The service's policy or health check node port is not what it was configured as.
        PolicyDrift = "policy_drift",
        /// The echo believes forwarding headers that anybody can send, which hides what becomes of addresses.
        HeadersTrusted = "headers_trusted",
        /// The service's name leads elsewhere than to its VIPs.
        DnsDrift = "dns_drift",
        /// A certificate is about to expire.
        CertificateExpiring = "certificate_expiring",
        /// The agent's own address, as the far side sees it, is another one.
        EgressChanged = "egress_changed",
        /// The agent cannot see: its own network is at fault.
        VantageBlind = "vantage_blind",
        /// A probe's rounds change their mind too often.
        Flapping = "flapping",
    }
}

/// Whose alert there is at most one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One per probe.
    Probe,
    /// One per service.
    Service,
    /// One for the agent as a whole.
    Vantage,
}

impl AlertKind {
    /// How bad it is where nothing else is configured.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::SourceTranslated | Self::Unreachable | Self::NoHealthyNode | Self::VantageBlind => {
                Severity::Critical
            }
            Self::Degraded
            | Self::NodeUnhealthy
            | Self::NodeDown
            | Self::RedundancyLost
            | Self::PolicyDrift
            | Self::HeadersTrusted
            | Self::DnsDrift
            | Self::CertificateExpiring
            | Self::Flapping => Severity::Warning,
            Self::EgressChanged => Severity::Info,
        }
    }

    /// Whose alert there is at most one of.
    #[must_use]
    pub fn scope(self) -> Scope {
        match self {
            Self::PolicyDrift | Self::NoHealthyNode | Self::RedundancyLost => Scope::Service,
            Self::EgressChanged | Self::VantageBlind => Scope::Vantage,
            _ => Scope::Probe,
        }
    }
}

words! {
    /// How bad an alert is, the worst first.
    pub enum Severity {
        /// Clients are hurt now.
        Critical = "critical",
        /// Something is not as it should be.
        Warning = "warning",
        /// For information.
        Info = "info",
    }
}

words! {
    /// What a notification tells.
    pub enum Event {
        /// An alert was opened.
        Opened = "opened",
        /// It is open still.
        Reminder = "reminder",
        /// Somebody has taken it on.
        Acknowledged = "acknowledged",
        /// It is over.
        Resolved = "resolved",
        /// What a receiver's rate limit held back, in one.
        Digest = "digest",
        /// Nothing happened: somebody tries a receiver.
        Test = "test",
    }
}
