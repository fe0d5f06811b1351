//! A receiver of bad health: it fails, takes without an answer, hangs, asks for time, and is dead for a while.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use vipwatch_model::notification::Notification;

/// How long an attempt at it may take, by the agent's configuration.
pub(super) const TIMEOUT: Duration = Duration::from_millis(150);

/// A notification that a receiver took, and the document as it came.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) told: Notification,
    pub(super) document: String,
}

/// The receiver. Connections are served one after the other, so that it takes things in the order in which they were sent.
pub(super) struct Flaky {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    taken: Arc<Mutex<Vec<Taken>>>,
    well: Arc<AtomicBool>,
}

impl Flaky {
    pub(super) fn start(name: &'static str, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (taken, well) = (Arc::<Mutex<Vec<Taken>>>::default(), Arc::<AtomicBool>::default());
        let flaky = Self { name, address, taken: Arc::clone(&taken), well: Arc::clone(&well) };
        thread::spawn(move || {
            let mut moods = Moods { random: fastrand::Rng::with_seed(seed), dead_until: Instant::now() };
            let mut hung = Vec::new();
            for stream in listener.incoming() {
                let mood = if well.load(Ordering::Relaxed) { Mood::Takes } else { moods.next() };
                hung.retain(|(since, _): &(Instant, _)| since.elapsed() < 3 * TIMEOUT);
                if let Some(stream) = serve(stream.unwrap(), mood, &taken) {
                    hung.push((Instant::now(), stream));
                }
            }
        });
        flaky
    }

    /// From now on it takes everything.
    pub(super) fn recover(&self) {
        self.well.store(true, Ordering::Relaxed);
    }

    /// What it has taken, in order.
    pub(super) fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Takes,
    TakesAndDropsTheConnection,
    TakesAndHangs,
    Hangs,
    Fails,
    AsksForTime,
    IsDead,
}

struct Moods {
    random: fastrand::Rng,
    dead_until: Instant,
}

impl Moods {
    fn next(&mut self) -> Mood {
        if Instant::now() < self.dead_until {
            return Mood::IsDead;
        }
        match self.random.u32(..100) {
            0..50 => Mood::Takes,
            50..65 => Mood::TakesAndDropsTheConnection,
            65..72 => Mood::TakesAndHangs,
            72..77 => Mood::Hangs,
            77..92 => Mood::Fails,
            92..96 => Mood::AsksForTime,
            _ => {
                self.dead_until = Instant::now() + Duration::from_millis(self.random.u64(200..1_500));
                Mood::IsDead
            }
        }
    }
}

/// Serves one request; gives the connection back where it is to hang.
fn serve(stream: TcpStream, mood: Mood, taken: &Mutex<Vec<Taken>>) -> Option<TcpStream> {
    if mood == Mood::IsDead {
        return None;
    }
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    // Whoever was killed in the middle of a request has told nothing.
    let document = read(&stream)?;
    if matches!(mood, Mood::Takes | Mood::TakesAndDropsTheConnection | Mood::TakesAndHangs) {
        let told = serde_json::from_str(&document).unwrap();
        taken.lock().unwrap().push(Taken { told, document });
    }
    let answer = match mood {
        Mood::Takes => "204 No Content",
        Mood::Fails => "500 Internal Server Error",
        Mood::AsksForTime => "429 Too Many Requests\r\nretry-after: 1",
        Mood::TakesAndHangs | Mood::Hangs => return Some(stream),
        Mood::TakesAndDropsTheConnection | Mood::IsDead => return None,
    };
    let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let _ = (&stream).write_all(answer.as_bytes());
    None
}

/// The body of a request, if it comes whole.
fn read(stream: &TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        lines.read_line(&mut line).ok().filter(|&n| n > 0)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().ok()?;
            }
            None if line == "\r\n" => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}
