//! `vipwatch echo` as it is run: its listeners, its rights, its end.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::Value;

use crate::agent::{connect, get, vipwatch};

/// Nobody, whom a server that root has started becomes.
const NOBODY: &str = "65534";

/// A free port on an address that no other test uses, so that nobody takes it in between.
fn free_address() -> SocketAddr {
    static TAKEN: AtomicU8 = AtomicU8::new(1);
    let address = [127, 66, 0, TAKEN.fetch_add(1, Ordering::Relaxed)];
    TcpListener::bind((Ipv4Addr::from(address), 0)).unwrap().local_addr().unwrap()
}

fn echo(arguments: &[&str]) -> Command {
    let mut command = vipwatch();
    command.arg("echo").args(arguments);
    command
}

/// Ends when it is told to, or dropped.
struct Running(Child);

impl Running {
    fn of(mut command: Command) -> Self {
        Self(command.stderr(Stdio::piped()).spawn().unwrap())
    }

    /// What the kernel says about each thread of it.
    fn threads(&self) -> Vec<BTreeMap<String, String>> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap();
        threads
            .map(|thread| {
                let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
                let fields = status.lines().filter_map(|line| line.split_once(':'));
                fields.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect()
            })
            .collect()
    }

    /// Its exit code, and its log.
    fn end(mut self) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        let mut log = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.0.wait().unwrap().code(), log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn refused(output: &Output, code: i32, words: &[&str]) {
    let log = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{log}");
    for word in words {
        assert!(log.contains(word), "{word:?} is not in {log}");
    }
}

#[test]
fn all_listeners_answer_and_are_counted_to_the_end() {
    let [http, https, tcp, udp, dns] = [(); 5].map(|()| free_address());
    let addresses = [http, https, tcp, udp, dns].map(|address| address.to_string());
    let [a, b, c, d, e] = addresses.each_ref().map(String::as_str);
    let server = Running::of(echo(&["--http", a, "--https", b, "--tcp", c, "--udp", d, "--dns", e]));

    let (status, body) = get(http, "/clientip");
    assert!(status.ends_with("200 OK") && body.starts_with("127.0.0.1:"), "{status} {body}");
    let mut line = connect(tcp);
    line.write_all(b"clientip\n").unwrap();
    let mut answer = String::new();
    line.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, format!("{}\n", line.local_addr().unwrap()));
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    client.send_to(b"clientip", udp).unwrap();
    let mut datagram = [0; 100];
    let length = client.recv(&mut datagram).unwrap();
    assert_eq!(&datagram[..length], client.local_addr().unwrap().to_string().as_bytes());
    connect(https);
    connect(dns);

    let reading: Value = serde_json::from_str(&get(http, "/stats").1).unwrap();
    assert_eq!(reading["total"]["answered"], 3);
    assert_eq!(reading["listeners"].as_array().unwrap().len(), 6, "DNS has two");
    let (code, log) = server.end();
    assert_eq!(code, Some(0), "{log}");
    for address in addresses {
        assert!(
            log.contains(&format!("listen={address} answered=")),
            "its counts are told at the end:\n{log}"
        );
    }
}

#[test]
fn http_alone_is_the_default() {
    // Whoever has the port: the refusal names it.
    let _held = TcpListener::bind("[::]:8080");
    refused(&echo(&[]).output().unwrap(), 69, &["[::]:8080", "--http"]);
}

#[test]
fn root_becomes_nobody_and_others_stay_who_they_are() {
    let listen = free_address();
    let server = Running::of(echo(&["--http", &listen.to_string()]));
    get(listen, "/");
    let own = geteuid();
    let expected = if own.is_root() { NOBODY.to_owned() } else { own.as_raw().to_string() };
    for thread in server.threads() {
        let ids: Vec<&str> = thread["Uid"].split_whitespace().collect();
        assert_eq!(ids, [expected.as_str(); 4], "real, effective, saved and file system user");
        assert_eq!(thread["NoNewPrivs"], "1");
        if own.is_root() {
            assert_eq!(thread["Gid"].split_whitespace().collect::<Vec<_>>(), [NOBODY; 4]);
            assert_eq!(thread["Groups"], "");
            assert_eq!(
                (thread["CapEff"].as_str(), thread["CapPrm"].as_str()),
                ("0000000000000000", "0000000000000000")
            );
        }
    }
}

#[test]
fn a_user_can_be_named_by_root_only() {
    let listen = free_address().to_string();
    if geteuid().is_root() {
        let server = Running::of(echo(&["--http", &listen, "--user", "4000001:4000002"]));
        get(listen.parse().unwrap(), "/");
        let thread = &server.threads()[0];
        assert!(
            thread["Uid"].starts_with("4000001\t") && thread["Gid"].starts_with("4000002\t"),
            "{thread:?}"
        );
        drop(server);
        let kept = Running::of(echo(&["--http", &listen, "--user", "root"]));
        get(listen.parse().unwrap(), "/");
        assert!(kept.threads()[0]["Uid"].starts_with("0\t"));
        // As a number this stands for "leave it as it is" in the system's calls.
        let trick = echo(&["--http", &free_address().to_string(), "--user", "4294967295"]).output().unwrap();
        refused(&trick, 78, &["failed to drop privileges", "--user root"]);
    } else {
        let output = echo(&["--http", &listen, "--user", "4000001"]).output().unwrap();
        refused(&output, 78, &["only root can become another user", "--user"]);
    }
    let unknown = echo(&["--user", "no-such-user"]).output().unwrap();
    refused(&unknown, 2, &["--user", "no such user"]);
}

#[test]
fn the_key_is_read_before_the_rights_to_it_are_given_up() {
    let files = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (files.path().join("tls.crt"), files.path().join("tls.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let [certificate, key] = [&certificate, &key].map(|path| path.to_str().unwrap());

    let listen = free_address().to_string();
    let server = Running::of(echo(&["--https", &listen, "--tls-cert", certificate, "--tls-key", key]));
    connect(listen.parse().unwrap());
    assert_eq!(server.end().0, Some(0));

    let missing = ["--https", &listen, "--tls-cert", certificate, "--tls-key", "/nonexistent/key"];
    refused(&echo(&missing).output().unwrap(), 78, &["/nonexistent/key", "--tls-key"]);
    let half = echo(&["--https", &listen, "--tls-cert", certificate]).output().unwrap();
    refused(&half, 2, &["--tls-key"]);
}

#[test]
fn an_address_that_cannot_be_had_is_named_with_its_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--http", "--https", "--tcp", "--dns"] {
        refused(&echo(&[flag, &address]).output().unwrap(), 69, &[&address, "failed to listen", flag]);
    }
    // A documentation address, which no machine has.
    refused(&echo(&["--udp", "192.0.2.9:9"]).output().unwrap(), 69, &["192.0.2.9:9", "--udp"]);
    refused(&echo(&["--http", "8080"]).output().unwrap(), 2, &["--http"]);
}

#[test]
fn help_says_what_a_proxy_header_is_worth() {
    let help = String::from_utf8(echo(&["--help"]).output().unwrap().stdout).unwrap();
    for word in ["[::]:8080", "forge", "clientip", "NODE_NAME", "/stats", "--max-rate-per-peer", "nobody"] {
        assert!(help.contains(word), "{word:?} is not in {help}");
    }
}
