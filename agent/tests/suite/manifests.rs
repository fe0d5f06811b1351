//! The Kubernetes manifests: what the cluster would otherwise be the first to find out.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};

use clap::Parser as _;
use serde_json::Value;
use vipwatch::cli::Cli;

fn objects(file: &str) -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn one<'a>(objects: &'a [Value], kinds: &[&str]) -> &'a Value {
    let mut found = objects.iter().filter(|object| kinds.iter().any(|kind| object["kind"] == *kind));
    let object = found.next().unwrap();
    assert!(found.next().is_none(), "several {kinds:?}");
    object
}

fn container(workload: &Value) -> &Value {
    let [container] = workload["spec"]["template"]["spec"]["containers"].as_array().unwrap().as_slice()
    else {
        panic!("several containers")
    };
    container
}

fn texts(values: &Value) -> Vec<&str> {
    values.as_array().unwrap().iter().map(|value| value.as_str().unwrap()).collect()
}

#[test]
fn every_service_keeps_addresses_and_leads_to_ports_that_are_there() {
    for file in ["echo.yaml", "echo-server.yaml", "web-server.yaml"] {
        let objects = objects(file);
        let service = one(&objects, &["Service"]);
        let workload = one(&objects, &["DaemonSet", "Deployment"]);
        assert_eq!(service["spec"]["type"], "LoadBalancer", "{file}");
        assert_eq!(service["spec"]["externalTrafficPolicy"], "Local", "{file}");
        assert_eq!(format!("{}.yaml", workload["metadata"]["name"].as_str().unwrap()), {
            file.replace("echo.yaml", "vipwatch-echo.yaml")
        });

        let labels = &workload["spec"]["template"]["metadata"]["labels"];
        assert_eq!(&service["spec"]["selector"], labels, "{file}");
        assert_eq!(&workload["spec"]["selector"]["matchLabels"], labels, "{file}");

        let named = |ports: &'static str, list: &Value, name: &str| -> BTreeSet<(String, String)> {
            let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{file}: {ports}")).to_owned();
            let ports = list["ports"].as_array().unwrap();
            ports.iter().map(|port| (text(&port[name]), text(&port["protocol"]))).collect()
        };
        let served = named("service", &service["spec"], "targetPort");
        assert_eq!(served, named("container", container(workload), "name"), "{file}");
        let distinct: BTreeSet<_> = service["spec"]["ports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|port| (port["protocol"].to_string(), port["port"].as_u64().unwrap()))
            .collect();
        assert_eq!(distinct.len(), served.len(), "{file}");
    }
}

#[test]
fn the_echo_server_listens_where_its_container_says() {
    let objects = objects("echo.yaml");
    let container = container(one(&objects, &["DaemonSet"]));
    let arguments = texts(&container["args"]);
    Cli::try_parse_from([&["vipwatch"], arguments.as_slice()].concat()).unwrap();

    let listens: BTreeSet<(String, u64)> = arguments
        .iter()
        .filter_map(|argument| argument.strip_prefix("--")?.split_once('='))
        .filter_map(|(protocol, address)| Some((protocol.to_owned(), address.parse::<SocketAddr>().ok()?)))
        .map(|(protocol, address)| (protocol, u64::from(address.port())))
        .collect();
    let ports: BTreeSet<(String, u64)> = container["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|port| (port["name"].as_str().unwrap(), port["containerPort"].as_u64().unwrap()))
        .map(|(name, port)| (name.strip_suffix("-tcp").unwrap_or(name).to_owned(), port))
        .collect();
    assert_eq!(listens.len(), 5);
    assert_eq!(listens, ports);
    assert!(ports.iter().all(|(_, port)| *port >= 1024), "it has no right to lower ports");
}

#[test]
fn the_echo_server_has_its_names_and_no_rights() {
    let objects = objects("echo.yaml");
    let pod = &one(&objects, &["DaemonSet"])["spec"]["template"]["spec"];
    let container = container(one(&objects, &["DaemonSet"]));
    let names: Vec<_> = container["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| (&variable["name"], &variable["valueFrom"]["fieldRef"]["fieldPath"]))
        .map(|(name, path)| (name.as_str().unwrap(), path.as_str().unwrap()))
        .collect();
    assert_eq!(
        names,
        [
            ("NODE_NAME", "spec.nodeName"),
            ("POD_NAME", "metadata.name"),
            ("POD_NAMESPACE", "metadata.namespace")
        ]
    );
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    assert_eq!(texts(&container["securityContext"]["capabilities"]["drop"]), ["ALL"]);
    assert!(container["resources"]["limits"]["memory"].is_string());
}
