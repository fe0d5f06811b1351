//! The next command to run, ready to be copied.

use std::net::IpAddr;

/// A Service as kubectl finds it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Service<'a> {
    /// By its name.
    Named {
        /// The namespace.
        namespace: &'a str,
        /// The name.
        name: &'a str,
    },
    /// By an address of its own, where nobody has told its name.
    At(IpAddr),
}

impl<'a> Service<'a> {
    /// The service `namespace/name`.
    pub(super) fn named(service: &'a str) -> Self {
        let (namespace, name) = service.split_once('/').unwrap_or(("default", service));
        Self::Named { namespace, name }
    }

    pub(super) fn ask_policy(self) -> String {
        match self {
            Self::Named { namespace, name } => {
                format!(
                    "`kubectl -n {namespace} get service {name} -o jsonpath='{{.spec.externalTrafficPolicy}}'`"
                )
            }
            Self::At(address) => format!(
                "`kubectl get services -A | grep -F {address}` and `kubectl -n NAMESPACE get service NAME -o \
                 jsonpath='{{.spec.externalTrafficPolicy}}'`"
            ),
        }
    }

    pub(super) fn restore_policy(self) -> String {
        let ask = self.ask_policy();
        let patch = r#"-p '{"spec":{"externalTrafficPolicy":"Local"}}'"#;
        match self {
            Self::Named { namespace, name } => format!(
                "Look at the policy: {ask}. If it says Cluster, restore it: `kubectl -n {namespace} patch service {name} {patch}`."
            ),
            Self::At(_) => format!(
                "Look at the service and its policy: {ask}. If it says Cluster, restore it: `kubectl -n NAMESPACE patch service NAME {patch}`."
            ),
        }
    }

    pub(super) fn ask_endpoints(self) -> String {
        match self {
            Self::Named { namespace, name } => format!(
                "See where the endpoints are: `kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name} -o wide`."
            ),
            Self::At(address) => format!(
                "Find the service with `kubectl get services -A | grep -F {address}`, and see where its endpoints are: `kubectl get endpointslices -A -o wide`."
            ),
        }
    }

    pub(super) fn ask_announcement(self) -> String {
        let events = match self {
            Self::Named { namespace, name } => format!("`kubectl -n {namespace} describe service {name}`"),
            Self::At(address) => format!("`kubectl describe services -A | grep -F -B20 -A20 {address}`"),
        };
        format!(
            "See who announces the VIP: {events} shows MetalLB's events, and `kubectl -n metallb-system logs -l component=speaker \
             --tail=50` what its speakers say."
        )
    }

    pub(super) fn ask_health_check_node_port(self) -> String {
        match self {
            Self::Named { namespace, name } => format!(
                "Compare with the cluster: `kubectl -n {namespace} get service {name} -o \
                 jsonpath='{{.spec.externalTrafficPolicy}} {{.spec.healthCheckNodePort}}'`."
            ),
            Self::At(_) => format!("Compare with the cluster: {}.", self.ask_policy()),
        }
    }
}

/// A look at the service proxy of `node`.
pub(super) fn ask_service_proxy(node: &str) -> String {
    format!(
        "Look at kube-proxy on {node}: `kubectl -n kube-system get pods -o wide --field-selector spec.nodeName={node}`."
    )
}

/// A look at `node` itself.
pub(super) fn ask_node(node: &str) -> String {
    format!("See whether the node is up: `kubectl get node {node}`.")
}
