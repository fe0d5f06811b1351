//! Rules of alerts from level to level, and who is told of what, and when.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use vipwatch::{
    config::{self, Config},
    maintenance::{Recurrence, When},
    plan::{Plan, Planned},
};
use vipwatch_model::{
    alert::{AlertKind, Severity},
    dispatch::{Extent, Inhibition, Matcher},
    rule::{Flapping, Rule},
};

fn parse(source: &str) -> Config {
    let source = format!("[agent]\nvantage = \"test\"\n{source}");
    let config = config::parse(&source, Path::new("probes.toml"), &|_| None);
    config.unwrap_or_else(|faults| panic!("{}", faults.render(false)))
}

fn plan(source: &str) -> Plan {
    Plan::new(&parse(source))
}

fn planned<'a>(plan: &'a Plan, name: &str) -> &'a Planned {
    plan.probes.iter().find(|planned| planned.probe.name.as_str() == name).unwrap()
}

const GATEWAY: &str = "[[probe]]\nname = \"gateway\"\nkind = \"icmp\"\naddress = \"192.0.2.1\"\n";

const SHOP: &str = r#"
[cluster]
ping_nodes = true
node = [
    { name = "node-1", addresses = ["192.0.2.11"] },
    { name = "node-2", addresses = ["192.0.2.12"] },
]
[[receiver]]
name = "ops"
kind = "webhook"
url = "https://alerts.example.net/ops"
[[receiver]]
name = "shop"
kind = "webhook"
url = "https://alerts.example.net/shop"
[[service]]
name = "shop/front"
vips = ["192.0.2.201"]
port = 80
external_traffic_policy = "Local"
health_check_node_port = 30001
min_healthy_nodes = 2
labels = { team = "shop" }
"#;

#[test]
fn without_a_word_the_built_in_rules_hold() {
    let plan = plan(GATEWAY);
    let rules = &planned(&plan, "gateway").probe.rules;
    assert!(rules.own.is_empty());
    assert_eq!((rules.flapping, rules.min_healthy_nodes), (Flapping::default(), 0));
    assert_eq!(rules.expires_within, TimeDelta::days(14));
    let rule = rules.of(AlertKind::Unreachable);
    assert_eq!((rule.rounds, rule.of, rule.resolve_after), (2, 2, 2));
    assert_eq!((rule.severity, rule.lasting, rule.enabled), (Severity::Critical, TimeDelta::zero(), true));

    let policy = &plan.policy;
    assert_eq!(policy.inhibitions, Inhibition::defaults());
    assert!(policy.receivers.is_empty() && policy.routes.is_empty() && plan.maintenance.is_empty());
    let times = (policy.group_wait, policy.group_window, policy.repeat_every);
    assert_eq!(times, (TimeDelta::zero(), TimeDelta::seconds(30), None));
}

