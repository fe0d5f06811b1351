//! What explains what: a node that fails takes with it what it served.

use chrono::TimeDelta;

use super::Entry;
use crate::{
    alert::{Alert, AlertKind},
    cause::CauseKind,
};

/// Further apart than this, two troubles have nothing to do with each other.
pub(super) const TOGETHER: TimeDelta = TimeDelta::minutes(2);

/// Whether the alert is about a node as a whole.
pub(super) fn is_failure(alert: &Alert) -> bool {
    alert.key.kind == AlertKind::NodeDown && alert.node.is_some()
}

/// Whether the story of the alert says that a node failed, without saying which.
pub(super) fn blames_a_node(alert: &Alert) -> bool {
    alert.cause.as_ref().is_some_and(|cause| cause.kind == CauseKind::NodeDown)
}

/// Whether `failure` explains `other`: both are about one node, or the node that failed answered for what
/// does not answer now.
pub(super) fn explains(failure: &Entry, other: &Entry) -> bool {
    let Some(node) = failure.alert.node.as_deref().filter(|_| is_failure(&failure.alert)) else {
        return false;
    };
    if other.alert.id == failure.alert.id || (other.alert.since - failure.alert.since).abs() > TOGETHER {
        return false;
    }
    match other.alert.key.kind {
        // Of two that are about the same node, the older one explains the younger.
        AlertKind::NodeDown => other.alert.node.as_deref() == Some(node) && failure.alert.id < other.alert.id,
        AlertKind::NodeUnhealthy => other.alert.node.as_deref() == Some(node),
        AlertKind::Unreachable | AlertKind::Degraded => {
            blames_a_node(&other.alert) || other.telling.served_by.iter().any(|served| served == node)
        }
        AlertKind::NoHealthyNode | AlertKind::RedundancyLost => {
            failure.alert.service.is_none() || failure.alert.service == other.alert.service
        }
        _ => false,
    }
}
