//! Answers one line per connection. A client may send a command, or nothing and get the JSON.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use crate::Echo;
use crate::server::Flow;
use crate::stats::Counter;

/// The longest line, with its end.
pub const LINE_BYTES: usize = 512;

/// A client that has sent nothing by then is taken to have nothing to say.
const SILENCE: Duration = Duration::from_millis(200);
/// A line that has begun is over by then, however much of it has come.
const LINE_TIME: Duration = Duration::from_secs(2);
/// For the answer to get away, and again for the client to close.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// Reads a line, answers it and closes.
pub(crate) async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    flow: Flow,
    echo: &Echo,
    counter: &Counter,
) -> io::Result<()> {
    let Some(line) = read_line(&mut stream).await? else {
        counter.malformed();
        return Ok(());
    };
    let mut answer = echo.reply(&line, flow);
    answer.push(b'\n');
    let send = async {
        stream.write_all(&answer).await?;
        stream.shutdown().await
    };
    timeout(ANSWER_TIME, send).await??;
    counter.answered();
    // Closing on unread bytes would reset the connection, and the answer could be lost with it.
    let mut unread = (&mut stream).take(LINE_BYTES as u64);
    let _ = timeout(ANSWER_TIME, tokio::io::copy(&mut unread, &mut tokio::io::sink())).await;
    Ok(())
}

/// The first line without its end; empty when nothing came. `None` when it is too long.
async fn read_line(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let connected = Instant::now();
    let mut line = Vec::new();
    let mut deadline = connected + SILENCE;
    let mut part = [0; LINE_BYTES];
    loop {
        let read = match timeout_at(deadline, stream.read(&mut part)).await {
            Err(_) | Ok(Ok(0)) => return Ok(Some(line)),
            Ok(read) => read?,
        };
        let part = &part[..read];
        let end = part.iter().position(|byte| *byte == b'\n');
        line.extend_from_slice(&part[..end.unwrap_or(read)]);
        if line.len() >= LINE_BYTES {
            return Ok(None);
        }
        if end.is_some() {
            return Ok(Some(line));
        }
        deadline = connected + LINE_TIME;
    }
}