/// Built in, `alert_after` and `resolve_after`, `[alerts]`, and the probe's own: key by key the nearest counts.
#[test]
fn rules_come_from_the_nearest_level() {
    let plan = plan(&format!(
        r#"
        [defaults]
        resolve_after = 7
        [alerts]
        unreachable = {{ after = "3 of 5", for = "30s" }}
        degraded = {{ severity = "info", after = 4 }}
        flapping = {{ window = 11, enter = "50%" }}
        egress_changed = {{ enabled = false }}
        certificate_expiring = {{ within = "30d" }}
        {GATEWAY}
        alert_after = 5
        alerts = {{ unreachable = {{ after = 6, severity = "warning" }}, flapping = {{ leave = "40%", severity = "info" }} }}
        [[probe]]
        name = "other"
        kind = "icmp"
        address = "192.0.2.2"
        alerts = {{ flapping = {{ enabled = false }}, degraded = {{ resolve_after = 1 }} }}
        [[probe]]
        name = "web"
        kind = "http"
        url = "https://192.0.2.3/"
        alerts = {{ certificate_expiring = {{ within = "12h" }} }}
        "#
    ));
    let rule = |name: &str, kind| planned(&plan, name).probe.rules.of(kind);
    let (enabled, severity) = (true, Severity::Warning);
    assert_eq!(
        rule("gateway", AlertKind::Unreachable),
        Rule { enabled, severity, rounds: 6, of: 6, lasting: TimeDelta::seconds(30), resolve_after: 7 }
    );
    let severity = Severity::Critical;
    assert_eq!(
        rule("other", AlertKind::Unreachable),
        Rule { enabled, severity, rounds: 3, of: 5, lasting: TimeDelta::seconds(30), resolve_after: 7 }
    );
    let severity = Severity::Info;
    let degraded = Rule { enabled, severity, rounds: 4, of: 4, lasting: TimeDelta::zero(), resolve_after: 7 };
    assert_eq!(rule("gateway", AlertKind::Degraded), degraded);
    assert_eq!(rule("other", AlertKind::Degraded), Rule { resolve_after: 1, ..degraded });
    assert_eq!(
        rule("gateway", AlertKind::CertificateExpiring).rounds,
        5,
        "alert_after, where nothing else is said"
    );

    let within = |name: &str| planned(&plan, name).probe.rules.expires_within;
    assert_eq!((within("other"), within("web")), (TimeDelta::days(30), TimeDelta::hours(12)));

    let flapping = |name: &str| planned(&plan, name).probe.rules.flapping;
    assert_eq!(flapping("gateway"), Flapping { window: 11, enter: 50, leave: 40 });
    assert_eq!(flapping("other"), Flapping::OFF);
    assert_eq!(rule("gateway", AlertKind::Flapping).severity, Severity::Info);
    assert!(!rule("other", AlertKind::Flapping).enabled);
    assert!(!plan.rules.of(AlertKind::EgressChanged).enabled);
    assert_eq!(plan.rules.of(AlertKind::VantageBlind).severity, Severity::Critical);
}

#[test]
fn a_services_rules_hold_for_its_vips_and_its_nodes() {
    let plan = plan(&format!(
        "{SHOP}alerts = {{ node_down = {{ severity = \"info\" }}, redundancy_lost = {{ severity = \"critical\" }} }}\n\
         [alerts]\nnode_down = {{ after = 9 }}"
    ));
    let redundancy = planned(&plan, "shop/front@node-1").probe.rules.of(AlertKind::RedundancyLost);
    assert_eq!((redundancy.rounds, redundancy.resolve_after), (1, 1), "it follows from confirmed states");
    assert_eq!(redundancy.severity, Severity::Critical);
    for name in ["shop/front@192.0.2.201", "shop/front@node-1", "shop/front@node-2", "ping@node-1"] {
        let rules = &planned(&plan, name).probe.rules;
        let down = rules.of(AlertKind::NodeDown);
        let (own, asked) = (name.starts_with("shop"), name.ends_with("-1") || name.ends_with("-2"));
        let severity = if own { Severity::Info } else { Severity::Warning };
        assert_eq!((down.rounds, down.severity), (9, severity), "{name}");
        assert_eq!(rules.min_healthy_nodes, if own && asked { 2 } else { 0 }, "{name}");
        assert_eq!(rules.down, if asked { AlertKind::NodeDown } else { AlertKind::Unreachable }, "{name}");
    }
}

