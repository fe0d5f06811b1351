//! The next command to run, ready to be copied.

/// A Service as kubectl names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service<'a> {
    namespace: &'a str,
    name: &'a str,
}

impl<'a> Service<'a> {
    /// The service `namespace/name`.
    pub(super) fn named(service: &'a str) -> Self {
        let (namespace, name) = service.split_once('/').unwrap_or(("default", service));
        Self { namespace, name }
    }

    pub(super) fn ask_policy(self) -> String {
        let Self { namespace, name } = self;
        format!("`kubectl -n {namespace} get service {name} -o jsonpath='{{.spec.externalTrafficPolicy}}'`")
    }

    pub(super) fn restore_policy(self) -> String {
        let Self { namespace, name } = self;
        format!(
            "Look at the policy: {}. If it says Cluster, restore it: `kubectl -n {namespace} patch service {name} -p \
             '{{\"spec\":{{\"externalTrafficPolicy\":\"Local\"}}}}'`.",
            self.ask_policy()
        )
    }

    pub(super) fn ask_endpoints(self) -> String {
        let Self { namespace, name } = self;
        format!(
            "See where the endpoints are: `kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name} -o wide`."
        )
    }

    pub(super) fn ask_announcement(self) -> String {
        let Self { namespace, name } = self;
        format!(
            "See who announces the VIP: `kubectl -n {namespace} describe service {name}` shows MetalLB's events, and `kubectl -n metallb-system \
             logs -l component=speaker --tail=50` what its speakers say."
        )
    }

    pub(super) fn ask_health_check_node_port(self) -> String {
        let Self { namespace, name } = self;
        format!(
            "Compare with the cluster: `kubectl -n {namespace} get service {name} -o \
             jsonpath='{{.spec.externalTrafficPolicy}} {{.spec.healthCheckNodePort}}'`."
        )
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
