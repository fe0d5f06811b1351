//! `vipwatch validate`

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::ConfigFile;
use crate::{
    app,
    config::{self, LoadError},
    exit,
    plan::Plan,
};

#[derive(Debug, Args)]
pub(super) struct Validate {
    #[command(flatten)]
    file: ConfigFile,
    /// Print the faults as JSON on standard output.
    #[arg(long)]
    json: bool,
}

impl Validate {
    pub(super) fn run(self) -> ExitCode {
        let path = self.file.path();
        if self.json {
            let (faults, code) = match config::load(&path) {
                Ok(_) => (json!({ "file": path, "faults": [] }), ExitCode::SUCCESS),
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
                if let Some(warning) = plan.overload(config.agent.max_flows) {
                    eprintln!("vipwatch: {warning}");
                }
                ExitCode::SUCCESS
            }
            Err(code) => code.into(),
        }
    }
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