#[test]
fn routes_inhibitions_and_times_are_taken_over() {
    let plan = plan(&format!(
        r#"
        {SHOP}
        [alerts]
        group_wait = "5s"
        group_window = "2m"
        repeat_every = "4h"
        [[route]]
        receivers = ["shop"]
        labels = {{ team = "sh*" }}
        services = ["shop/*"]
        continue = true
        [[route]]
        receivers = []
        severities = ["info"]
        [[route]]
        receivers = ["ops"]
        kinds = ["source_translated", "policy_drift"]
        nodes = ["node-1"]
        probes = ["*@node-1"]
        [[inhibit]]
        source = "policy_drift"
        targets = ["source_translated"]
        extent = "service"
        "#
    ));
    let policy = &plan.policy;
    assert_eq!(policy.receivers, ["ops", "shop"]);
    let times = (policy.group_wait, policy.group_window, policy.repeat_every);
    assert_eq!(times, (TimeDelta::seconds(5), TimeDelta::minutes(2), Some(TimeDelta::hours(4))));
    let [shop, nobody, ops] = policy.routes.as_slice() else { panic!("{policy:?}") };
    assert_eq!((shop.receivers.as_slice(), shop.goes_on), (&["shop".to_owned()][..], true));
    let labels = [("team".to_owned(), "sh*".to_owned())].into();
    assert_eq!(shop.matcher, Matcher { services: vec!["shop/*".into()], labels, ..Matcher::default() });
    assert!(nobody.receivers.is_empty() && !nobody.goes_on);
    assert_eq!(nobody.matcher, Matcher { severities: vec![Severity::Info], ..Matcher::default() });
    let kinds = vec![AlertKind::SourceTranslated, AlertKind::PolicyDrift];
    let (nodes, probes) = (vec!["node-1".into()], vec!["*@node-1".into()]);
    assert_eq!(ops.matcher, Matcher { kinds, nodes, probes, ..Matcher::default() });

    let own = Inhibition {
        source: AlertKind::PolicyDrift,
        targets: vec![AlertKind::SourceTranslated],
        extent: Extent::Service,
    };
    assert_eq!(policy.inhibitions, [Inhibition::defaults(), vec![own]].concat());
    let bare = "[alerts]\ninhibit_defaults = false\n[[inhibit]]\nsource = \"degraded\"\ntargets = [\"flapping\"]\nextent = \"probe\"";
    assert_eq!(self::plan(bare).policy.inhibitions.len(), 1, "no circle without what is built in");
}

#[test]
fn windows_recur_or_are_once() {
    let utc = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let config = parse(
        r#"
        [[maintenance]]
        name = "patch-night"
        cron = "0 2 * * SUN"
        duration = "1h30m"
        time_zone = "Europe/Berlin"
        services = ["shop/*"]
        [[maintenance]]
        name = "by-offset"
        from = 2027-03-01T22:00:00+01:00
        to = "2027-03-02T02:00:00Z"
        [[maintenance]]
        name = "by-zone"
        from = 2027-03-01T22:00:00
        to = 2027-03-02T02:00:00Z
        time_zone = "Europe/Berlin"
        "#,
    );
    let [patch_night, by_offset, by_zone] = config.maintenance.as_slice() else { panic!("{config:?}") };
    let When::Recurring(Recurrence { cron, lasting }) = &patch_night.when else { panic!("{patch_night:?}") };
    assert_eq!(
        (cron.to_string().as_str(), *lasting),
        ("0 2 * * SUN (Europe/Berlin)", TimeDelta::minutes(90))
    );
    assert_eq!(patch_night.matcher.services, ["shop/*"]);
    let when = When::Once { from: utc("2027-03-01T21:00:00Z"), to: utc("2027-03-02T02:00:00Z") };
    assert_eq!((&by_offset.when, &by_zone.when), (&when, &when));
    assert!(by_zone.matcher.is_everything());
}

proptest! {
    /// Whatever a rule says, the probe goes by it.
    #[test]
    fn a_rule_is_taken_over_as_it_is_written(
        kind in prop::sample::select(vec![AlertKind::Unreachable, AlertKind::Degraded]),
        enabled: bool,
        severity in prop::sample::select(Severity::ALL),
        (rounds, of) in (1..=64_u32).prop_flat_map(|of| (1..=of, Just(of))),
        seconds in 0..=86_400_u32,
        resolve_after in 1..=64_u32,
    ) {
        let after = if rounds == of { rounds.to_string() } else { format!("\"{rounds} of {of}\"") };
        let rule = format!(
            "{{ enabled = {enabled}, severity = \"{severity}\", after = {after}, for = \"{seconds}s\", \
             resolve_after = {resolve_after} }}"
        );
        let lasting = TimeDelta::seconds(seconds.into());
        let expected = Rule { enabled, severity, rounds, of, lasting, resolve_after };
        for source in [
            format!("[alerts]\n{kind} = {rule}\n{GATEWAY}"),
            format!("{GATEWAY}alerts = {{ {kind} = {rule} }}\n"),
        ] {
            prop_assert_eq!(planned(&plan(&source), "gateway").probe.rules.of(kind), expected);
        }
    }
}
