//! `vipwatch validate`

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::json;

use super::ConfigFile;
use crate::{
    app,
    clock::Clock,
    config::{self, Config, LoadError},
    exit,
    plan::Plan,
};

#[derive(Debug, Args)]
pub(super) struct Validate {
    #[command(flatten)]
    file: ConfigFile,
    /// Print the faults or warnings as JSON on standard output.
    #[arg(long)]
    json: bool,
}

impl Validate {
    pub(super) fn run(self) -> ExitCode {
        let path = self.file.path();
        if self.json {
            let (faults, code) = match config::load(&path) {
                Ok(config) => {
                    let warnings = warnings(&config, &Plan::new(&config), Clock::system().now());
                    (json!({ "file": path, "faults": [], "warnings": warnings }), ExitCode::SUCCESS)
                }
                Err(LoadError::Faults(faults)) => (json!(faults), exit::CONFIG.into()),
                Err(error @ LoadError::Read { .. }) => {
                    let fault = json!({ "message": error.to_string() });
                    (json!({ "file": path, "faults": [fault] }), exit::CONFIG.into())
                }
            };
            super::print(&format!("{faults:#}\n"));
            return code;
        }
        match app::load(&path) {
            Ok(config) => {
                let plan = Plan::new(&config);
                super::print(&format!(
                    "{} is fine: {}, {}, {}, {}. Results of {:.0} days take about {:.1} GB.\n",
                    path.display(),
                    count(config.services.len(), "service"),
                    count(config.cluster.nodes.len(), "node"),
                    count(plan.probes.len(), "probe"),
                    count(config.receivers.len(), "receiver"),
                    config.agent.keep.as_secs_f64() / 86_400.0,
                    plan.disk_bytes(config.agent.keep) / 1e9,
                ));
                let now = Clock::system().now();
                super::print(&alerting(&plan, now));
                for warning in warnings(&config, &plan, now) {
                    eprintln!("vipwatch: {warning}");
                }
                ExitCode::SUCCESS
            }
            Err(code) => code.into(),
        }
    }
}

/// What is no fault, and hardly meant.
fn warnings(config: &Config, plan: &Plan, now: DateTime<Utc>) -> Vec<String> {
    plan.notices(config.agent.max_flows).into_iter().chain(plan.past_windows(now)).collect()
}

/// Who is told, and when not.
fn alerting(plan: &Plan, now: DateTime<Utc>) -> String {
    let routes = &plan.policy.routes;
    let rest = if routes.iter().any(|route| route.matcher.is_everything()) {
        ""
    } else {
        "; what none of them takes goes to every receiver"
    };
    let mut text = match routes.len() {
        0 => "Alerts go to every receiver.".to_owned(),
        some => format!("Alerts go by {}{rest}.", count(some, "route")),
    };
    let windows = &plan.maintenance;
    let shown = |instant: DateTime<Utc>| instant.format("%Y-%m-%d %H:%M UTC");
    let open = windows.iter().filter_map(|window| Some((window.active(now)?, &window.name)));
    let next = windows.iter().filter(|window| window.active(now).is_none());
    let next = next.filter_map(|window| Some((window.next(now)?, &window.name))).min();
    let open = open.map(|(until, name)| format!("{name} is open until {}", shown(until)));
    let next = next.map(|(from, name)| format!("{name} opens next, on {}", shown(from)));
    let changes: Vec<String> = open.chain(next).collect();
    if !changes.is_empty() {
        text += &format!(" {}: {}.", count(windows.len(), "maintenance window"), changes.join("; "));
    }
    text + "\n"
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
