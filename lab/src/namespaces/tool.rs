//! Running the system's network tools, and saying which package holds one that is missing.

use std::env;
use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Error, Result, bail};

/// A command for `program`, found where an unprivileged user's search path does not look, too.
pub(super) fn command(program: &str) -> Command {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(OsString::from(":/usr/sbin:/sbin"));
    let mut command = Command::new(program);
    command.env("PATH", path);
    command
}

/// Runs `program` with `input` as its standard input, in the calling thread's namespaces, and returns
/// what it printed.
pub(super) fn run(program: &str, arguments: &[&str], input: &str) -> Result<String> {
    let mut command = command(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| explain(program, error.into()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that ends before reading everything says why itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().with_context(|| format!("failed to wait for {program}"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("`{program} {}` failed: {}\n{input}", arguments.join(" "), complaint.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs lines of `ip` subcommands in the calling thread's network namespace.
pub(super) fn ip(lines: &str) -> Result<()> {
    run("ip", &["-batch", "-"], lines).map(drop)
}

/// Names the package of a program that could not be started because it is missing.
pub(super) fn explain(program: &str, error: Error) -> Error {
    let missing = error.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == ErrorKind::NotFound);
    if !missing {
        return error.context(format!("failed to start {program}"));
    }
    let package = match program {
        "ip" | "bridge" => "iproute2",
        "nft" => "nftables",
        "unshare" => "util-linux",
        other => other,
    };
    Error::msg(format!("{program} is missing: install it with `apt-get install {package}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_named_with_its_package() {
        let missing = std::io::Error::from(ErrorKind::NotFound);
        assert_eq!(
            explain("nft", missing.into()).to_string(),
            "nft is missing: install it with `apt-get install nftables`"
        );
    }

    #[test]
    fn a_failing_tool_is_quoted() {
        let error = run("sh", &["-c", "echo no such thing >&2; exit 1"], "the input").unwrap_err();
        assert!(error.to_string().contains("no such thing\nthe input"), "{error}");
    }
}
