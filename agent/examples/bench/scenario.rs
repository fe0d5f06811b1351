//! What is measured, and one run of it.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use tokio::{sync::OnceCell, time::sleep};

use crate::{
    agent::{self, Agent, Load, Stored},
    blackbox::{self, Blackbox},
    floor,
    page::Page,
    process::Process,
    target::Target,
};

/// One thing to measure.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) subject: Subject,
}

/// Who does the work.
pub(crate) enum Subject {
    Agent { load: Load, page: bool },
    Floor,
    Blackbox,
}

/// All of them, in order.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "default",
        title: "vipwatch, default load",
        subject: Subject::Agent { load: Load { every_s: 10, flows: 4 }, page: false },
    },
    Scenario {
        name: "aim",
        title: "vipwatch, 5 x default",
        subject: Subject::Agent { load: Load { every_s: 2, flows: 4 }, page: false },
    },
    Scenario {
        name: "page",
        title: "5 x default, page open",
        subject: Subject::Agent { load: Load { every_s: 2, flows: 4 }, page: true },
    },
    Scenario {
        name: "double",
        title: "vipwatch, 10 x default",
        subject: Subject::Agent { load: Load { every_s: 1, flows: 4 }, page: false },
    },
    Scenario { name: "floor", title: "bare hyper client", subject: Subject::Floor },
    Scenario { name: "blackbox", title: "blackbox_exporter", subject: Subject::Blackbox },
];

impl Scenario {
    /// Flows per second that are due.
    pub(crate) fn rate(&self) -> f64 {
        match self.subject {
            Subject::Agent { load, .. } => load.rate(),
            Subject::Floor => floor::RATE,
            Subject::Blackbox => blackbox::RATE,
        }
    }
}

/// The figures of one run.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    pub(crate) flows: u64,
    pub(crate) took: Duration,
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    pub(crate) resident_kib: u64,
    pub(crate) peak_kib: u64,
    /// Bytes written to disks: whole pages, and each of them to the log before it goes to its place.
    pub(crate) written: u64,
    /// What only the agent has.
    pub(crate) agent: Option<AgentFigures>,
}

/// What only the agent has.
#[derive(Debug, Clone)]
pub(crate) struct AgentFigures {
    pub(crate) start_up: Duration,
    pub(crate) lateness_p50_ms: f64,
    pub(crate) lateness_p99_ms: f64,
    pub(crate) missed: u64,
    /// Flows that failed or could not be read.
    pub(crate) failed: u64,
    /// Flows that the target answered and that are not in the database.
    pub(crate) unstored: u64,
    pub(crate) bytes_per_flow: f64,
    pub(crate) page_bytes: u64,
}

/// A database of an agent that has been running for long enough to have all the history it keeps in
/// memory. Every run begins with a copy of it, so that none looks better for being young.
pub(crate) struct Seed {
    database: PathBuf,
    stored: Stored,
    /// How long the start with an empty database took.
    pub(crate) start_up: Duration,
}

/// What every run needs.
pub(crate) struct Bench {
    pub(crate) program: PathBuf,
    pub(crate) directory: PathBuf,
    pub(crate) target: Target,
    pub(crate) warm_up: Duration,
    pub(crate) window: Duration,
    /// Made when it is needed first.
    pub(crate) seed: OnceCell<Seed>,
}

impl Bench {
    /// Fills a database with as many rounds as the page's history shows.
    async fn seed(&self) -> anyhow::Result<Seed> {
        let load = Load { every_s: 1, flows: 1 };
        let ticks = u64::try_from(vipwatch_web::api::HISTORY_TICKS)?;
        let agent = Agent::start(&self.program, &self.directory, &self.target, load).await?;
        sleep(Duration::from_secs(ticks + 2)).await;
        agent.process.end().await?;
        let database = self.directory.join("seed.db");
        fs::rename(agent::database(&self.directory), &database)?;
        Ok(Seed { stored: Stored::read(&database)?, database, start_up: agent.start_up })
    }

    /// Runs `scenario` once; `None` when there is nothing to run.
    pub(crate) async fn run(&self, scenario: &Scenario) -> anyhow::Result<Option<Figures>> {
        match &scenario.subject {
            Subject::Agent { load, page } => self.agent(*load, *page).await.map(Some),
            Subject::Floor => {
                let process = floor::start(&self.target)?;
                let figures = self.measure(&process).await?;
                process.end().await?;
                Ok(Some(figures))
            }
            Subject::Blackbox => {
                let Some(blackbox) = Blackbox::start(&self.directory, &self.target).await? else {
                    return Ok(None);
                };
                let figures = self.measure(&blackbox.process).await?;
                blackbox.end().await?;
                Ok(Some(figures))
            }
        }
    }

    async fn agent(&self, load: Load, page: bool) -> anyhow::Result<Figures> {
        let seed = self.seed.get_or_try_init(|| self.seed()).await?;
        let database = agent::database(&self.directory);
        fs::copy(&seed.database, &database)?;
        let answered = self.target.answered();
        let agent = Agent::start(&self.program, &self.directory, &self.target, load).await?;
        let page = page.then(|| Page::open(agent.address));
        let mut figures = self.measure(&agent.process).await?;
        let page_bytes = page.as_ref().map_or(0, Page::received);
        let view = agent.view().await?;
        drop(page);
        agent.process.end().await?;

        let answered = self.target.answered() - answered;
        let stored = Stored::read(&database)?;
        let new = stored.flows - seed.stored.flows;
        figures.agent = Some(AgentFigures {
            start_up: agent.start_up,
            lateness_p50_ms: view.scheduler.lateness_p50_ms.unwrap_or_default(),
            lateness_p99_ms: view.scheduler.lateness_p99_ms.unwrap_or_default(),
            missed: view.scheduler.missed,
            failed: stored.failed - seed.stored.failed,
            unstored: answered.saturating_sub(new),
            bytes_per_flow: (stored.bytes as f64 - seed.stored.bytes as f64) / new as f64,
            page_bytes,
        });
        Ok(figures)
    }

    /// Waits until `process` has warmed up, and then watches it for as long as the window is.
    async fn measure(&self, process: &Process) -> anyhow::Result<Figures> {
        sleep(self.warm_up).await;
        let (started, flows, cpu, written) =
            (Instant::now(), self.target.answered(), process.cpu()?, process.written()?);
        sleep(self.window).await;
        let (took, flows, now) = (started.elapsed(), self.target.answered() - flows, process.cpu()?);
        let memory = process.memory()?;
        Ok(Figures {
            flows,
            took,
            user: now.user - cpu.user,
            system: now.system - cpu.system,
            resident_kib: memory.resident,
            peak_kib: memory.peak,
            written: process.written()? - written,
            agent: None,
        })
    }
}
