//! The machine that the figures are of.

use std::{fs, thread};

/// Cores, processor, kernel, memory and what else it has to do.
pub(crate) fn describe() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let processor = read("/proc/cpuinfo");
    let model = field(&processor, "model name").unwrap_or("unknown processor");
    let memory = read("/proc/meminfo");
    let memory = field(&memory, "MemTotal").unwrap_or("?");
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    format!(
        "{cores} cores ({model}), {memory} of memory, Linux {}, load before the start {}",
        kernel.trim(),
        load.join(" ")
    )
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// What stands behind the first `name` and its colon.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim_start().trim_start_matches(':').trim())
}
