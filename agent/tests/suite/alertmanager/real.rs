//! Debian's Alertmanager, on loopback: alerts appear, stay, are grouped, and end.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::{CancellationToken, DropGuard};
use vipwatch::{
    clock::Clock,
    outbox::{Reply, Standing},
};
use vipwatch_lab::{
    cluster::{Change, ExternalTrafficPolicy},
    webhook,
};
use vipwatch_model::{
    alert::Alert,
    notification::{Notification, Resolution},
};

use crate::{
    agent::{Home, free_address, get},
    cluster::{Cluster, ECHO},
    told,
};

const PATIENCE: Duration = Duration::from_secs(20);
/// Where its package was unpacked.
const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/usr");

/// An Alertmanager; killed when dropped.
struct Alertmanager {
    child: Child,
    address: SocketAddr,
    prefix: &'static str,
    _home: TempDir,
}

impl Alertmanager {
    /// Starts one on `address` that notifies `hook`, one notification per service.
    fn start(address: SocketAddr, prefix: &'static str, hook: Option<SocketAddr>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let hook = hook.map_or_else(String::new, |hook| {
            format!("    webhook_configs: [{{ url: 'http://{hook}/', send_resolved: true }}]\n")
        });
        let config = format!(
            "route:\n  receiver: test\n  group_by: [namespace, service]\n  group_wait: 100ms\n  group_interval: 200ms\n\
             receivers:\n  - name: test\n{hook}"
        );
        fs::write(home.path().join("config.yml"), config).unwrap();
        let program = Path::new(PACKAGE).join("bin/prometheus-alertmanager");
        assert!(program.exists(), "there is no {}: run `deploy/tools.sh receivers`", program.display());
        // Debian's wants its templates in /usr/share: there it sees those of the package, and nobody else does.
        let child = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
            .arg("mount --bind \"$0/share\" /usr/share && exec \"$0/bin/prometheus-alertmanager\" \"$@\"")
            .arg(PACKAGE)
            .arg("--config.file=config.yml")
            .arg("--storage.path=data")
            .arg(format!("--web.listen-address={address}"))
            .arg(format!("--web.route-prefix=/{prefix}"))
            // It looks for no others.
            .arg("--cluster.listen-address=")
            .arg("--log.level=error")
            .current_dir(&home)
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let alertmanager = Self { child, address, prefix, _home: home };
        let give_up = Instant::now() + PATIENCE;
        while !(TcpStream::connect(address).is_ok() && alertmanager.get("/-/ready").0.contains("200")) {
            assert!(Instant::now() < give_up, "the Alertmanager is not ready");
            thread::sleep(Duration::from_millis(20));
        }
        alertmanager
    }

    fn url(&self) -> String {
        format!("http://{}/{}", self.address, self.prefix)
    }

    fn get(&self, path: &str) -> (String, String) {
        get(self.address, &format!("/{}{path}", self.prefix).replace("//", "/"))
    }

    fn json(&self, path: &str) -> Vec<Value> {
        let (status, body) = self.get(path);
        assert!(status.contains("200"), "{status}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The alerts that are not over.
    fn alerts(&self) -> Vec<Value> {
        self.json("/api/v2/alerts")
    }

    /// The alerts as soon as they are as `wanted`.
    #[track_caller]
    fn wait_for(&self, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let alerts = self.alerts();
            if wanted(&alerts) {
                return alerts;
            }
            assert!(Instant::now() < give_up, "waited in vain for {what}: {alerts:#?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whom an Alertmanager notifies.
struct Hook {
    address: SocketAddr,
    notified: mpsc::Receiver<Value>,
    _runtime: Runtime,
    _end: DropGuard,
}

impl Hook {
    fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, notified) = mpsc::channel();
        let end = CancellationToken::new();
        let ended = end.clone();
        runtime.spawn(async move {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let seen = move |delivery: webhook::Delivery| drop(tell.send(delivery.body));
            webhook::serve(listener, seen, ended).await.unwrap();
        });
        Self { address, notified, _runtime: runtime, _end: end.drop_guard() }
    }
}

fn time(alert: &Value, key: &str) -> DateTime<Utc> {
    alert[key].as_str().unwrap().parse().unwrap()
}

fn name(alert: &Value) -> &str {
    alert["labels"]["alertname"].as_str().unwrap()
}

/// An alert that began just now, as [`told::alert`] has it otherwise.
fn alert(now: DateTime<Utc>) -> Alert {
    Alert { since: now - TimeDelta::seconds(10), opened_at: now, ..told::alert() }
}

fn standing(alert: &Alert) -> Standing {
    Standing { alert: alert.clone().into(), ..super::standing(&["it"]) }
}

/// A receiver that stands for these Alertmanagers, and tells them again so seldom that nothing ends by itself.
fn receiver(urls: &[String]) -> vipwatch::outbox::Receiver {
    told::receiver(&format!("kind = \"alertmanager\"\nurls = {urls:?}\nresend_every = \"1h\""))
}

/// Through the whole agent, with one Alertmanager alive and another dead.
#[test]
fn alerts_appear_are_grouped_stay_and_end() {
    let hook = Hook::start();
    let alive = Alertmanager::start(free_address(), "", Some(hook.address));
    let dead = free_address();
    let cluster = Cluster::start();
    let listen = free_address();
    let receiver = format!(
        "[[receiver]]\nname = \"ops\"\nkind = \"alertmanager\"\nurls = [\"http://{dead}\", \"{}\"]\n\
         timeout = \"400ms\"\nresend_every = \"500ms\"\n",
        alive.url()
    );
    let home = Home::new(&cluster.config(listen, 200, &receiver));
    let (agent, mut page) = cluster.watched_by(&home, listen);
    let clock = Clock::system();

    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    let both = |alerts: &[Value]| {
        ["VipwatchSourceTranslated", "VipwatchPolicyDrift"]
            .iter()
            .all(|wanted| alerts.iter().any(|alert| name(alert) == *wanted))
    };
    let first = alive.wait_for("the alerts", both);
    let translated = first.iter().find(|alert| name(alert) == "VipwatchSourceTranslated").unwrap();
    for (label, value) in
        [("severity", "critical"), ("vantage", "test"), ("namespace", "default"), ("service", "echo-server")]
    {
        assert_eq!(translated["labels"][label], value);
    }
    assert_eq!(translated["generatorURL"], format!("http://{listen}/"));
    assert!(
        translated["annotations"]["summary"]
            .as_str()
            .unwrap()
            .contains("loses its clients' source addresses")
    );
    assert!(translated["annotations"]["remedy"].as_str().unwrap().contains("kubectl"));

    let groups = alive.json("/api/v2/alerts/groups");
    let group = groups.iter().find(|group| group["labels"]["service"] == "echo-server").unwrap();
    assert!(both(group["alerts"].as_array().unwrap()), "{group:#}");

    // It outlives the end that it was first given.
    let first_end = time(translated, "endsAt");
    assert!(first_end - clock.now() <= TimeDelta::seconds(2), "{first_end}");
    let stayed = alive.wait_for("the first end to pass", |_| clock.now() > first_end);
    assert!(both(&stayed), "{stayed:#?}");
    assert!(
        stayed.iter().all(|alert| alert["status"]["state"] == "active" && time(alert, "endsAt") > first_end)
    );
    assert_eq!(stayed.len(), alive.alerts().len(), "told again, and not as others");

    let notified: Vec<Value> = hook.notified.try_iter().collect();
    let alerts = notified.iter().flat_map(|notified| notified["alerts"].as_array().unwrap());
    assert!(!notified.is_empty() && alerts.clone().all(|alert| alert["status"] == "firing"), "{notified:#?}");
    assert!(notified.iter().all(|notified| notified["groupLabels"]["service"] == "echo-server"));

    cluster.apply(Change::HealAll);
    alive.wait_for("their end", <[Value]>::is_empty);
    while hook.notified.recv_timeout(PATIENCE).unwrap()["status"] != "resolved" {}
    let shown = page.wait_for("a receiver that is well", PATIENCE, |overview| {
        overview.receivers.iter().all(|receiver| receiver.pending == 0)
    });
    assert_eq!((shown.receivers[0].dead, shown.receivers[0].last_error.as_deref()), (0, None));
    agent.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_told_and_no_older_list_undoes_it() {
    let server = Alertmanager::start(free_address(), "prom/alertmanager", None);
    let it = receiver(&[server.url()]);
    let now = Clock::system().now();
    let (alert, hour) = (alert(now), TimeDelta::hours(1));
    let opened = Notification::opened(alert.clone(), "office-fra", "http://192.0.2.9:9180/");
    assert_eq!(told::tell_at(now, &it, &opened).await, Reply::Taken);
    let open = server.alerts();
    assert_eq!(open.len(), 1);
    assert!(time(&open[0], "endsAt") > now + hour, "{open:#?}");
    it.refresh(&[standing(&alert)], now).await;
    assert_eq!(server.alerts().len(), 1, "told again, it is the same");

    let end = Resolution { at: now, open_seconds: 0, reason: "It is back.".into(), superseded: false };
    let resolved = Notification::resolved(alert.clone(), end, "office-fra", "http://192.0.2.9:9180/");
    assert_eq!(told::tell_at(now, &it, &resolved).await, Reply::Taken);
    assert_eq!(server.alerts(), Vec::<Value>::new());
    it.refresh(&[standing(&alert)], now).await;
    assert_eq!(server.alerts(), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_away_gets_to_know_what_is_open() {
    let (first, second) = (free_address(), free_address());
    let it = receiver(&[format!("http://{first}"), format!("http://{second}/second")]);
    let now = Clock::system().now();
    let alert = alert(now);
    let opened = Notification::opened(alert.clone(), "office-fra", "http://192.0.2.9:9180/");
    let error = told::later(told::tell_at(now, &it, &opened).await);
    assert!(
        error.contains(&format!("http://{first}: ")) && error.contains(&format!("; http://{second}: ")),
        "{error}"
    );

    let first = Alertmanager::start(first, "", None);
    assert_eq!(told::tell_at(now, &it, &opened).await, Reply::Taken);
    assert_eq!(first.alerts().len(), 1);
    let second = Alertmanager::start(second, "second", None);
    assert_eq!(second.alerts(), Vec::<Value>::new());
    it.refresh(&[standing(&alert)], now).await;
    assert_eq!(second.alerts()[0]["fingerprint"], first.alerts()[0]["fingerprint"]);
}

/// More than fit into one request.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_arrives_whole() {
    let server = Alertmanager::start(free_address(), "", None);
    let it = receiver(&[server.url()]);
    let now = Clock::system().now();
    let storm: Vec<Standing> = (0..1_000)
        .map(|number| {
            standing(&Alert { id: number.to_string(), probe: format!("probe-{number}"), ..alert(now) })
        })
        .collect();
    it.refresh(&storm, now).await;
    assert_eq!(server.alerts().len(), 1_000);
}
