//! `vipwatch receivers routes`: by which rule alerts would be opened, and who would be told.

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets::UTF8_HORIZONTAL_ONLY};
use serde_json::{Value, json};
use vipwatch_model::{
    alert::{Alert, AlertKind},
    dispatch::{Matcher, Policy},
    rule::{Flapping, Rule, Rules},
};

use super::silence::kind;
use crate::{config::show_duration, plan::Plan};

/// Which alerts; without any, all that there can be. What is given several times means any of these.
#[derive(Debug, Args)]
pub(super) struct Routes {
    /// Alerts of this kind, such as `node_down`
    #[arg(long = "kind", value_name = "KIND", value_parser = kind)]
    kinds: Vec<AlertKind>,
    /// Alerts of this service, NAMESPACE/NAME; * stands for anything
    #[arg(long = "service", value_name = "NAME")]
    services: Vec<String>,
    /// Alerts about this node; * stands for anything
    #[arg(long = "node", value_name = "NAME")]
    nodes: Vec<String>,
    /// Alerts of this probe; * stands for anything
    #[arg(long = "probe", value_name = "NAME")]
    probes: Vec<String>,
}

impl Routes {
    /// What there is to say of each alert that is asked for; nothing where there can be none.
    pub(super) fn of(&self, plan: &Plan, json: bool) -> Option<String> {
        let asked = Matcher {
            kinds: self.kinds.clone(),
            services: self.services.clone(),
            nodes: self.nodes.clone(),
            probes: self.probes.clone(),
            ..Matcher::default()
        };
        let alerts: Vec<_> =
            plan.possible_alerts().into_iter().filter(|(alert, _)| asked.matches(alert)).collect();
        if alerts.is_empty() {
            return None;
        }
        if json {
            let alerts: Value =
                alerts.iter().map(|(alert, rules)| about(alert, rules, &plan.policy)).collect();
            return Some(format!("{alerts:#}\n"));
        }
        let mut table = Table::new();
        table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(["Alert", "Of", "Severity", "Opened after", "Over after", "Told"]);
        for (alert, rules) in &alerts {
            let (opened, over) = rule(alert.key.kind, rules);
            let (kind, severity) = (alert.key.kind.to_string(), alert.severity.to_string());
            table.add_row([
                kind,
                alert.key.subject.clone(),
                severity,
                opened,
                over,
                told(alert, &plan.policy),
            ]);
        }
        Some(format!("{table}\n"))
    }
}

fn about(alert: &Alert, rules: &Rules, policy: &Policy) -> Value {
    let kind = alert.key.kind;
    let (opened, over) = rule(kind, rules);
    let routes: Vec<usize> = policy.routes_of(alert).into_iter().map(|place| place + 1).collect();
    json!({
        "kind": kind,
        "subject": alert.key.subject,
        "severity": alert.severity,
        "enabled": rules.of(kind).enabled,
        "opened_after": opened,
        "over_after": over,
        "routes": routes,
        "receivers": policy.receivers_of(alert),
    })
}

/// What it takes to open an alert of a kind, and to end it.
fn rule(kind: AlertKind, rules: &Rules) -> (String, String) {
    let Flapping { window, enter, leave } = rules.flapping;
    let Rule { enabled, .. } = rules.of(kind);
    // Policy drift is what would be a node that is down.
    let by = if kind == AlertKind::PolicyDrift { AlertKind::NodeDown } else { kind };
    let Rule { rounds, of, lasting, resolve_after, .. } = rules.of(by);
    match kind {
        _ if !enabled => ("never: turned off".to_owned(), String::new()),
        AlertKind::EgressChanged => ("at once".to_owned(), "1h".to_owned()),
        AlertKind::VantageBlind => ("see docs/connectivity.md".to_owned(), String::new()),
        AlertKind::Flapping => {
            (format!("{enter}% changes in {window} rounds"), format!("less than {leave}%"))
        }
        _ => {
            let mut opened = if of > rounds { format!("{rounds} of {of} rounds") } else { count(rounds) };
            if let Ok(lasting) = lasting.to_std()
                && !lasting.is_zero()
            {
                opened += &format!(" and {}", show_duration(lasting));
            }
            (opened, count(resolve_after))
        }
    }
}

fn count(rounds: u32) -> String {
    if rounds == 1 { "1 round".to_owned() } else { format!("{rounds} rounds") }
}

/// Who is told, and by which routes.
fn told(alert: &Alert, policy: &Policy) -> String {
    let receivers = match policy.receivers_of(alert).join(", ") {
        nobody if nobody.is_empty() => "nobody".to_owned(),
        some => some,
    };
    let routes: Vec<String> =
        policy.routes_of(alert).into_iter().map(|place| format!("#{}", place + 1)).collect();
    match (policy.routes.is_empty(), routes.is_empty()) {
        (true, _) => receivers,
        (false, true) => format!("{receivers} (no route takes it)"),
        (false, false) => format!("{receivers} (route {})", routes.join(", ")),
    }
}
