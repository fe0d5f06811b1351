//! `vipwatch probe`: one round of each probe, now. Nothing is stored and nobody is alerted.

use std::{process::ExitCode, sync::Arc};

use clap::Args;
use comfy_table::{Cell, Color, ContentArrangement, Table, presets::UTF8_HORIZONTAL_ONLY};
use vipwatch_model::{probe::Probe as ModelProbe, state::State, verdict::Verdict};

use super::ConfigFile;
use crate::{
    app,
    clock::Clock,
    egress, exit, oneshot,
    plan::{Plan, Planned},
    prober::Prober,
};

#[derive(Debug, Args)]
pub(super) struct Probe {
    /// Which probes: names of probes, services or nodes [default: all of them]
    names: Vec<String>,
    #[command(flatten)]
    file: ConfigFile,
    /// Print the verdicts as JSON.
    #[arg(long)]
    json: bool,
}

impl Probe {
    pub(super) async fn run(self) -> ExitCode {
        let config = match app::load(&self.file.path()) {
            Ok(config) => config,
            Err(code) => return code.into(),
        };
        let plan = Arc::new(Plan::new(&config));
        let wanted = |probe: &ModelProbe, name: &str| {
            probe.name.as_str() == name
                || probe.subject.service() == Some(name)
                || probe.subject.node() == Some(name)
        };
        if let Some(stray) =
            self.names.iter().find(|name| !plan.probes.iter().any(|p| wanted(&p.probe, name)))
        {
            let names: Vec<&str> = plan.probes.iter().map(|planned| planned.probe.name.as_str()).collect();
            eprintln!(
                "vipwatch: there is no probe, service or node {stray:?}; the probes are:\n  {}",
                names.join("\n  ")
            );
            return ExitCode::from(2);
        }
        let chosen: Vec<&Arc<Planned>> = plan
            .probes
            .iter()
            .filter(|planned| {
                self.names.is_empty() || self.names.iter().any(|name| wanted(&planned.probe, name))
            })
            .collect();
        let prober = Prober::new(config.agent.max_flows);
        let clock = Clock::system();
        let known = egress::learn_once(Arc::clone(&plan), &prober, &clock).await;
        let chosen: Vec<&Planned> = chosen.into_iter().map(AsRef::as_ref).collect();
        let finished = oneshot::rounds(&plan, &known, &chosen, &prober, &clock).await;
        let verdicts: Vec<(&Planned, Verdict)> =
            finished.into_iter().map(|round| (round.planned, round.verdict)).collect();
        super::print(&if self.json { json(&verdicts) } else { table(&verdicts) });
        code(&verdicts)
    }
}

fn code(verdicts: &[(&Planned, Verdict)]) -> ExitCode {
    if verdicts.iter().any(|(_, verdict)| verdict.state.is_bad()) {
        exit::NOT_AS_EXPECTED.into()
    } else if verdicts.iter().any(|(_, verdict)| verdict.state == State::Unknown) {
        exit::INCONCLUSIVE.into()
    } else {
        ExitCode::SUCCESS
    }
}

fn json(verdicts: &[(&Planned, Verdict)]) -> String {
    let entries: Vec<_> = verdicts
        .iter()
        .map(|(planned, verdict)| {
            serde_json::json!({
                "probe": planned.probe.name.as_str(),
                "service": planned.probe.subject.service(),
                "node": planned.probe.subject.node(),
                "target": planned.probe.subject.target(),
                "verdict": verdict,
            })
        })
        .collect();
    format!("{:#}\n", serde_json::Value::from(entries))
}

fn table(verdicts: &[(&Planned, Verdict)]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["Probe", "Finding", "Flows", "Why"]);
    for (planned, verdict) in verdicts {
        let color = match verdict.state {
            State::Up => Color::Green,
            State::Idle | State::Unknown => Color::DarkGrey,
            State::Degraded => Color::Yellow,
            State::Translated | State::Down => Color::Red,
        };
        let bad = verdict.state.is_bad();
        let cause = verdict.cause.as_ref().filter(|_| bad).map(|cause| format!("\n? {}", cause.text));
        let remedy = verdict.remedy.as_ref().filter(|_| bad).map(|remedy| format!("\n→ {remedy}"));
        let notes: String = verdict.notes.iter().map(|note| format!("\n! {}", note.text)).collect();
        let why =
            format!("{}{}{}{notes}", verdict.reason, cause.unwrap_or_default(), remedy.unwrap_or_default());
        table.add_row([
            Cell::new(planned.probe.name.as_str()),
            Cell::new(verdict.finding).fg(color),
            Cell::new(format!("{}/{}", verdict.answered, verdict.flows)),
            Cell::new(why),
        ]);
    }
    format!("{table}\n")
}
