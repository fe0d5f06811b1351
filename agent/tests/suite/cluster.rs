//! A cluster on loopback for the agent under test, driven from a plain thread.

use std::{net::SocketAddr, time::Duration};

use tokio::runtime::Runtime;
use vipwatch_lab::{cluster::Change, loopback::LoopbackCluster};
use vipwatch_web::api::State;

use crate::agent::{Home, Page, Running, state};

pub(crate) const ECHO: &str = "default/echo-server";

/// The cluster and the runtime that it lives on.
pub(crate) struct Cluster {
    runtime: Runtime,
    lab: LoopbackCluster,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let lab = runtime.block_on(LoopbackCluster::start_apart()).unwrap();
        Self { runtime, lab }
    }

    pub(crate) fn apply(&self, change: Change) {
        self.runtime.block_on(self.lab.apply(change)).unwrap();
    }

    pub(crate) fn vip(&self) -> SocketAddr {
        self.lab.state().service(ECHO).unwrap().vips[0]
    }

    /// The nodes as `NAME=ADDR`, and the service's health check node port.
    pub(crate) fn nodes(&self) -> (Vec<String>, String) {
        let state = self.lab.state();
        let nodes = state.nodes().iter().map(|node| format!("{}={}", node.name, node.addresses[0]));
        (nodes.collect(), state.service(ECHO).unwrap().health_check_node_port.to_string())
    }

    /// The name of the source probe of the service.
    pub(crate) fn vip_probe(&self) -> String {
        format!("{ECHO}@{}", self.vip().ip())
    }

    /// Starts the agent of `home` and waits until it sees the service healthy.
    pub(crate) fn watched_by(&self, home: &Home, listen: SocketAddr) -> (Running, Page) {
        let agent = Running::start(home);
        let mut page = Page::open(listen);
        let name = self.vip_probe();
        page.wait_for("the healthy service", Duration::from_secs(20), |overview| {
            state(overview, &name) == State::Up
        });
        (agent, page)
    }

    pub(crate) fn control(&self) -> SocketAddr {
        self.lab.plan().control
    }

    /// A configuration that watches the service; `more` is appended.
    pub(crate) fn config(&self, listen: SocketAddr, every_ms: u64, more: &str) -> String {
        let state = self.lab.state();
        let nodes: String = state
            .nodes()
            .iter()
            .map(|node| {
                let (name, address, pods) = (&node.name, node.addresses[0], node.pods[0]);
                format!("[[cluster.node]]\nname = \"{name}\"\naddresses = [\"{address}\"]\npod_cidr = \"{pods}\"\n")
            })
            .collect();
        let vip = self.vip();
        let health = state.service(ECHO).unwrap().health_check_node_port;
        format!(
            r#"
[agent]
vantage = "test"
listen = "{listen}"
[defaults]
every = "{every_ms}ms"
timeout = "{timeout}ms"
flows = 2
alert_after = 2
resolve_after = 2
[alerts]
group_window = "0s"
[cluster]
{nodes}
[[service]]
name = "{ECHO}"
vips = ["{ip}"]
port = {port}
external_traffic_policy = "Local"
health_check_node_port = {health}
echo = {{ format = "auto" }}
{more}
"#,
            ip = vip.ip(),
            port = vip.port(),
            timeout = every_ms * 3 / 4,
        )
    }
}

/// A `[[receiver]]` section.
pub(crate) fn receiver(name: &str, address: SocketAddr) -> String {
    format!(
        "[[receiver]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"http://{address}/hook\"\ntimeout = \"2s\"\n"
    )
}
