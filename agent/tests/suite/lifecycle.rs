//! Starting, reloading and ending, as an operator and systemd see them.

use std::{os::unix::net::UnixDatagram, time::Duration};

use rustix::process::Signal;
use vipwatch_lab::cluster::{Change, ExternalTrafficPolicy};
use vipwatch_web::api::State;

use crate::{
    agent::{Home, Page, Running, free_address, get, state, vipwatch},
    cluster::{Cluster, ECHO},
};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn sigterm_ends_it_cleanly_and_soon() {
    let cluster = Cluster::start();
    let listen = free_address();
    let home = Home::new(&cluster.config(listen, 200, ""));
    // An open event stream must not hold up the end.
    let (agent, _page) = cluster.watched_by(&home, listen);
    agent.signal(Signal::TERM);
    assert_eq!(agent.ended(Duration::from_secs(2)), 0);
    let database = rusqlite::Connection::open(home.database()).unwrap();
    let rounds: i64 = database.query_row("SELECT count(*) FROM round", [], |row| row.get(0)).unwrap();
    assert!(rounds > 0);
}

#[test]
fn health_and_readiness_are_told() {
    let cluster = Cluster::start();
    let listen = free_address();
    let home = Home::new(&cluster.config(listen, 200, ""));
    let _agent = Running::start(&home);
    Page::open(listen).wait_for("the start", PATIENCE, |_| true);
    assert_eq!(get(listen, "/healthz").0, "HTTP/1.0 200 OK");
    let (status, body) = get(listen, "/readyz");
    assert_eq!(status, "HTTP/1.0 200 OK", "{body}");
    home.configure("nonsense");
    Page::open(listen).wait_for("the fault", PATIENCE, |overview| overview.agent.config.error.is_some());
    let (status, body) = get(listen, "/readyz");
    assert_eq!(status, "HTTP/1.0 503 Service Unavailable", "{body}");
    assert_eq!(get(listen, "/healthz").0, "HTTP/1.0 200 OK");
}

#[test]
fn a_changed_file_is_taken_over_and_a_faulty_one_changes_nothing() {
    let cluster = Cluster::start();
    let listen = free_address();
    let config = cluster.config(listen, 200, "");
    let home = Home::new(&config);
    let agent = Running::start(&home);
    let name = cluster.vip_probe();
    let mut page = Page::open(listen);
    let before = page.wait_for("the start", PATIENCE, |overview| state(overview, &name) == State::Up);

    let control = format!(
        "[[probe]]\nname = \"control\"\nkind = \"http\"\nurl = \"http://{}/\"\necho = {{ format = \"auto\" }}\n",
        cluster.control()
    );
    home.configure(&format!("{config}{control}"));
    let with_control = page.wait_for("the new probe", PATIENCE, |overview| {
        overview.probes.iter().any(|probe| probe.name == "control" && probe.state == State::Up)
    });
    let since = |overview: &vipwatch_web::api::Overview| crate::agent::vip(overview, &name).since;
    assert_eq!(since(&with_control), since(&before), "what did not change keeps its state");

    home.configure(&config.replace("\"Local\"", "\"Lokal\""));
    let faulty = page.wait_for("the fault", PATIENCE, |overview| overview.agent.config.error.is_some());
    let error = faulty.agent.config.error.unwrap();
    assert!(error.contains("Lokal") && error.contains("did you mean"), "{error}");
    assert_eq!(faulty.probes.len(), 1, "the old configuration goes on");

    home.configure(&config);
    agent.signal(Signal::HUP);
    page.wait_for("the first configuration", PATIENCE, |overview| {
        overview.agent.config.error.is_none() && overview.probes.is_empty()
    });
}

