//! Somebody outside who tells others what address they come from: over STUN, DNS and HTTP on loopback. What is told
//! can be changed at any time, as if a NAT in front of those who ask had changed.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use hickory_resolver::proto::{
    op::Message,
    rr::{
        RData, Record, RecordType,
        rdata::{A, AAAA, TXT},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinSet,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// What those who ask are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tells {
    /// The address that they come from.
    Truth,
    /// Another address.
    Address(IpAddr),
    /// Nothing at all.
    Nothing,
}

impl Tells {
    pub(crate) fn address(address: &str) -> Self {
        Self::Address(address.parse().unwrap())
    }

    fn to(self, peer: SocketAddr) -> Option<IpAddr> {
        match self {
            Self::Truth => Some(peer.ip().to_canonical()),
            Self::Address(address) => Some(address),
            Self::Nothing => None,
        }
    }
}

struct Manner {
    tells: Mutex<Tells>,
    /// Questions that are still to be dropped.
    drops: AtomicU32,
    asked: AtomicU32,
}

impl Manner {
    /// What `peer` is told now.
    fn answer(&self, peer: SocketAddr) -> Option<IpAddr> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let drop = |drops: u32| drops.checked_sub(1);
        if self.drops.fetch_update(Ordering::SeqCst, Ordering::SeqCst, drop).is_ok() {
            return None;
        }
        self.tells.lock().unwrap().to(peer)
    }
}

/// The servers, until they are dropped.
pub(crate) struct Outsider {
    pub(crate) stun: SocketAddr,
    pub(crate) dns: SocketAddr,
    pub(crate) http: SocketAddr,
    manner: Arc<Manner>,
    _end: DropGuard,
}

impl Outsider {
    pub(crate) fn telling(tells: Tells) -> Self {
        Self::at("127.0.0.1".parse().unwrap(), tells)
    }

    pub(crate) fn at(address: IpAddr, tells: Tells) -> Self {
        let manner = Manner { tells: Mutex::new(tells), drops: AtomicU32::new(0), asked: AtomicU32::new(0) };
        let manner = Arc::new(manner);
        let socket = || {
            let socket = std::net::UdpSocket::bind((address, 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        let (stun, dns) = (socket(), socket());
        let http = std::net::TcpListener::bind((address, 0)).unwrap();
        http.set_nonblocking(true).unwrap();
        let end = CancellationToken::new();
        let outsider = Self {
            stun: stun.local_addr().unwrap(),
            dns: dns.local_addr().unwrap(),
            http: http.local_addr().unwrap(),
            manner: Arc::clone(&manner),
            _end: end.clone().drop_guard(),
        };
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = end.cancelled() => {}
                    () = serve(UdpSocket::from_std(stun).unwrap(), &manner, stun_answers) => {}
                    () = serve(UdpSocket::from_std(dns).unwrap(), &manner, dns_answers) => {}
                    () = serve_http(TcpListener::from_std(http).unwrap(), &manner) => {}
                }
            });
        });
        outsider
    }

    pub(crate) fn tell(&self, tells: Tells) {
        *self.manner.tells.lock().unwrap() = tells;
    }

    /// Lets the next `n` questions go unanswered.
    pub(crate) fn drop_next(&self, n: u32) {
        self.manner.drops.store(n, Ordering::SeqCst);
    }

    /// How many questions have come so far.
    pub(crate) fn asked(&self) -> u32 {
        self.manner.asked.load(Ordering::SeqCst)
    }
}

async fn serve(socket: UdpSocket, manner: &Manner, answers: fn(&[u8], SocketAddr, IpAddr) -> Vec<Vec<u8>>) {
    let mut buffer = [0; 1024];
    loop {
        let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
        let Some(address) = manner.answer(peer) else { continue };
        for answer in answers(&buffer[..length], peer, address) {
            let _ = socket.send_to(&answer, peer).await;
        }
    }
}

/// Two answers to other requests, and then the right one (RFC 8489: XOR-MAPPED-ADDRESS).
fn stun_answers(request: &[u8], peer: SocketAddr, address: IpAddr) -> Vec<Vec<u8>> {
    assert_eq!((request.len(), &request[..8]), (20, &b"\0\x01\0\0\x21\x12\xa4\x42"[..]));
    let mask = &request[4..20];
    let masked = |bytes: &[u8]| bytes.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect::<Vec<u8>>();
    let (family, address) = match address {
        IpAddr::V4(v4) => (1, masked(&v4.octets())),
        IpAddr::V6(v6) => (2, masked(&v6.octets())),
    };
    let length = u8::try_from(address.len() + 4).unwrap();
    let mut answer = vec![1, 1, 0, length + 4];
    answer.extend_from_slice(mask);
    answer.extend_from_slice(&[0, 0x20, 0, length, 0, family]);
    answer.extend_from_slice(&masked(&peer.port().to_be_bytes()));
    answer.extend_from_slice(&address);
    let mut other = answer.clone();
    other[19] ^= 1;
    vec![b"not STUN".to_vec(), other, answer]
}

fn dns_answers(request: &[u8], _: SocketAddr, address: IpAddr) -> Vec<Vec<u8>> {
    let request = Message::from_vec(request).unwrap();
    let question = &request.queries[0];
    let data = match (question.query_type(), address) {
        (RecordType::TXT, address) => RData::TXT(TXT::new(vec![address.to_string()])),
        (RecordType::A, IpAddr::V4(v4)) => RData::A(A(v4)),
        (RecordType::AAAA, IpAddr::V6(v6)) => RData::AAAA(AAAA(v6)),
        other => panic!("asked for {other:?}"),
    };
    let mut answer = Message::response(request.metadata.id, request.metadata.op_code);
    answer.add_query(question.clone());
    answer.add_answer(Record::from_rdata(question.name().clone(), 0, data));
    let mut other = answer.clone();
    other.metadata.id ^= 1;
    vec![other.to_vec().unwrap(), answer.to_vec().unwrap()]
}

async fn serve_http(listener: TcpListener, manner: &Arc<Manner>) {
    let mut open = JoinSet::new();
    loop {
        let (stream, peer) = listener.accept().await.unwrap();
        open.spawn(answer_http(stream, peer, Arc::clone(manner)));
        while open.try_join_next().is_some() {}
    }
}

async fn answer_http(mut stream: TcpStream, peer: SocketAddr, manner: Arc<Manner>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    match manner.answer(peer) {
        Some(address) => {
            let body = address.to_string();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
        None => std::future::pending().await,
    }
}
