//! A cluster of network namespaces with the kernel's own forwarding and address translation.
//!
//! The process's own namespace is the switch; around it stand a client, a control, a router and the nodes,
//! each a namespace of its own, and behind the nodes their pods. nftables does on each node what kube-proxy
//! would, the VIPs are addresses of the node that announces them, or the router has routes to them, and echo
//! servers and health checks run in this process on sockets that were opened inside the namespaces.
//!
//! Such a lab needs a process whose namespaces are its own: see [`inside`]. Everything disappears with
//! that process.

mod address;
mod announcement;
mod cni;
mod control;
mod echo;
mod health;
mod host;
mod namespace;
mod overlay;
mod plan;
mod pod;
mod ready;
mod reexec;
mod reverse_proxy;
mod ruleset;
mod tool;

pub use host::HostProcess;
pub use plan::{NamespacePlan, NatPlan};
pub use reexec::inside;

use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Runtime};

use crate::cluster::decide::announcer;
use crate::cluster::{Announcement, Backend, Change, Cluster, Endpoint, ExternalTrafficPolicy};
use crate::served::Served;
use announcement::Announced;
use health::Health;
use host::Host;
use pod::Pod;

/// The name of the host that stands for a client outside the cluster.
pub const CLIENT: &str = "client";
/// The name of the machine between the client and the nodes' network, where the plan has one.
pub const NAT: &str = "nat";
/// The name of the router that spreads flows over nodes where routes lead to a VIP.
pub const ROUTER: &str = "router";
/// The name of the host outside the cluster that runs an echo server of its own, and a
/// [STUN](crate::stun) and a [DNS](crate::dns) server that tell clients their egress.
pub const CONTROL: &str = "control";

/// Whether a host's cable is plugged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It is.
    Up,
    /// It is not.
    Down,
}

/// A running cluster; there can be one in a process.
#[derive(Debug)]
pub struct NamespaceLab {
    cluster: Cluster,
    hosts: BTreeMap<String, Host>,
    pods: HashMap<Endpoint, Pod>,
    health: Health,
    announced: Announced,
    _control: Vec<Served>,
    /// Taken out only when the lab is dropped.
    runtime: Option<Runtime>,
}

impl NamespaceLab {
    /// Builds the namespaces and starts what runs in them.
    ///
    /// # Errors
    /// When the process is not [`inside`], a tool is missing, or the kernel refuses something.
    pub fn start(plan: &NamespacePlan) -> Result<Self> {
        reexec::check_apart()?;
        let cluster = Cluster::new(plan.cluster.clone())?;
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let hosts = host::build_all(plan)?;
        let control = hosts.get(CONTROL).context("the control is missing")?;
        let servers = control::serve(&control.namespace, &runtime, &plan.control)?;
        let mut lab = Self {
            cluster: cluster.clone(),
            hosts,
            pods: HashMap::new(),
            health: Health::default(),
            announced: Announced::default(),
            _control: servers,
            runtime: Some(runtime),
        };
        lab.converge(cluster)?;
        Ok(lab)
    }

    /// The cluster as it is now.
    #[must_use]
    pub fn state(&self) -> &Cluster {
        &self.cluster
    }

    /// The node that announces the VIP of `service`.
    ///
    /// # Errors
    /// When there is no such service.
    pub fn announcer(&self, service: &str) -> Result<Option<&str>> {
        let service = self.cluster.service(service)?;
        Ok(announcer(&self.cluster, service).map(|node| node.name.as_str()))
    }

    /// Makes `change` happen; it is in force on return.
    ///
    /// # Errors
    /// When the change names what is not there, or the kernel refuses something.
    pub fn apply(&mut self, change: &Change) -> Result<()> {
        let next = self.cluster.changed(change)?;
        self.converge(next)
    }

