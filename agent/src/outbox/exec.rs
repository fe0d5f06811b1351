//! The receiver that is a program of the operator's: started anew for every attempt, never through a shell, with the
//! JSON document on its standard input.
//!
//! What it was told by its exit code: see [`judge`]. It is given `timeout`; then it is killed, with everything
//! that it started and that is still in its process group.

mod group;
mod stderr;

use std::{
    io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use std::os::unix::process::ExitStatusExt as _;

use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, ChildStdin, Command},
    time::timeout,
};
use vipwatch_model::notification::Notification;

use self::{group::Group, stderr::Stderr};
use super::{
    exchange::{Exchange, Exchanges, Mask, Side},
    receiver::{Message, Reply},
};
use crate::config::{self, Secret};

/// The exit code by which a program refuses a notification for good (`EX_DATAERR` of sysexits.h).
const REFUSED: i32 = 65;
/// The most of a text that a variable of the environment holds, in characters.
const LONGEST: usize = 1_000;
/// How long a killed program may take to be gone. Longer than this it hangs in the kernel.
const END: Duration = Duration::from_secs(1);

/// A program to start.
pub struct Exec {
    config: config::Exec,
    timeout: Duration,
    /// Its arguments: there may be a token among them, and programs repeat them when they complain.
    mask: Mask,
}

impl Exec {
    /// Starts the program of `config`, and gives it `timeout`.
    #[must_use]
    pub fn new(config: &config::Exec, timeout: Duration) -> Self {
        let mask = Mask::new(config.arguments.iter().cloned().map(Secret::from));
        Self { config: config.clone(), timeout, mask }
    }

    /// Makes one attempt.
    pub async fn attempt(&self, message: &Message<'_>, exchanges: &mut Exchanges) -> Reply {
        let variables = variables(message.notification);
        let ended = self.run(&variables, message.document).await;
        if exchanges.are_wanted() {
            let mask = Mask::default();
            let line =
                format!("{}{}", self.config.program.display(), " ***".repeat(self.config.arguments.len()));
            let set = variables.map(|(name, value)| (name.to_owned(), value)).into();
            let received = ended.as_ref().ok();
            exchanges.push(Exchange {
                sent: Side::new(&line, set, message.document, &mask),
                received: received.map(|(status, words)| Side::new(&how(*status), Vec::new(), words, &mask)),
            });
        }
        match ended {
            Ok((status, words)) => judge(status, &words),
            Err(error) => later(error),
        }
    }

    /// Runs the program to its end: how it ended, and its last words.
    async fn run(
        &self,
        variables: &[(&str, String)],
        document: &str,
    ) -> Result<(ExitStatus, String), String> {
        let child = self.command(variables).spawn();
        let mut child = child.map_err(|error| format!("it cannot be started: {error}"))?;
        // Killed wherever this ends, unless the program has ended by itself.
        let group = Group::of(&child);
        match timeout(self.timeout, attend(&mut child, document, &self.mask)).await {
            Ok(ended) => {
                let ended = ended.map_err(|error| format!("it cannot be watched: {error}"))?;
                group.release();
                Ok(ended)
            }
            Err(_) => {
                drop(group);
                // So that it does not stay behind as a zombie.
                let _ = timeout(END, child.wait()).await;
                Err(format!("no end within {:?}: it was killed", self.timeout))
            }
        }
    }

    fn command(&self, variables: &[(&str, String)]) -> Command {
        let mut command = Command::new(&self.config.program);
        command
            .args(&self.config.arguments)
            .current_dir("/")
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

/// What a program finds in its environment: enough for a simple one to leave the document alone. All of them are
/// always set, so that a shell script may insist on that.
fn variables(notification: &Notification) -> [(&'static str, String); 12] {
    let alert = &notification.alert;
    let or_empty = |text: &Option<String>| plain(text.as_deref().unwrap_or_default());
    [
        ("VIPWATCH_EVENT", notification.event.to_string()),
        ("VIPWATCH_KIND", alert.key.kind.to_string()),
        ("VIPWATCH_SEVERITY", alert.severity.to_string()),
        ("VIPWATCH_TITLE", plain(&alert.title)),
        ("VIPWATCH_SERVICE", or_empty(&alert.service)),
        ("VIPWATCH_NODE", or_empty(&alert.node)),
        ("VIPWATCH_PROBE", plain(&alert.probe)),
        ("VIPWATCH_TARGET", plain(&alert.target)),
        ("VIPWATCH_VANTAGE", plain(&notification.vantage)),
        ("VIPWATCH_PAGE", plain(&notification.page)),
        ("VIPWATCH_ALERT", plain(&alert.id)),
        ("VIPWATCH_KEY", plain(&notification.idempotency_key)),
    ]
}

/// A text as one line that fits into the environment.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
}

/// Feeds the program and listens to it until it ends, and gives its last words.
async fn attend(child: &mut Child, document: &str, mask: &Mask) -> io::Result<(ExitStatus, String)> {
    let mut stderr = Stderr::of(child)?;
    let feeding = feed(child.stdin.take(), document.as_bytes());
    let mut feeding = std::pin::pin!(feeding);
    let mut ended = std::pin::pin!(child.wait());
    let mut fed = false;
    let status = loop {
        tokio::select! {
            status = &mut ended => break status?,
            () = &mut feeding, if !fed => fed = true,
            () = stderr.hear(), if stderr.is_open() => {}
        }
    };
    Ok((status, stderr.last_words(mask)))
}

/// Writes the document. A program need not read it.
async fn feed(stdin: Option<ChildStdin>, document: &[u8]) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(document).await;
    }
}

/// 0: it has it. 65: it never wants it. Everything else is taken for a trouble that passes, such as a bug that is
/// mended or a service behind it that comes back: told too often is better than lost.
fn judge(status: ExitStatus, words: &str) -> Reply {
    let how = how(status);
    let error = if words.is_empty() { how } else { format!("{how}: {words}") };
    match status.code() {
        Some(0) => Reply::Taken,
        Some(REFUSED) => Reply::Refused { error },
        _ => later(error),
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended in an unknown way".to_owned(),
    }
}

fn later(error: String) -> Reply {
    Reply::Later { error, retry_after: None }
}
