//! What a client does: connections and datagrams from fresh sockets, and what comes of them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use vipwatch_echo::Answer;
use vipwatch_lab::cluster::Family;
use vipwatch_lab::matrix::Transport;
use vipwatch_lab::namespaces::{CLIENT, NamespaceLab};

/// For a connection or for the answer to a datagram. Shorter than the kernel takes to find that nobody answers
/// for an address.
pub(crate) const PATIENCE: Duration = Duration::from_millis(900);
/// For the answer over a connection that is there.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// What an echo server says of a client, and where that sent from.
#[derive(Debug)]
pub(crate) struct Echoed {
    pub(crate) source: SocketAddr,
    pub(crate) answer: Answer,
}

impl Echoed {
    pub(crate) fn is_preserved(&self) -> bool {
        self.answer.peer == self.source.into()
    }

    pub(crate) fn seen(&self) -> IpAddr {
        self.answer.peer.address
    }
}

/// One GET from the client: the address it was sent from, the status line and the body.
pub(crate) fn get(lab: &NamespaceLab, target: SocketAddr) -> io::Result<(SocketAddr, String, String)> {
    get_with(lab, target, "/", "")
}

/// [`get`] at `path` with more header lines.
pub(crate) fn get_with(
    lab: &NamespaceLab,
    target: SocketAddr,
    path: &str,
    headers: &str,
) -> io::Result<(SocketAddr, String, String)> {
    let exchange = || {
        let mut stream = TcpStream::connect_timeout(&target, PATIENCE)?;
        stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n")?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        let (head, body) = reply.split_once("\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
        let status = head.lines().next().unwrap_or_default().to_owned();
        Ok((stream.local_addr()?, status, body.to_owned()))
    };
    lab.within(CLIENT, exchange).unwrap()
}

/// One flow of the client to the echo server at `target`.
pub(crate) fn ask(lab: &NamespaceLab, transport: Transport, target: SocketAddr) -> io::Result<Echoed> {
    let (source, body) = match transport {
        Transport::Tcp => get(lab, target).map(|(source, _, body)| (source, body)),
        Transport::Udp => lab.within(CLIENT, || send(target)).unwrap(),
    }?;
    Ok(Echoed { source, answer: serde_json::from_str(&body).unwrap() })
}

fn send(target: SocketAddr) -> io::Result<(SocketAddr, String)> {
    let any: IpAddr = if target.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(target)?;
    socket.send(b"")?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
        _ => error,
    })?;
    Ok((socket.local_addr()?, String::from_utf8_lossy(&answer[..length]).into_owned()))
}

/// One flow of each family and transport to the VIPs of `service`, at the same time.
pub(crate) fn ask_all(lab: &NamespaceLab, service: &str) -> Vec<(Family, io::Result<Echoed>)> {
    let service = lab.state().service(service).unwrap();
    let flow = |family, transport| (family, ask(lab, transport, service.vip(family).unwrap()));
    thread::scope(|scope| {
        let flows = Family::ALL
            .map(|family| Transport::ALL.map(|transport| scope.spawn(move || flow(family, transport))));
        flows.into_iter().flatten().map(|flow| flow.join().unwrap()).collect()
    })
}

/// What echo servers say to one flow of each family and transport.
#[track_caller]
pub(crate) fn echo_all(lab: &NamespaceLab, service: &str) -> Vec<(Family, Echoed)> {
    let outcomes = ask_all(lab, service).into_iter();
    outcomes.map(|(family, outcome)| (family, outcome.unwrap())).collect()
}

/// How all of those flows fail.
#[track_caller]
pub(crate) fn failure(lab: &NamespaceLab, service: &str) -> ErrorKind {
    let outcomes = ask_all(lab, service).into_iter();
    let kinds: Vec<_> = outcomes.map(|(_, outcome)| outcome.unwrap_err().kind()).collect();
    assert!(kinds.iter().all(|kind| *kind == kinds[0]), "{kinds:?}");
    kinds[0]
}

/// The one of two addresses that is of `family`.
pub(crate) fn of(family: Family, v4: &str, v6: &str) -> IpAddr {
    match family {
        Family::V4 => v4.parse().unwrap(),
        Family::V6 => v6.parse().unwrap(),
    }
}
