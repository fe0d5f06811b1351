//! The configuration: every rule by a file that breaks it, the sample, the schema.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use proptest::prelude::*;
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tempfile::TempDir;
use vipwatch::{
    config::{self, Config, Errand, Faults, Flows, LoadError, Speech},
    prober::Roots,
    schedule::Schedule,
};
use vipwatch_model::{echo::EchoFormat, probe::Expectation};

/// The smallest configuration there is.
const MINIMAL: &str = "[agent]\nvantage = \"test\"\n";

fn parse(source: &str) -> Result<Config, Faults> {
    config::parse(source, Path::new("/etc/vipwatch/probes.toml"), &env)
}

fn env(name: &str) -> Option<String> {
    match name {
        "HOST" => Some("alerts.example.net".into()),
        "PATH_WITH_TOKEN" => Some("not a url, but a token".into()),
        "PROBE_PASSWORD" | "PROBE_TOKEN" => Some("hidden".into()),
        _ => None,
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(name)
}

/// A directory with the files that configurations name: sound ones, and some that cannot be used.
fn files() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| fs::write(directory.path().join(name), content).unwrap();
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let certificate = CertificateParams::new(["vipwatch.example.net".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    write("ca.pem", &certificate.pem());
    write("client.pem", &certificate.pem());
    write("client.key", &key.serialize_pem());
    write("other.key", &other.serialize_pem());
    write("password", "hidden\n");
    write("token", "hidden");
    write("shop.password", "hidden\n");
    write("other-api.token", "hidden\n");
    write("phrase", "hidden hidden\n");
    write("empty", "\n");
    write("broken.pem", "-----BEGIN CERTIFICATE-----\nhidden\n");
    write("strange.pem", "-----BEGIN CERTIFICATE-----\naGlkZGVu\n-----END CERTIFICATE-----\n");
    write("large", &"hidden".repeat(1 << 20));
    fs::create_dir(directory.path().join("directory")).unwrap();
    directory
}

/// Checks `source` as a file in a directory that has all the others.
fn parse_among(files: &TempDir, source: &str) -> Result<Config, Faults> {
    config::parse(source, &files.path().join("probes.toml"), &env)
}

/// The files that break a rule.
fn invalid() -> Vec<PathBuf> {
    let files = fs::read_dir(fixture("")).unwrap().map(|entry| entry.unwrap().path());
    let name = |file: &PathBuf| file.file_name().unwrap().to_str().unwrap().to_owned();
    let mut files: Vec<PathBuf> = files.filter(|file| name(file).starts_with("invalid-")).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file `invalid-*.toml` breaks one rule, in every way that has a message of its own.
#[test]
fn every_rule_has_its_message() {
    let files = files();
    for file in invalid() {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let source = fs::read_to_string(&file).unwrap();
        let origin = files.path().join(file.file_name().unwrap());
        let faults = config::parse(&source, &origin, &env).expect_err(stem);
        let told = faults.render(false).replace(&format!("{}/", files.path().display()), "");
        insta::assert_snapshot!(stem, told);
        // Every secret in these files, and in those that they name, is this word.
        let json = serde_json::to_string(&faults).unwrap();
        assert!(!told.contains("hidden") && !json.contains("hidden"), "{told}");
    }
}

/// The column and line of a fault are those of the underlined text, and colours change nothing but colours.
#[test]
fn positions_are_those_of_the_text() {
    for file in invalid() {
        let source = fs::read_to_string(&file).unwrap();
        let faults = config::parse(&source, &file, &env).unwrap_err();
        let rendered = faults.render(false);
        for fault in &faults {
            let place = format!("{}:{}:{}", file.display(), fault.line, fault.column);
            assert!(rendered.contains(&place), "{place} is not in:\n{rendered}");
        }
        let positions: Vec<_> = faults.iter().map(|fault| (fault.line, fault.column)).collect();
        assert!(positions.is_sorted(), "{positions:?}");
    }
}

#[test]
fn one_fault_does_not_hide_another() {
    let source = fs::read_to_string(repository().join("probes.toml")).unwrap();
    let sound = [
        "vantage = \"demo\"",
        "listen = \"127.0.0.1:9180\"",
        "from = [\"socket\"]",
        "pod_cidrs = [\"127.244.0.0/16\"]",
        "every = \"2s\"",
        "timeout = \"1s\"",
        "flows = 4",
        "alert_after = 2",
        "vips = [\"127.10.0.201\"]",
        "vips = [\"127.10.0.202\"]",
        "health_check_node_port = 30001",
        "expect_source = \"preserved\"",
        "url = \"http://127.10.0.30:8080/\"",
    ];
    let mut broken = source.clone();
    for line in sound {
        assert_eq!(source.matches(&format!("\n{line}\n")).count(), 1, "{line}");
        let key = line.split(' ').next().unwrap();
        broken = broken.replace(&format!("\n{line}\n"), &format!("\n{key} = false\n"));
    }
    let faults = parse(&broken).unwrap_err();
    assert_eq!(faults.len(), sound.len(), "{}", faults.render(false));
}

#[test]
fn the_smallest_configuration_gets_every_default() {
    let config = parse(MINIMAL).unwrap();
    assert_eq!(config.agent.vantage, "test");
    assert_eq!(config.agent.listen.to_string(), "127.0.0.1:9180");
    assert_eq!(config.agent.database, Path::new("/etc/vipwatch/vipwatch.db"));
    assert_eq!(config.agent.page_url.as_str(), "http://127.0.0.1:9180/");
    assert_eq!(config.agent.max_flows, 256);
    assert_eq!(config.agent.keep, Duration::from_secs(7 * 24 * 3600));
    assert_eq!(config.agent.grace, Duration::from_secs(10));
    assert_eq!(config.egress, vipwatch::config::Egress::default());
    assert!(config.services.is_empty() && config.probes.is_empty() && config.receivers.is_empty());
}

#[test]
fn timing_comes_from_the_nearest_level() {
    let config = parse(
        r#"
        agent.vantage = "test"
        [defaults]
        timeout = "2s"
        flows = 8
        [[probe]]
        name = "plain"
        kind = "http"
        url = "http://192.0.2.30/"
        [[probe]]
        name = "own"
        kind = "http"
        url = "http://192.0.2.30/"
        cron = "0 9 * * MON-FRI"
        time_zone = "Europe/Berlin"
        flows = 1
        alert_after = 5
        "#,
    )
    .unwrap();
    let [plain, own] = config.probes.as_slice() else { panic!("{:?}", config.probes) };
    assert_eq!(plain.timing.schedule, Schedule::Every(Duration::from_secs(10)));
    assert_eq!((plain.timing.timeout, plain.timing.flows), (Duration::from_secs(2), 8));
    assert_eq!((plain.timing.alert_after, plain.timing.resolve_after), (2, 2));
    assert_eq!(own.timing.schedule.to_string(), "cron 0 9 * * MON-FRI (Europe/Berlin)");
    assert_eq!((own.timing.timeout, own.timing.flows), (Duration::from_secs(2), 1));
    assert_eq!((own.timing.alert_after, own.timing.resolve_after), (5, 2));
}

/// The flows of the only probe in a configuration that has `keys` for it.
fn flows_of(files: &TempDir, keys: &str) -> Flows {
    let source = format!("{MINIMAL}[[probe]]\nname = \"x\"\n{keys}\n");
    let config = parse_among(files, &source).unwrap_or_else(|faults| panic!("{}", faults.render(false)));
    match config.probes.into_iter().next().unwrap().errand {
        Errand::Flows { flows, .. } => *flows,
        errand @ Errand::Ping { .. } => panic!("{errand:?}"),
    }
}

#[test]
fn what_is_expected_follows_from_echo_and_policy() {
    let nets = |nets: &[&str]| Expectation::Within(nets.iter().map(|net| net.parse().unwrap()).collect());
    for (policy, keys, expected) in [
        ("Local", "", Expectation::Answer),
        ("Cluster", "", Expectation::Answer),
        ("Local", "echo = {}", Expectation::Preserved),
        ("Cluster", "echo = {}", Expectation::Any),
        ("Cluster", "echo = {}\nexpect_source = \"preserved\"", Expectation::Preserved),
        ("Local", "echo = {}\nexpect_source = \"any\"", Expectation::Any),
        ("Local", "echo = {}\nexpect_source = \"header\"", Expectation::InHeader),
        (
            "Cluster",
            "echo = {}\nexpect_source = [\"198.51.100.7\", \"2001:db8:7::/64\"]",
            nets(&["198.51.100.7/32", "2001:db8:7::/64"]),
        ),
    ] {
        let service = "[[service]]\nname = \"default/x\"\nvips = [\"192.0.2.201\"]\nport = 80";
        let source = format!("{MINIMAL}{service}\nexternal_traffic_policy = {policy:?}\n{keys}\n");
        assert_eq!(parse(&source).unwrap().services[0].flows.expectation, expected, "{policy} {keys}");
        let probe = "[[probe]]\nname = \"x\"\nkind = \"http\"\nurl = \"http://192.0.2.30/\"";
        let config = parse(&format!("{MINIMAL}{probe}\n{keys}\n")).unwrap();
        let Errand::Flows { flows, .. } = &config.probes[0].errand else { panic!("{keys}") };
        // A probe has no policy: an echo alone means that the address survives.
        let expected = if keys == "echo = {}" { Expectation::Preserved } else { expected };
        assert_eq!(flows.expectation, expected, "{keys}");
    }
}

#[test]
fn credentials_come_from_the_file_the_environment_or_a_file_of_their_own() {
    let files = files();
    for (keys, header) in [
        ("username = \"vipwatch\"\npassword = \"${PROBE_PASSWORD}\"", "Basic dmlwd2F0Y2g6aGlkZGVu"),
        ("username = \"vipwatch\"\npassword_file = \"password\"", "Basic dmlwd2F0Y2g6aGlkZGVu"),
        ("bearer_token = \"${PROBE_TOKEN}\"", "Bearer hidden"),
        ("bearer_token_file = \"token\"", "Bearer hidden"),
        ("headers = { Authorization = \"Negotiate hidden\" }", "Negotiate hidden"),
    ] {
        let flows = flows_of(&files, &format!("kind = \"http\"\nurl = \"http://192.0.2.30/\"\n{keys}"));
        let Speech::Http { request, .. } = &flows.speech else { panic!("{flows:?}") };
        let [(name, value)] = request.headers.as_slice() else { panic!("{keys}") };
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("authorization", header), "{keys}");
        assert!(value.is_sensitive() && !format!("{flows:?}").contains("hidden"), "{keys}");
    }
}

#[test]
fn certificates_are_read_and_a_new_content_is_a_change() {
    let files = files();
    let keys = "kind = \"tls\"\naddress = \"192.0.2.30:443\"\n\
        tls = { ca_file = \"ca.pem\", cert_file = \"client.pem\", key_file = \"client.key\" }";
    let before = flows_of(&files, keys);
    let Speech::Tcp { tls: Some(tls), .. } = &before.speech else { panic!("{before:?}") };
    assert!(matches!(tls.roots, Roots::Own(_)) && tls.identity.is_some() && !tls.insecure);
    assert_eq!(flows_of(&files, keys), before);
    let other = CertificateParams::new(["other.example.net".to_owned()]).unwrap();
    let other = other.self_signed(&KeyPair::generate().unwrap()).unwrap();
    fs::write(files.path().join("ca.pem"), other.pem()).unwrap();
    assert_ne!(flows_of(&files, keys), before);
}

#[test]
fn statuses_are_ranges() {
    let keys = "kind = \"http\"\nurl = \"http://192.0.2.30/\"\nexpect_status = [204, \"3xx\", \"400-404\"]";
    let flows = flows_of(&files(), keys);
    let Speech::Http { request, .. } = flows.speech else { panic!("{flows:?}") };
    assert_eq!(request.expect_status, [(204, 204), (300, 399), (400, 404)]);
}

#[test]
fn the_way_out_comes_from_the_nearest_level() {
    let config = parse(
        r#"
        agent.vantage = "test"
        [defaults]
        source_addresses = ["192.0.2.9"]
        name_servers = ["192.0.2.53", "[2001:db8::53]:5353"]
        [cluster]
        ping_nodes = true
        node = [{ name = "node-1", addresses = ["192.0.2.11"] }]
        [[probe]]
        name = "plain"
        kind = "tcp"
        address = "echo.example.net:7"
        [[probe]]
        name = "own"
        kind = "icmp"
        address = "2001:db8::1"
        source_addresses = ["2001:db8::9"]
        source_interface = "eth1"
        "#,
    )
    .unwrap();
    let ours = vec!["192.0.2.9".parse().unwrap()];
    assert_eq!(config.cluster.departure.bind.addresses, ours);
    let Errand::Flows { flows, .. } = &config.probes[0].errand else { panic!("{config:?}") };
    assert_eq!((&flows.departure.bind.addresses, &flows.departure.bind.interface), (&ours, &None));
    let servers = ["192.0.2.53:53", "[2001:db8::53]:5353"].map(|server| server.parse().unwrap());
    assert_eq!(flows.departure.name_servers, servers);
    let Errand::Ping { bind, .. } = &config.probes[1].errand else { panic!("{config:?}") };
    assert_eq!(bind.addresses, ["2001:db8::9".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(bind.interface.as_deref(), Some("eth1"));
}

#[test]
fn a_probe_is_shown_by_a_url_without_its_secrets() {
    for (keys, shown) in [
        ("kind = \"http\"\nurl = \"https://192.0.2.30/x?token=hidden#y\"", "https://192.0.2.30/x"),
        ("kind = \"tcp\"\naddress = \"echo.example.net:7\"", "tcp://echo.example.net:7"),
        ("kind = \"tls\"\naddress = \"[2001:db8::30]:443\"", "tls://[2001:db8::30]:443"),
        ("kind = \"udp\"\naddress = \"192.0.2.30:7\"\nsend = \"x\"", "udp://192.0.2.30:7"),
        ("kind = \"icmp\"\naddress = \"2001:db8::1\"", "icmp://[2001:db8::1]"),
    ] {
        let config = parse(&format!("{MINIMAL}[[probe]]\nname = \"x\"\n{keys}\n")).unwrap();
        assert_eq!(config.probes[0].url, shown);
    }
}

#[test]
fn the_page_url_is_one_that_can_be_gone_to() {
    for (listen, url) in [
        ("0.0.0.0:80", "http://localhost/"),
        ("[::]:9180", "http://localhost:9180/"),
        ("[2001:db8::1]:9180", "http://[2001:db8::1]:9180/"),
    ] {
        let config = parse(&format!("{MINIMAL}listen = {listen:?}\n")).unwrap();
        assert_eq!(config.agent.page_url.as_str(), url);
    }
}

#[test]
fn strings_take_in_the_environment() {
    let config = parse(
        r#"
        [agent]
        vantage = "${NOWHERE:-test} $${HOST}"
        [[receiver]]
        name = "ops"
        kind = "webhook"
        url = "https://${HOST}/hook"
        headers = { Authorization = "Bearer ${HOST}" }
        "#,
    )
    .unwrap();
    assert_eq!(config.agent.vantage, "test ${HOST}");
    let receiver = &config.receivers[0];
    assert_eq!(receiver.url.expose(), "https://alerts.example.net/hook");
    assert_eq!(receiver.origin, "https://alerts.example.net");
    assert_eq!(receiver.headers["Authorization"].expose(), "Bearer alerts.example.net");
}

/// Neither a literal secret nor one from the environment gets into what people and programs are shown.
#[test]
fn secrets_are_never_shown() {
    let source = r#"
        [agent]
        vantage = "test"
        [[receiver]]
        name = "a"
        kind = "webhook"
        url = "ftp://example.net/s3cr3t-1"
        headers = { "X Token" = "s3cr3t-2", Other = 7, Third = "s3cr3t-3\t" }
        timeout = "0s"
        [[receiver]]
        name = "a"
        kind = "webhook"
        url = "${PATH_WITH_TOKEN}"
        header = { Authorization = "s3cr3t-4" }
        [[receiver]]
        name = "a"
        kind = "webhook"
        url = "https://example.net/${NOWHERE:-s3cr3t-5}/${GONE}/s3cr3t-6"
        [[receiver]]
        name = "a"
        kind = "webhook"
        urll = "https://example.net/s3cr3t-7"
    "#;
    let faults = parse(source).unwrap_err();
    assert!(faults.len() >= 10, "{}", faults.render(false));
    let json = serde_json::to_string(&faults).unwrap();
    for text in [faults.render(false), faults.render(true), faults.to_string(), format!("{faults:?}"), json] {
        assert!(!text.contains("s3cr3t") && !text.contains("a token"), "{text}");
    }
    for line in [
        "url = https://example.net/s3cr3t",
        "url = \"https://example.net/s3cr3t",
        "url \"https://example.net/s3cr3t\"",
        "url = \"x\"\nurl = \"https://example.net/s3cr3t\"",
        "url = 'https://example.net/s3cr3t' x",
    ] {
        let source = format!("{MINIMAL}[[receiver]]\nname = \"a\"\nkind = \"webhook\"\n{line}\n");
        let text = parse(&source).unwrap_err().render(false);
        assert!(!text.contains("s3cr3t"), "{text}");
    }
    for (key, value) in [
        ("password", "\"s3cr3t\"\nusername = 7"),
        ("password", "[\"s3cr3t\"]"),
        ("passwort", "\"s3cr3t\""),
        ("bearer_token", "\"s3cr3t s3cr3t\""),
        ("bearer_token", "{ token = \"s3cr3t\" }"),
        ("headers", "\"Authorization: s3cr3t\""),
        ("headers", "[\"Authorization: s3cr3t\"]"),
        ("headers", "{ X-Real-IP = \"s3cr3t\" }"),
        ("password_file", "\"${PATH_WITH_TOKEN}\""),
    ] {
        let probe = "[[probe]]\nname = \"a\"\nkind = \"http\"\nurl = \"http://192.0.2.30/\"";
        let text = parse(&format!("{MINIMAL}{probe}\n{key} = {value}\n")).unwrap_err().render(false);
        assert!(!text.contains("s3cr3t") && !text.contains("but a token"), "{text}");
    }
    let sound = format!(
        "{MINIMAL}[[receiver]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"https://example.net/s3cr3t\"\n"
    );
    assert!(!format!("{:?}", parse(&sound).unwrap()).contains("s3cr3t"));
}

#[test]
fn faults_are_data_too() {
    let faults = parse("[agent]\nvantage = 1\n[[probe]]\nname = \"é\"\n").unwrap_err();
    insta::assert_json_snapshot!(faults);
    assert_eq!(
        faults.to_string(),
        "/etc/vipwatch/probes.toml:2:11: expected one line of text, found an integer (and 2 more faults)"
    );
}

#[test]
fn what_did_not_change_compares_equal() {
    let source = fs::read_to_string(repository().join("probes.toml")).unwrap();
    let (one, same) = (parse(&source).unwrap(), parse(&source).unwrap());
    assert_eq!(one, same);
    let other = parse(&source.replace("port = 30002", "port = 30003")).unwrap();
    assert_eq!(one.services[0], other.services[0]);
    assert_ne!(one.services[1], other.services[1]);
    assert_eq!((one.probes, one.receivers), (other.probes, other.receivers));
}

#[test]
fn a_file_that_cannot_be_read_is_no_fault_of_its_content() {
    let directory = tempfile::tempdir().unwrap();
    let error = config::load(&directory.path().join("none.toml")).unwrap_err();
    assert!(matches!(error, LoadError::Read { .. }), "{error}");
    let error = config::load(directory.path()).unwrap_err();
    assert!(matches!(error, LoadError::Read { .. }), "{error}");
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for (content, expected) in [
        (&b"[agent]\nvantage = \"caf\xe9\"\n"[..], "2:15: the file is not UTF-8"),
        (&[b'#'; (1 << 20) + 1][..], "1:1: the file is larger than 1048576 bytes"),
        (&b""[..], "1:1: the section [agent] is missing"),
        (&b"\0"[..], "1:1: "),
    ] {
        fs::write(file.path(), content).unwrap();
        let LoadError::Faults(faults) = config::load(file.path()).unwrap_err() else { panic!("{expected}") };
        assert!(faults.to_string().contains(expected), "{faults}");
        assert!(faults.render(false).contains(&faults.iter().next().unwrap().message));
    }
}

proptest! {
    /// Whatever a slip of the hand, or a cat, does to a sound file: there is an answer, and it can be shown.
    #[test]
    fn no_damage_makes_it_panic(
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), 0..40_usize, "[\\PC\n\"\\[{$]{0,6}"),
            1..8,
        ),
    ) {
        let mut text: Vec<char> = fs::read_to_string(fixture("every-key.toml")).unwrap().chars().collect();
        for (at, cut, insert) in edits {
            let at = at.index(text.len());
            let end = (at + cut).min(text.len());
            text.splice(at..end, insert.chars());
            text.push('\n');
        }
        if let Err(faults) = parse(&text.into_iter().collect::<String>()) {
            prop_assert!(faults.len() > 0);
            prop_assert!(faults.render(true).contains("probes.toml"));
        }
    }
}

/// A file full of faults is told in a bounded time and a bounded length.
#[test]
fn a_thousand_faults_are_cut_short() {
    let source: String = (0..20_000).map(|number| format!("[unknown{number}]\n")).collect();
    let faults = parse(&source).unwrap_err();
    assert_eq!(faults.len(), 20_001);
    let text = faults.render(false);
    assert!(text.ends_with("these are the first 100\n"), "{}", &text[text.len() - 80..]);
}

#[test]
fn the_sample_is_sound_and_fits_the_schema() {
    let config = config::load(&repository().join("probes.toml")).unwrap_or_else(|error| match error {
        LoadError::Faults(faults) => panic!("{}", faults.render(false)),
        error => panic!("{error}"),
    });
    assert_eq!((config.services.len(), config.probes.len(), config.receivers.len()), (2, 1, 1));
    assert_fits_the_schema(&fs::read_to_string(repository().join("probes.toml")).unwrap());
}

/// With the comment signs in front of its keys taken away, the sample is sound but for what excludes each
/// other; and there is no key that it does not show.
#[test]
fn the_sample_shows_every_key() {
    let source = fs::read_to_string(repository().join("probes.toml")).unwrap();
    let is_key = |text: &&str| {
        text.starts_with("[[") || text.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
    };
    let complete: String = source
        .lines()
        .map(|line| line.strip_prefix("# ").filter(is_key).unwrap_or(line).to_owned() + "\n")
        .collect();
    let complete = complete
        .replace(
            "from = [\"socket\"]\n",
            "from = [\"socket\", \"static\", \"stun\", \"http\", \"dns\", \"reference\"]\n",
        )
        .replace("every = \"2s\"\n", "")
        .replace("url = \"http://127.10.0.40:9099/hook\"\n", "")
        .replace("${HOOK_TOKEN}", "token");
    if let Err(faults) = parse_among(&files(), &complete) {
        panic!("{}", faults.render(false));
    }
    assert_fits_the_schema(&complete);
    let last = |keys: BTreeSet<String>| -> BTreeSet<String> {
        keys.iter().map(|key| key.rsplit('.').next().unwrap().to_owned()).collect()
    };
    let shown = last(keys_of_file(&complete));
    let unknown: Vec<_> = last(keys_of_schema()).difference(&shown).cloned().collect();
    assert!(unknown.is_empty(), "probes.toml does not show {unknown:?}");
}

/// Every way to write an echo format is taken by the parser and by the schema.
#[test]
fn every_echo_format_can_be_written() {
    let files = files();
    let probe = "kind = \"http\"\nurl = \"http://192.0.2.30/\"\necho = ";
    let places = ["json:/client/ip", r"regex:client=(\S+)", "header:x-client-ip"];
    for format in EchoFormat::words().chain(places) {
        let echo = flows_of(&files, &format!("{probe}{{ format = '{format}' }}")).echo.unwrap();
        assert_eq!(echo.format.to_string(), format);
        assert_fits_the_schema(&format!(
            "{MINIMAL}[[probe]]\nname = \"x\"\n{probe}{{ format = '{format}' }}\n"
        ));
    }
    assert_eq!(flows_of(&files, &format!("{probe}{{}}")).echo.unwrap().format, EchoFormat::Auto);
}

/// The schema knows no key that the parser does not take.
#[test]
fn the_parser_takes_every_key_of_the_schema() {
    let by_interval = fs::read_to_string(fixture("every-key.toml")).unwrap();
    let by_cron = by_interval.replace("every = ", "cron = \"0 * * * *\"\ntime_zone = ");
    let by_cron = by_cron.replace("= \"20s\"", "= \"Europe/Berlin\"");
    let mut keys = BTreeSet::new();
    let files = files();
    for source in [by_interval, by_cron] {
        if let Err(faults) = parse_among(&files, &source) {
            panic!("{}", faults.render(false));
        }
        assert_fits_the_schema(&source);
        keys.extend(keys_of_file(&source));
    }
    // The operator's own words are no keys.
    keys.retain(|key| !key.contains(".labels.") && !key.contains(".headers."));
    assert_eq!(keys, keys_of_schema());
}

/// The parser takes no key that the schema does not know: asked in every table, it names the same ones.
#[test]
fn the_schema_knows_every_key_that_the_parser_takes() {
    fn tables(schema: &Value, found: &mut BTreeSet<String>) {
        if let Some(properties) = schema["properties"].as_object() {
            assert_eq!(schema["additionalProperties"], false);
            let mut keys: Vec<&str> = properties.keys().map(String::as_str).collect();
            keys.sort_unstable();
            found.insert(keys.join(", "));
            properties.values().for_each(|schema| tables(schema, found));
        }
        for alternative in schema["anyOf"].as_array().into_iter().flatten() {
            tables(alternative, found);
        }
        if schema["items"].is_object() {
            tables(&schema["items"], found);
        }
    }
    let source = fs::read_to_string(fixture("every-key.toml")).unwrap();
    let stray = "qqqqqqqqqqqq = 1";
    let strayed: String = source
        .lines()
        .map(|line| {
            let tables = [("echo = {", ""), ("tls = {", ""), ("{", " url ="), ("{", " server =")];
            tables.iter().fold(line.to_owned(), |line, (open, first)| {
                line.replace(&format!("{open}{first}"), &format!("{open} {stray},{first}"))
            })
        })
        .map(|line| if line.starts_with('[') { format!("{line}\n{stray}\n") } else { line + "\n" })
        .collect();
    let faults = parse_among(&files(), &format!("{stray}\n{strayed}")).unwrap_err();
    let named: BTreeSet<String> = faults
        .iter()
        .map(|fault| {
            let mut keys: Vec<&str> =
                fault.hint.as_deref().unwrap().strip_prefix("known here: ").unwrap().split(", ").collect();
            keys.sort_unstable();
            keys.join(", ")
        })
        .collect();
    let mut known = BTreeSet::new();
    tables(&config::schema(), &mut known);
    assert_eq!(named, known);
}

#[test]
fn the_schema_in_the_repository_is_up_to_date() {
    let checked_in = fs::read_to_string(repository().join("probes.schema.json")).unwrap_or_default();
    let checked_in: Value = serde_json::from_str(&checked_in).unwrap_or_default();
    assert!(
        checked_in == config::schema(),
        "probes.schema.json is out of date; bring it up to date with: vipwatch schema > probes.schema.json"
    );
}

fn assert_fits_the_schema(source: &str) {
    let validator = jsonschema::validator_for(&config::schema()).unwrap();
    let table: toml::Table = toml::from_str(source).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&serde_json::to_value(table).unwrap())
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// `agent.listen`, `cluster.node.name`, ...: every key of the schema.
fn keys_of_schema() -> BTreeSet<String> {
    fn walk(schema: &Value, path: &str, keys: &mut BTreeSet<String>) {
        for alternative in schema["anyOf"].as_array().into_iter().flatten() {
            walk(alternative, path, keys);
        }
        for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            walk(schema, &path, keys);
            walk(&schema["items"], &path, keys);
            keys.insert(path);
        }
    }
    let mut keys = BTreeSet::new();
    walk(&config::schema(), "", &mut keys);
    keys
}

/// The same for a file.
fn keys_of_file(source: &str) -> BTreeSet<String> {
    fn walk(value: &toml::Value, path: &str, keys: &mut BTreeSet<String>) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    walk(value, &path, keys);
                    keys.insert(path);
                }
            }
            toml::Value::Array(array) => array.iter().for_each(|value| walk(value, path, keys)),
            _ => {}
        }
    }
    let mut keys = BTreeSet::new();
    walk(&toml::from_str(source).unwrap(), "", &mut keys);
    keys
}
