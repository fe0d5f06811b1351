//! The configuration: what `probes.toml` says, checked as a whole and with every default filled in.
//!
//! Reading goes in three steps. The `table!` declarations in the section files say which keys there are and
//! what each may hold; the reader and the JSON Schema both follow from them, so a new key is one line there
//! and one use of it. Then `conflict` looks across sections. Last, every section turns its table into the
//! plain data below. No step stops at a fault: all of them are gathered in one [`Faults`].
//!
//! Nothing here opens a socket or reads a clock; the environment is a function. The files that are named in the
//! configuration (certificates, keys, passwords) are read along with it.

mod address;
mod after;
mod agent;
mod alerts;
mod auth;
mod choice;
mod cluster;
mod conflict;
mod connectivity;
mod contact;
mod departure;
mod dns;
mod duration;
mod echo;
mod echo_format;
mod egress;
mod expect;
mod fault;
mod file;
mod flows;
mod header;
mod http;
mod inhibit;
mod interpolate;
mod maintenance;
mod matcher;
mod meaning;
mod moment;
mod name;
mod nearest;
mod occasion;
mod pattern;
mod percent;
mod probe;
mod protocol;
mod reader;
mod receiver;
mod render;
mod route;
mod rule;
mod secret;
mod server;
mod service;
mod table;
mod target;
mod timing;
mod tls;
mod value;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use thiserror::Error;
use toml::de::DeTable;
use vipwatch_model::dispatch::Policy;

use crate::maintenance::Maintenance;

pub use self::{
    agent::Agent,
    cluster::Cluster,
    connectivity::{Connectivity, ConnectivityTarget},
    contact::{Contact, Pass, contact},
    departure::Departure,
    duration::{read as read_duration, show as show_duration},
    echo::Echo,
    egress::{Asked, DnsRecord, Egress, EgressSource},
    fault::{Fault, Faults, Related},
    flows::{Flows, Speech, Talk},
    http::Http,
    probe::{Errand, Probe},
    receiver::{
        Alertmanager, Body, Email, Encryption, Endpoint, Exec, Form, Kind as ReceiverKind, Login, Means,
        Ntfy, PagerDuty, RateLimit, Receiver, SigningKey, Webhook,
    },
    rule::AlertRules,
    secret::Secret,
    server::Server,
    service::{Service, ServiceName},
    timing::Timing,
    tls::Tls,
};
use self::{
    agent::AgentTable,
    alerts::AlertsTable,
    cluster::ClusterTable,
    connectivity::ConnectivityTable,
    departure::{DepartureLayer, DepartureTable},
    egress::EgressTable,
    inhibit::InhibitTable,
    maintenance::MaintenanceTable,
    probe::ProbeTable,
    reader::Reader,
    receiver::ReceiverTable,
    route::RouteTable,
    rule::RulesLayer,
    service::ServiceTable,
    table::{Table, table},
    timing::{Layer, TimingTable},
    value::Tables,
};

/// A larger file is refused unread.
const LARGEST_FILE: u64 = 1 << 20;

/// A configuration without faults, every setting resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The agent itself.
    pub agent: Agent,
    /// The agent's own source address as the far side ought to see it.
    pub egress: Egress,
    /// Who is asked whether the agent sees anything at all, if anybody is.
    pub connectivity: Option<Connectivity>,
    /// What is known of the cluster.
    pub cluster: Cluster,
    /// The Kubernetes Services to watch.
    pub services: Vec<Service>,
    /// What else to watch.
    pub probes: Vec<Probe>,
    /// Who is told.
    pub receivers: Vec<Receiver>,
    /// Who is told of what, and when.
    pub policy: Policy,
    /// When what is not told.
    pub maintenance: Vec<Maintenance>,
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file was read and is wrong.
    #[error(transparent)]
    Faults(#[from] Faults),
}

table! {
    /// The configuration of vipwatch: which MetalLB services to watch from outside the cluster, and whom to
    /// tell.
    struct Root {
        /// What this agent is called, where it listens and where it keeps its data.
        required agent: AgentTable,
        /// The source address that the far side ought to see when nothing on the way translates it.
        default egress: EgressTable = {},
        /// Who is asked whether this agent sees anything at all. Left out: its own links and routes tell.
        optional connectivity: ConnectivityTable,
        /// What is known of the cluster: to tell to whom an address was translated, and which nodes to ask.
        default cluster: ClusterTable = {},
        /// Settings for every service and probe that does not set its own.
        default defaults: DefaultsTable = {},
        /// Kubernetes Services with VIPs.
        default service: Tables<ServiceTable> = [],
        /// Anything else that is worth probing.
        default probe: Tables<ProbeTable> = [],
        /// Who is told about alerts.
        default receiver: Tables<ReceiverTable> = [],
        /// When alerts are opened and resolved, how bad they are, and when they are told.
        default alerts: AlertsTable = {},
        /// Which alerts go to whom. Without any route, every alert goes to every receiver.
        default route: Tables<RouteTable> = [],
        /// Which open alerts keep others from being told.
        default inhibit: Tables<InhibitTable> = [],
        /// When some alerts are not told.
        default maintenance: Tables<MaintenanceTable> = [],
    }
}

