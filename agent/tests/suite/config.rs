//! The configuration: every rule by a file that breaks it, the sample, the schema.

mod alerts;
mod flows;
mod schema;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use proptest::prelude::*;
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;
use vipwatch::{
    config::{self, Config, Faults, LoadError},
    schedule::Schedule,
};
use vipwatch_model::probe::Limits;

/// The smallest configuration there is.
const MINIMAL: &str = "[agent]\nvantage = \"test\"\n";

fn parse(source: &str) -> Result<Config, Faults> {
    config::parse(source, Path::new("/etc/vipwatch/probes.toml"), &env)
}

fn env(name: &str) -> Option<String> {
    match name {
        "HOST" => Some("alerts.example.net".into()),
        "PATH_WITH_TOKEN" => Some("not a url, but a token".into()),
        "PROBE_PASSWORD" | "PROBE_TOKEN" | "NTFY_TOPIC" | "PAGERDUTY_KEY" | "ALERT_HOOK" => {
            Some("hidden".into())
        }
        "HOOK_SECRET" => Some("whsec_aGlkZGVuaGlkZGVuaGlkZGVuaGlkZGVuaGlkZGVu".into()),
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
    write("api.token", "hidden-hidden-hidden\n");
    write("shop.password", "hidden\n");
    write("other-api.token", "hidden\n");
    write("phrase", "hidden hidden\n");
    write("body.txt", "{{ story.title }}\n{{ story.text }}\n");
    write("broken.txt", "{{ story.title }}\n{{ hidden.text\n");
    write("empty", "\n");
    write("broken.pem", "-----BEGIN CERTIFICATE-----\nhidden\n");
    write("strange.pem", "-----BEGIN CERTIFICATE-----\naGlkZGVu\n-----END CERTIFICATE-----\n");
    write("large", &"hidden".repeat(1 << 20));
    write("notify", "");
    fs::set_permissions(directory.path().join("notify"), fs::Permissions::from_mode(0o755)).unwrap();
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
    assert_eq!(config.connectivity, None);
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
        max_latency = "500ms"
        max_loss = "25%"
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
        max_loss = "0%"
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
    let limits = |loss_percent| Limits { latency_us: Some(500_000), loss_percent };
    assert_eq!((plain.timing.limits, own.timing.limits), (limits(25), limits(0)));
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
    let config::Means::Webhook(webhook) = &receiver.means else { panic!("{receiver:?}") };
    assert_eq!(webhook.endpoint.url().expose(), "https://alerts.example.net/hook");
    assert_eq!(receiver.origin, "https://alerts.example.net");
    assert_eq!(webhook.endpoint.headers["authorization"], "Bearer alerts.example.net");
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
