//! Which pod is answering, as Kubernetes' downward API tells it through the environment.

/// The names an echo server puts into its answers. What is unknown is left out of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The node that runs the pod.
    pub node: Option<String>,
    /// The pod's name.
    pub pod: Option<String>,
    /// The pod's namespace.
    pub namespace: Option<String>,
}

impl Identity {
    /// Reads `NODE_NAME`, `POD_NAME` and `POD_NAMESPACE`. An empty variable counts as absent.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let present = |name| lookup(name).filter(|value| !value.is_empty());
        Self { node: present("NODE_NAME"), pod: present("POD_NAME"), namespace: present("POD_NAMESPACE") }
    }
}

#[cfg(test)]
mod tests {
    use super::Identity;

    #[test]
    fn takes_what_the_environment_has_and_leaves_out_the_rest() {
        let identity = Identity::from_lookup(|name| match name {
            "NODE_NAME" => Some("node-1".to_owned()),
            "POD_NAME" => Some(String::new()),
            _ => None,
        });
        assert_eq!(identity, Identity { node: Some("node-1".to_owned()), pod: None, namespace: None });
    }
}
