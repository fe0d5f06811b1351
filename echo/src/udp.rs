//! Answers datagrams, and never so that anybody could use it against somebody else: whoever sends a
//! datagram may have forged where it comes from.
//!
//! - An answer has at most [`ANSWER_BYTES`]; names that do not fit are left out.
//! - [`Pace`] bounds what is sent to one network and in total.
//! - What two servers would send each other for ever is not answered.

use std::io;
use std::time::Instant;

use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use crate::datagram::{self, Reply};
use crate::pace::{Pace, Rates};
use crate::server::Flow;
use crate::stats::Counter;
use crate::{Echo, Identity};

/// The largest datagram that is read, and the largest answer.
pub const ANSWER_BYTES: usize = 512;

/// How every JSON answer begins.
const OWN_ANSWER: &[u8] = b"{\"vipwatch_echo\"";
/// Services answer from ports below; clients, and what NATs make of them, ask from ports above (a NAT keeps
/// a port's class).
const FIRST_CLIENT_PORT: u16 = 1024;

/// Answers every datagram on `socket` within `rates` until `shutdown` is cancelled.
pub(crate) async fn serve(
    socket: UdpSocket,
    echo: &Echo,
    rates: Rates,
    counter: &Counter,
    shutdown: &CancellationToken,
) -> io::Result<()> {
    let pace = Pace::new(rates, Instant::now());
    datagram::serve(socket, pace, counter, shutdown, |request, flow| reply(echo, request, flow)).await
}

fn reply(echo: &Echo, request: &[u8], flow: Flow) -> Reply {
    if request.len() > ANSWER_BYTES {
        return Reply::Malformed;
    }
    if request.starts_with(OWN_ANSWER) || flow.peer.port() < FIRST_CLIENT_PORT {
        return Reply::Refused;
    }
    let answer = echo.reply(request, flow);
    if answer.len() <= ANSWER_BYTES {
        Reply::Answer(answer)
    } else {
        Reply::Answer(Echo::new(Identity::default()).answer(flow).to_json())
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;

    use super::*;

    fn flow(peer: &str) -> Flow {
        Flow { peer: peer.parse().unwrap(), local: "10.244.1.10:8081".parse().unwrap() }
    }

    fn answer(echo: &Echo, request: &[u8]) -> String {
        match reply(echo, request, flow("192.0.2.9:41234")) {
            Reply::Answer(answer) => String::from_utf8(answer).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn commands_are_those_of_netexec() {
        let echo = Echo::new(Identity { pod: Some("echo-1".to_owned()), ..Identity::default() });
        assert_eq!(answer(&echo, b"clientip"), "192.0.2.9:41234");
        assert_eq!(answer(&echo, b"clientip\n"), "192.0.2.9:41234");
        assert_eq!(answer(&echo, b"hostname"), "echo-1");
        assert_eq!(answer(&echo, b"echo a  b"), "a  b");
        for other in [b"".as_slice(), b"echo", b"CLIENTIP", b"\xff\0", b"clientip x"] {
            assert!(answer(&echo, other).contains("\"pod\":\"echo-1\""), "{other:?}");
        }
    }

    #[test]
    fn servers_are_not_answered() {
        let echo = Echo::default();
        let own = answer(&echo, b"");
        assert_eq!(reply(&echo, own.as_bytes(), flow("192.0.2.9:41234")), Reply::Refused);
        assert_eq!(reply(&echo, b"clientip", flow("192.0.2.9:7")), Reply::Refused);
    }

    #[test]
    fn no_answer_is_larger_than_the_cap() {
        let name = || Some("x".repeat(253));
        let echo = Echo::new(Identity { node: name(), pod: name(), namespace: name() });
        let json = answer(&echo, b"");
        assert!(json.len() <= ANSWER_BYTES && json.contains("\"peer\"") && !json.contains("pod"), "{json}");
        assert_eq!(reply(&echo, &[b'x'; ANSWER_BYTES + 1], flow("192.0.2.9:41234")), Reply::Malformed);
    }

    proptest! {
        #[test]
        fn any_bytes_from_anywhere_get_a_short_answer_or_none(
            bytes in proptest::collection::vec(any::<u8>(), 0..2 * ANSWER_BYTES),
            command in prop::sample::select(vec!["", "echo ", "clientip", "hostname\n"]),
            peer in any::<SocketAddr>(),
        ) {
            let flow = Flow { peer, ..flow("192.0.2.9:41234") };
            let request = [command.as_bytes(), &bytes].concat();
            if let Reply::Answer(answer) = reply(&Echo::default(), &request, flow) {
                prop_assert!(answer.len() <= ANSWER_BYTES);
            }
        }
    }
}
