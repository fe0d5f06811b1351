//! Plain words over TCP, with or without TLS: connect, perhaps send something, read what comes back.

use std::io::ErrorKind;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, timeout_at},
};
use vipwatch_model::{
    echo::{EchoFormat, Reply},
    flow::{Failure, FailureKind, Outcome},
};

use super::{
    answer::{Body, CAP},
    blame,
    connection::Wire,
    flow::Progress,
    method::TcpExchange,
};

/// The most pieces of an answer that are read: it is looked at again after each of them.
const PIECES: usize = 1024;

/// Sends what there is to send and reads the answer, until `deadline`.
///
/// An answer ends with the connection, or with a line end if it can be read by then. Nothing else ends it: half an
/// address would be a wrong one.
pub(super) async fn exchange(
    mut wire: Wire,
    exchange: &TcpExchange,
    echo: Option<&EchoFormat>,
    deadline: Instant,
    progress: &mut Progress,
) -> Result<Outcome, Failure> {
    if !exchange.send.is_empty() {
        wire.write_all(&exchange.send).await.map_err(|error| blame::failure(&error))?;
        wire.flush().await.map_err(|error| blame::failure(&error))?;
    }
    let expect = exchange.expect.as_ref();
    if expect.is_none() && echo.is_none() {
        return Ok(Outcome::Answered);
    }
    let is_whole = |read: &[u8]| {
        expect.is_none_or(|pattern| pattern.is_found_in(read))
            && echo.is_none_or(|format| read.ends_with(b"\n") && format.read(&Reply::of(read)).is_ok())
    };
    let (body, in_time) = read(wire, is_whole, deadline, progress).await?;
    Ok(match body.unexpected(expect) {
        Some(failure) => Outcome::Failed(failure),
        None if echo.is_some() && !in_time => Outcome::Unreadable(
            "the answer ended neither with a line end nor with the connection in time".to_owned(),
        ),
        None => body.outcome(echo),
    })
}

/// Reads until the answer is whole, the far side has no more to say, or the deadline; and whether it was before that.
async fn read(
    wire: Wire,
    is_whole: impl Fn(&[u8]) -> bool,
    deadline: Instant,
    progress: &mut Progress,
) -> Result<(Body, bool), Failure> {
    let mut wire = wire.take(CAP as u64 + 1);
    let mut read = Vec::with_capacity(1024);
    let mut pieces = 0;
    let in_time = loop {
        match timeout_at(deadline, wire.read_buf(&mut read)).await {
            Ok(Ok(0)) => break true,
            // Few servers say goodbye in TLS.
            Ok(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => break true,
            Ok(Err(error)) => return Err(blame::failure(&error)),
            Ok(Ok(_)) => {}
            Err(_) => break false,
        }
        if pieces == 0 {
            progress.phases.first_byte_us = Some(progress.lap());
        }
        pieces += 1;
        if pieces == PIECES || is_whole(&read) {
            break true;
        }
    };
    if read.is_empty() {
        return Err(if in_time {
            Failure::new(FailureKind::Reset, "the connection was closed without an answer")
        } else {
            Failure::new(FailureKind::Timeout, "the connection stood, but no answer came in time")
        });
    }
    progress.phases.body_us = Some(progress.lap());
    let cut_off = read.len() > CAP || pieces == PIECES;
    read.truncate(CAP);
    Ok((Body { bytes: read.into(), cut_off }, in_time))
}
