//! A question and its answer in datagrams, from a fresh socket. What is lost is sent again, and counted.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::{
    net::UdpSocket,
    time::{Instant, timeout_at},
};
use vipwatch_model::{
    echo::EchoFormat,
    flow::{Failure, Outcome},
};

use super::{
    answer::{Body, CAP},
    blame,
    flow::Progress,
    method::{Bind, UdpExchange},
    socket,
};

/// However a probe is described, it is no flood.
const LEAST_PATIENCE: Duration = Duration::from_millis(10);

/// Sends the datagram and takes the first one that comes back as the answer. The caller bounds the time.
pub(super) async fn exchange(
    bind: &Bind,
    exchange: &UdpExchange,
    echo: Option<&EchoFormat>,
    progress: &mut Progress,
) -> Result<Outcome, Failure> {
    let answer = ask(bind, &exchange.send, exchange.retransmit_after, progress, |_| true).await?;
    let body = Body { bytes: answer, cut_off: false };
    Ok(match body.unexpected(exchange.expect.as_ref()) {
        Some(failure) => Outcome::Failed(failure),
        None => body.outcome(echo),
    })
}

/// Sends `question` to where `progress` leads, again and again at doubling intervals, until a datagram comes from
/// there that `is_answer`.
///
/// The socket is connected: the kernel drops what others send, and a port that is closed is known at once.
pub(super) async fn ask(
    bind: &Bind,
    question: &[u8],
    retransmit_after: Duration,
    progress: &mut Progress,
    is_answer: impl Fn(&[u8]) -> bool,
) -> Result<Bytes, Failure> {
    let failure = |error| blame::failure(&error);
    let socket: UdpSocket = socket::udp(bind, progress.remote.ip())?;
    socket.connect(progress.remote).await.map_err(failure)?;
    progress.local = Some(socket.local_addr().map_err(failure)?);
    progress.begin();
    let mut patience = retransmit_after.max(LEAST_PATIENCE);
    let mut datagram = BytesMut::with_capacity(CAP);
    loop {
        socket.send(question).await.map_err(failure)?;
        let again_at = Instant::now() + patience;
        loop {
            datagram.clear();
            match timeout_at(again_at, socket.recv_buf(&mut (&mut datagram).limit(CAP))).await {
                Ok(received) => received.map_err(failure)?,
                Err(_) => break,
            };
            if is_answer(&datagram) {
                progress.phases.first_byte_us = Some(progress.lap());
                return Ok(datagram.freeze());
            }
        }
        progress.retransmits = progress.retransmits.saturating_add(1);
        patience = patience.saturating_mul(2);
    }
}
