//! The far side of a receiver: an HTTP server that notes what it is told and answers as it is bid.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server on loopback.
pub(super) struct FarSide {
    pub(super) address: SocketAddr,
    told: mpsc::Receiver<Told>,
}

/// One request.
#[derive(Debug)]
pub(super) struct Told {
    /// `POST /hook HTTP/1.1`.
    pub(super) line: String,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl FarSide {
    /// Answers each request with the next of `replies`, and with the last of them for ever.
    pub(super) fn replying(replies: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = mpsc::channel();
        let replies: Vec<String> = replies.iter().map(|reply| (*reply).to_owned()).collect();
        thread::spawn(move || {
            for (i, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&stream) else { continue };
                let status = &replies[i.min(replies.len() - 1)];
                let (head, body) = status.split_once("\n\n").unwrap_or((status, ""));
                let head = head.replace('\n', "\r\n");
                let length = body.len();
                let reply =
                    format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                // Whoever asked may be gone by then.
                let _ = stream.write_all(reply.as_bytes());
                if tell.send(request).is_err() {
                    return;
                }
            }
        });
        Self { address, told }
    }

    /// The next request.
    pub(super) fn next(&self) -> Told {
        self.told.recv_timeout(PATIENCE).unwrap()
    }

    /// Whether there was no further request.
    pub(super) fn is_done(&self) -> bool {
        self.told.try_recv().is_err()
    }
}

impl Told {
    /// The value of the header `name`.
    pub(super) fn header(&self, name: &str) -> &str {
        let of_that_name = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.headers.iter().find(of_that_name).map_or("", |(_, value)| value)
    }

    pub(super) fn json(&self) -> Value {
        assert!(self.header("content-type").starts_with("application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }
}

fn read(stream: &TcpStream) -> Option<Told> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut lines = lines.into_iter();
    let line = lines.next()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect();
    let mut told = Told { line, headers, body: String::new() };
    let mut body = vec![0; told.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    told.body = String::from_utf8(body).unwrap();
    Some(told)
}
