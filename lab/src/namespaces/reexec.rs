//! Getting a process whose namespaces are its own. A thread among others cannot make itself a user
//! namespace, so a test starts its own binary once more, under `unshare`, for that one test.

use std::env;
use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use rustix::mount::{MountFlags, mount};

use super::tool;

/// Holds the namespaces of the process outside, so that the one inside can see that it has left them.
const MARK: &str = "VIPWATCH_LAB";

/// Whether the calling test runs in namespaces of its own, where it can start a lab.
///
/// When it does not, this runs it there and returns `false` once it has passed: the caller has nothing
/// left to do. `test_name` is the test's name as the harness prints it, with its modules.
///
/// # Panics
/// When the test fails there, or cannot be run.
#[must_use]
pub fn inside(test_name: &str) -> bool {
    if env::var_os(MARK).is_some() {
        return true;
    }
    if let Err(error) = run_inside(test_name) {
        panic!("{error:#}");
    }
    false
}

fn run_inside(test_name: &str) -> Result<()> {
    // A process namespace too, so that whatever the test has started ends with it.
    let output = tool::command("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child"])
        .arg(env::current_exe()?)
        .args(["--exact", test_name, "--nocapture", "--test-threads=1"])
        .env(MARK, namespaces()?)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| tool::explain("unshare", error.into()))?;
    let told = String::from_utf8_lossy(&output.stdout);
    // The harness shows what is printed through it only when the test fails.
    print!("{told}");
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!(
            "{test_name} failed in namespaces of its own ({}); should unshare have been refused: \
             allow unprivileged user namespaces, or run as root",
            output.status
        );
    }
    ensure!(told.contains(" 1 passed"), "no test is called {test_name}: it did not run");
    Ok(())
}

/// Makes sure that nothing outside can be harmed, and gives `ip netns` a place for its names.
pub(super) fn check_apart() -> Result<()> {
    let outside = env::var(MARK).ok().context("a lab needs namespaces of its own: call `inside` first")?;
    let own = namespaces()?;
    ensure!(
        outside.split(' ').zip(own.split(' ')).all(|(theirs, ours)| theirs != ours),
        "this process shares namespaces with the one that started it: {own}"
    );
    mount("tmpfs", "/run", "tmpfs", MountFlags::empty(), None)
        .context("failed to mount a file system on /run")
}

fn namespaces() -> Result<String> {
    let read = |kind| fs::read_link(format!("/proc/self/ns/{kind}"));
    Ok(format!("{} {}", read("net")?.display(), read("mnt")?.display()))
}
