//! A measured process: started here, ended here, and what the kernel says of it.

use std::{
    fs, io,
    process::{Child, Command},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

/// How long a process may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(15);
/// The unit of CPU times in `/proc`; the kernel's ABI fixes it for every architecture that matters here.
const TICK: Duration = Duration::from_millis(10);

/// A child process; killed when it goes out of scope.
pub(crate) struct Process {
    child: Child,
}

/// CPU time used since a process started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
}

/// Memory of a process, in KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) peak: u64,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        Ok(Self { child: command.spawn()? })
    }

    pub(crate) fn cpu(&self) -> anyhow::Result<Cpu> {
        let stat = self.read("stat")?;
        // The second field is the program's name in brackets, and may hold anything.
        let (_, rest) = stat.rsplit_once(')').context("/proc/PID/stat has another form")?;
        let ticks = |index: usize| {
            let ticks: u32 = rest.split_whitespace().nth(index).unwrap_or_default().parse()?;
            anyhow::Ok(TICK * ticks)
        };
        Ok(Cpu { user: ticks(11)?, system: ticks(12)? })
    }

    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let status = self.read("status")?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next()).unwrap_or_default();
            number.parse().with_context(|| format!("/proc/PID/status has no {name}"))
        };
        Ok(Memory { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
    }

    /// Bytes that it has caused to be written to disks.
    pub(crate) fn written(&self) -> anyhow::Result<u64> {
        let io = self.read("io")?;
        let bytes = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
        bytes.and_then(|bytes| bytes.parse().ok()).context("/proc/PID/io has no write_bytes")
    }

    fn read(&self, file: &str) -> anyhow::Result<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id()))
            .context("the measured process has ended")
    }

    /// Asks it to end and waits until it has.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let give_up = Instant::now() + GRACE;
        while self.child.try_wait()?.is_none() {
            anyhow::ensure!(Instant::now() < give_up, "the measured process does not end");
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
