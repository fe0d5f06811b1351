//! What a program says on its standard error: read to the end, so that it is never held up, and all but the last
//! of it forgotten.

use std::io;

use tokio::{io::AsyncReadExt as _, net::unix::pipe, process::Child};

use crate::outbox::exchange::Mask;

/// The most that is remembered, in bytes.
const KEPT: usize = 4_096;
/// The most of the last words that is told, in characters.
const TOLD: usize = 300;
/// The most that is read after the program has ended, in bytes: what a pipe holds, and no more from something that it
/// left behind.
const REST: usize = 64 * 1024;

/// The reading end of a program's standard error.
pub(super) struct Stderr {
    /// Until its end was seen.
    pipe: Option<pipe::Receiver>,
    kept: Vec<u8>,
    buffer: [u8; 1_024],
}

impl Stderr {
    /// Takes it over from `child`.
    pub(super) fn of(child: &mut Child) -> io::Result<Self> {
        let pipe = child.stderr.take().map(|stderr| pipe::Receiver::from_owned_fd(stderr.into_owned_fd()?));
        Ok(Self { pipe: pipe.transpose()?, kept: Vec::new(), buffer: [0; 1_024] })
    }

    /// Whether more may come.
    pub(super) fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    /// Waits for more.
    pub(super) async fn hear(&mut self) {
        let Some(pipe) = &mut self.pipe else { return };
        match pipe.read(&mut self.buffer).await {
            Ok(0) | Err(_) => self.pipe = None,
            Ok(read) => self.keep(read),
        }
    }

    /// The last line, fit to be shown and without what `mask` blanks out, once the program has ended. Does not wait for what
    /// the program may have left behind with its standard error.
    pub(super) fn last_words(mut self, mask: &Mask) -> String {
        let mut rest = REST;
        while let Some(pipe) = self.pipe.as_ref().filter(|_| rest > 0) {
            match nix::unistd::read(pipe, &mut self.buffer) {
                Ok(0) | Err(_) => break,
                Ok(read) => {
                    self.keep(read);
                    rest = rest.saturating_sub(read);
                }
            }
        }
        last_line(&self.kept, mask)
    }

    fn keep(&mut self, read: usize) {
        self.kept.extend_from_slice(&self.buffer[..read]);
        let surplus = self.kept.len().saturating_sub(KEPT);
        self.kept.drain(..surplus);
    }
}

/// The last line that says anything.
fn last_line(text: &[u8], mask: &Mask) -> String {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let plain: String = line.chars().filter(|c| !c.is_control()).collect();
    mask.apply(&plain).chars().take(TOLD).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn the_last_line_that_says_anything_is_told() {
        let last_line = |text: &[u8]| super::last_line(text, &Mask::default());
        assert_eq!(last_line(b"a traceback\nValueError: no token\n\n  \n"), "ValueError: no token");
        assert_eq!(last_line(b""), "");
        assert_eq!(last_line(b"\x1b[31mred\x1b[0m\x07\xff"), "[31mred[0m\u{fffd}");
        assert_eq!(last_line("é".repeat(1_000).as_bytes()), "é".repeat(TOLD));
    }

    #[test]
    fn a_secret_is_blanked_out_before_the_line_is_cut() {
        let mask = Mask::new([Secret::from("s3cr3t-token".to_owned())]);
        let text = format!("{}s3cr3t-token is refused", "x".repeat(TOLD - 5));
        assert_eq!(last_line(text.as_bytes(), &mask), format!("{}*** i", "x".repeat(TOLD - 5)));
    }
}