    /// Sets the policy of `service`.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn set_policy(&mut self, service: &str, policy: ExternalTrafficPolicy) -> Result<()> {
        self.apply(&Change::policy(service, policy))
    }

    /// Makes the pods of `service` exactly these many on these nodes.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn set_endpoints(&mut self, service: &str, placement: &[(&str, u8)]) -> Result<()> {
        self.apply(&Change::endpoints(service, placement))
    }

    /// Moves all pods of `service` to `node`, as a single one.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn move_pod(&mut self, service: &str, node: &str) -> Result<()> {
        self.set_endpoints(service, &[(node, 1)])
    }

    /// Sets how the node that announces the VIP of `service` is found. Pinning one keeps the VIP
    /// announced by a node that ought not to, or when the service has no pods.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn set_announcement(&mut self, service: &str, announcement: Announcement) -> Result<()> {
        self.apply(&Change::announcement(service, announcement))
    }

    /// Puts the cluster back as planned. Links stay as they are.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn heal_all(&mut self) -> Result<()> {
        self.apply(&Change::HealAll)
    }

    /// Plugs the cable of `host` in or out.
    ///
    /// # Errors
    /// When there is no such host, or the kernel refuses.
    pub fn set_link(&self, host: &str, link: Link) -> Result<()> {
        let host = self.host(host)?;
        host.set_link(link)?;
        if link == Link::Up { self.announced.restore(host, &self.hosts) } else { Ok(()) }
    }

    /// Runs `work` on a thread in the namespace of `host`: sockets it opens and processes it starts
    /// belong there.
    ///
    /// # Errors
    /// When there is no such host, or its namespace cannot be entered.
    pub fn within<T: Send>(&self, host: &str, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.host(host)?.namespace.within(work)
    }

    /// Starts `command` on `host`. The process is killed when the handle is dropped.
    ///
    /// # Errors
    /// When there is no such host, or the command cannot be started.
    pub fn spawn_in(&self, host: &str, command: &mut Command) -> Result<HostProcess> {
        let program = command.get_program().to_os_string();
        let child = self.within(host, || command.spawn())?;
        let child = child.with_context(|| format!("failed to start {}", program.display()))?;
        Ok(HostProcess::new(child))
    }

    /// A listener on `address` of `host`, in blocking mode.
    ///
    /// # Errors
    /// When there is no such host, or the address is not free there.
    pub fn bind_in(&self, host: &str, address: SocketAddr) -> Result<TcpListener> {
        self.host(host)?.namespace.bind(address)
    }

    fn host(&self, name: &str) -> Result<&Host> {
        self.hosts.get(name).with_context(|| format!("no host is called {name}"))
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("the runtime lives as long as the lab")
    }

    /// Pods come before the rules that lead to them and go after, so that a change fails no flow.
    fn converge(&mut self, next: Cluster) -> Result<()> {
        for service in next.services() {
            for endpoint in &service.endpoints {
                if !self.pods.contains_key(endpoint) {
                    let node = self.host(&endpoint.node)?;
                    let pod = Pod::start(self.runtime(), &next, service, endpoint, node)?;
                    self.pods.insert(endpoint.clone(), pod);
                }
            }
        }
        for service in next.services() {
            if let Backend::Proxy { to } = &service.backend {
                let backends = &next.service(to)?.endpoints;
                let proxies = service.endpoints.iter().filter_map(|endpoint| self.pods.get(endpoint));
                proxies.for_each(|proxy| proxy.forward_to(backends));
            }
        }
        for node in next.nodes() {
            let rules = ruleset::render(&next, &node.name);
            self.host(&node.name)?.namespace.within(|| tool::run("nft", &["-f", "-"], &rules))??;
        }
        let runtime = self.runtime.as_ref().expect("the runtime lives as long as the lab");
        self.health.converge(&next, &self.hosts, runtime)?;
        self.announced.converge(&next, &self.hosts)?;
        let gone: Vec<_> = self.pods.extract_if(|endpoint, _| !next.runs(endpoint)).collect();
        for (endpoint, pod) in gone {
            pod.end(self.runtime(), &endpoint, self.host(&endpoint.node)?)?;
        }
        self.cluster = next;
        Ok(())
    }
}

impl Drop for NamespaceLab {
    fn drop(&mut self) {
        // Waiting for the runtime is not allowed when the lab is dropped on another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