#[test]
fn systemd_is_told_of_readiness_life_and_the_end() {
    let cluster = Cluster::start();
    let listen = free_address();
    let home = Home::new(&cluster.config(listen, 200, ""));
    let path = home.path().with_file_name("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = home.command();
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "600000");
    let agent = Running::of(&mut command);
    let mut buffer = [0; 512];
    let mut next = || {
        let n = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..n].to_vec()).unwrap()
    };
    assert_eq!(next().trim(), "READY=1");
    for _ in 0..3 {
        assert_eq!(next().trim(), "WATCHDOG=1");
    }
    agent.signal(Signal::HUP);
    let mut reloading = next();
    while reloading.trim() == "WATCHDOG=1" {
        reloading = next();
    }
    assert!(reloading.contains("RELOADING=1") && reloading.contains("MONOTONIC_USEC="), "{reloading}");
    agent.signal(Signal::TERM);
    let mut last = next();
    while last.trim() != "STOPPING=1" {
        last = next();
    }
    assert_eq!(agent.ended(Duration::from_secs(2)), 0);
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::new(&format!(
        "[agent]\nvantage = \"test\"\nlisten = \"{}\"\n[[probe]]\nname = \"a\"\nkind = \"http\"\nurl = \"http://127.0.0.1:9/\"\n",
        taken.local_addr().unwrap()
    ));
    let output = home.command().output().unwrap();
    assert_eq!(output.status.code(), Some(69));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("agent.listen"), "{told}");
}

#[test]
fn a_config_map_is_reloaded_when_its_link_is_swapped() {
    let cluster = Cluster::start();
    let listen = free_address();
    let config = cluster.config(listen, 200, "");
    // As the kubelet lays it out: probes.toml -> ..data/probes.toml, ..data -> ..1
    let volume = tempfile::tempdir().unwrap();
    let version = |n: u32, config: &str| {
        let directory = volume.path().join(format!("..{n}"));
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("probes.toml"), config).unwrap();
        let fresh = volume.path().join("..data_tmp");
        std::os::unix::fs::symlink(format!("..{n}"), &fresh).unwrap();
        std::fs::rename(fresh, volume.path().join("..data")).unwrap();
    };
    let database = tempfile::tempdir().unwrap();
    let elsewhere = |config: &str| {
        let path = database.path().join("vipwatch.db");
        config.replace("[defaults]", &format!("database = \"{}\"\n[defaults]", path.display()))
    };
    version(1, &elsewhere(&config));
    std::os::unix::fs::symlink("..data/probes.toml", volume.path().join("probes.toml")).unwrap();
    let mut command = vipwatch();
    command.args(["run", "--config"]).arg(volume.path().join("probes.toml"));
    let _agent = Running::of(&mut command);
    let mut page = Page::open(listen);
    page.wait_for("the start", PATIENCE, |overview| overview.vantage == "test");
    for (n, vantage) in [(2, "second"), (3, "third")] {
        version(n, &elsewhere(&config.replace("vantage = \"test\"", &format!("vantage = \"{vantage}\""))));
        std::fs::remove_dir_all(volume.path().join(format!("..{}", n - 1))).unwrap();
        page.wait_for("the new version", PATIENCE, |overview| overview.vantage == vantage);
    }
}

#[test]
fn drift_ends_when_the_configuration_accepts_it() {
    let cluster = Cluster::start();
    let listen = free_address();
    let config = cluster.config(listen, 200, "");
    let home = Home::new(&config);
    let (_agent, mut page) = cluster.watched_by(&home, listen);
    let name = cluster.vip_probe();
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    page.wait_for("both alerts", PATIENCE, |overview| overview.alerts.len() == 2);
    let accepted: String = config
        .replace("\"Local\"", "\"Cluster\"")
        .lines()
        .filter(|line| !line.starts_with("health_check"))
        .map(|line| format!("{line}\n"))
        .collect();
    home.configure(&accepted);
    page.wait_for("no alert", PATIENCE, |overview| {
        overview.alerts.is_empty() && state(overview, &name) == State::Up
    });
}

#[test]
fn too_few_slots_are_told_from_the_start() {
    let cluster = Cluster::start();
    let listen = free_address();
    let config = cluster.config(listen, 200, "").replace("[defaults]", "max_flows = 1\n[defaults]");
    let home = Home::new(&config);
    let _agent = Running::start(&home);
    let shown = Page::open(listen).wait_for("the page", PATIENCE, |_| true);
    assert!(
        shown.agent.notices.iter().any(|notice| notice.contains("agent.max_flows")),
        "{:?}",
        shown.agent.notices
    );
}
