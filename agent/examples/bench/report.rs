//! The table: medians of the runs, and which runs do not count.

use std::{fmt, time::Duration};

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};

use crate::scenario::{AgentFigures, Figures, Scenario};

/// How far a run's rate may be off what is due.
const TOLERANCE: f64 = 0.02;

/// What was measured.
#[derive(Default)]
pub(crate) struct Report {
    /// How long the start with an empty database took.
    pub(crate) first_start: Option<Duration>,
    rows: Vec<Row>,
}

struct Row {
    scenario: &'static Scenario,
    runs: Vec<Figures>,
}

impl Report {
    pub(crate) fn add(&mut self, scenario: &'static Scenario, figures: Option<Figures>) {
        match self.rows.iter_mut().find(|row| row.scenario.name == scenario.name) {
            Some(row) => row.runs.extend(figures),
            None => self.rows.push(Row { scenario, runs: figures.into_iter().collect() }),
        }
    }

    /// Whether every figure may be quoted.
    pub(crate) fn is_valid(&self) -> bool {
        self.rows.iter().all(|row| row.faults().is_empty())
    }
}

impl Row {
    fn median(&self, figure: impl Fn(&Figures) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.runs.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    }

    fn of_agent(&self, figure: impl Fn(&AgentFigures) -> f64) -> Option<f64> {
        self.runs[0].agent.as_ref()?;
        Some(self.median(|figures| figures.agent.as_ref().map_or(f64::NAN, &figure)))
    }

    /// Why a run of it is no measurement.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for figures in &self.runs {
            let rate = figures.rate();
            let due = self.scenario.rate();
            if (rate / due - 1.0).abs() > TOLERANCE {
                faults.push(format!("{rate:.0} flows/s instead of {due:.0}"));
            }
            let Some(agent) = &figures.agent else { continue };
            let counts =
                [("failed", agent.failed), ("not stored", agent.unstored), ("rounds missed", agent.missed)];
            for (what, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
                faults.push(format!("{count} {what}"));
            }
        }
        faults
    }

    fn cells(&self) -> Vec<String> {
        let agent = |decimals: usize, figure: &dyn Fn(&AgentFigures) -> f64| {
            self.of_agent(figure).map_or_else(String::new, |figure| format!("{figure:.decimals$}"))
        };
        let per_flow = self.runs.iter().map(Figures::us_per_flow);
        let (least, most) =
            per_flow.fold((f64::MAX, f64::MIN), |(least, most), us| (least.min(us), most.max(us)));
        vec![
            self.scenario.title.to_owned(),
            format!("{:.0}", self.median(Figures::rate)),
            format!("{:.0}", self.median(Figures::us_per_flow)),
            format!("{least:.0}..{most:.0}"),
            format!("{:.0}", self.median(|figures| per(figures.user, figures.flows))),
            format!("{:.0}", self.median(|figures| per(figures.system, figures.flows))),
            format!("{:.1}", 100.0 * self.median(Figures::share)),
            format!("{:.1}", self.median(|figures| figures.resident_kib as f64) / 1_024.0),
            format!("{:.1}", self.median(|figures| figures.peak_kib as f64) / 1_024.0),
            agent(2, &|agent| agent.lateness_p50_ms),
            agent(2, &|agent| agent.lateness_p99_ms),
            agent(0, &|agent| agent.start_up.as_secs_f64() * 1_000.0),
            agent(0, &|agent| agent.bytes_per_flow),
            format!("{:.1}", self.median(|figures| figures.written as f64 / figures.flows as f64) / 1_024.0),
        ]
    }
}

impl Figures {
    fn rate(&self) -> f64 {
        self.flows as f64 / self.took.as_secs_f64()
    }

    fn us_per_flow(&self) -> f64 {
        per(self.user + self.system, self.flows)
    }

    /// The share of one core.
    fn share(&self) -> f64 {
        (self.user + self.system).as_secs_f64() / self.took.as_secs_f64()
    }
}

fn per(time: Duration, flows: u64) -> f64 {
    time.as_secs_f64() * 1e6 / flows as f64
}

const HEADINGS: [&str; 14] = [
    "",
    "flows/s",
    "CPU µs/flow",
    "of runs",
    "user µs",
    "system µs",
    "% of a core",
    "RSS MiB",
    "peak MiB",
    "late p50 ms",
    "late p99 ms",
    "start ms",
    "kept B/flow",
    "written KiB/flow",
];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_header(HEADINGS);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let (measured, missing): (Vec<_>, Vec<_>) = self.rows.iter().partition(|row| !row.runs.is_empty());
        for row in &measured {
            table.add_row(row.cells());
        }
        writeln!(f, "{table}\n")?;
        if let Some(took) = self.first_start {
            writeln!(f, "Start with an empty database: {} ms.", took.as_millis())?;
        }
        for row in &missing {
            writeln!(f, "{}: skipped, it is not installed.", row.scenario.title)?;
        }
        for row in &measured {
            if let Some(bytes) = row.of_agent(|agent| agent.page_bytes as f64).filter(|bytes| *bytes > 0.0) {
                writeln!(f, "{}: {:.1} MiB were sent to it.", row.scenario.title, bytes / 1_048_576.0)?;
            }
            let faults = row.faults();
            if !faults.is_empty() {
                writeln!(f, "{}: NOT A MEASUREMENT: {}.", row.scenario.title, faults.join(", "))?;
            }
        }
        Ok(())
    }
}