table! {
    /// Settings for every service and probe that does not set its own, and for asking the nodes.
    struct DefaultsTable {
        /// When and how persistently.
        flatten timing: TimingTable,
        /// From where.
        flatten departure: DepartureTable,
    }
}

/// Reads and checks the file at `path`, with `${...}` taken from the environment of the process.
///
/// # Errors
/// When the file cannot be read, and when it has faults.
pub fn load(path: &Path) -> Result<Config, LoadError> {
    Ok(parse(&source(path)?, path, &|name| std::env::var(name).ok())?)
}

/// The text of the file.
fn source(path: &Path) -> Result<String, LoadError> {
    let unreadable = |source| LoadError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST_FILE {
        let mut reader = Reader::new("", Path::new(""), &|_| None);
        reader
            .fault(0..0, format!("the file is larger than {LARGEST_FILE} bytes"))
            .hint("a thousand services fit into a fifth of that: is it the right file?");
        return Err(reader.finish(path).into());
    }
    String::from_utf8(bytes).map_err(|error| not_utf8(path, &error).into())
}

/// Checks `source`, the text of the file `origin`. Relative paths in it are relative to `origin`'s directory.
///
/// # Errors
/// When the text has faults: all of them.
pub fn parse(source: &str, origin: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, Faults> {
    let base = origin.parent().unwrap_or(Path::new(""));
    let mut reader = Reader::new(source, base, env);
    let (document, errors) = DeTable::parse_recoverable(source);
    for error in errors {
        reader.syntax(error.span().unwrap_or(0..0), error.message());
    }
    let root = Root::read_document(document.get_ref(), &mut reader);
    conflict::check(&root, &mut reader);
    let config = root.resolve(&mut reader);
    match config {
        Some(config) if reader.is_clean() => Ok(config),
        _ => Err(reader.finish(origin)),
    }
}

/// The JSON Schema of the file.
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut schema = Root::describe();
    schema.insert("$schema".into(), schemars::consts::meta_schemas::DRAFT07.into());
    schema.insert("title".into(), "vipwatch configuration".into());
    schema.to_value()
}

impl Root {
    fn resolve(self, reader: &mut Reader<'_>) -> Option<Config> {
        // Each section reports its faults, so all of them are resolved before the first missing one ends it.
        let agent = self.agent.required().and_then(|agent| agent.resolve(reader));
        let egress = self.egress.required().and_then(|egress| egress.resolve(reader));
        let (timing, departure, rules) =
            (Layer::built_in(), DepartureLayer::built_in(), RulesLayer::built_in());
        let (timing, departure) = match self.defaults.required() {
            Some(defaults) => {
                (defaults.timing.layer(&timing, reader), defaults.departure.layer(&departure, reader))
            }
            None => (timing, departure),
        };
        let connectivity = match self.connectivity.optional() {
            Some(Some(connectivity)) => connectivity.resolve(&departure, reader).map(Some),
            absent_or_faulty => absent_or_faulty.map(|_| None),
        };
        let alerts = self.alerts.required();
        let rules = alerts.as_ref().map_or(rules.clone(), |alerts| rules.under(alerts, reader));
        let cluster =
            self.cluster.required().and_then(|cluster| cluster.resolve(&timing, &rules, &departure, reader));
        let services = self.service.required().and_then(|services| {
            services.map(|service| service.resolve(&timing, &rules, &departure, reader))
        });
        let probes = self
            .probe
            .required()
            .and_then(|probes| probes.map(|probe| probe.resolve(&timing, &rules, &departure, reader)));
        let receivers =
            self.receiver.required().and_then(|receivers| receivers.map(|receiver| receiver.resolve(reader)));
        let routes = self.route.required().and_then(|routes| routes.map(RouteTable::resolve));
        let inhibitions = self.inhibit.required().and_then(|inhibit| inhibit.map(InhibitTable::resolve));
        let maintenance = self
            .maintenance
            .required()
            .and_then(|maintenance| maintenance.map(|maintenance| maintenance.resolve(reader)));
        let receivers = receivers?;
        Some(Config {
            agent: agent?,
            egress: egress?,
            connectivity: connectivity?,
            cluster: cluster?,
            services: services?,
            probes: probes?,
            policy: alerts?.policy(&receivers, routes?, inhibitions?)?,
            maintenance: maintenance?,
            receivers,
        })
    }
}

fn not_utf8(path: &Path, error: &std::string::FromUtf8Error) -> Faults {
    let text = String::from_utf8_lossy(error.as_bytes());
    let start = error.utf8_error().valid_up_to();
    let mut reader = Reader::new(&text, Path::new(""), &|_| None);
    reader
        .fault(start..start + char::REPLACEMENT_CHARACTER.len_utf8(), "the file is not UTF-8")
        .hint("save it as UTF-8; TOML knows no other encoding");
    reader.finish(path)
}
