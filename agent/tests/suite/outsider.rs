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

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinSet,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use vipwatch_lab::{dns, stun};

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
        let (stun_socket, dns_socket) = (socket(), socket());
        let http = std::net::TcpListener::bind((address, 0)).unwrap();
        http.set_nonblocking(true).unwrap();
        let end = CancellationToken::new();
        let outsider = Self {
            stun: stun_socket.local_addr().unwrap(),
            dns: dns_socket.local_addr().unwrap(),
            http: http.local_addr().unwrap(),
            manner: Arc::clone(&manner),
            _end: end.clone().drop_guard(),
        };
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = end.cancelled() => {}
                    () = serve(UdpSocket::from_std(stun_socket).unwrap(), &manner, stun::answer) => {}
                    () = serve(UdpSocket::from_std(dns_socket).unwrap(), &manner, dns::answer) => {}
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

/// Answers with answers to other requests first: one cannot be read, and one has another id.
async fn serve(socket: UdpSocket, manner: &Manner, answer: fn(&[u8], SocketAddr) -> Option<Vec<u8>>) {
    let mut buffer = [0; 1024];
    loop {
        let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
        let Some(address) = manner.answer(peer) else { continue };
        let right = answer(&buffer[..length], SocketAddr::new(address, peer.port())).unwrap();
        let mut foreign = right.clone();
        // The last byte of STUN's id; DNS has its two bytes in front.
        let id = if right.starts_with(&buffer[..2]) { 1 } else { 19 };
        foreign[id] ^= 1;
        for answer in [&b"neither"[..], &foreign, &right] {
            let _ = socket.send_to(answer, peer).await;
        }
    }
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
