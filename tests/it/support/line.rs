//! A line between the cockpit and its server that is slow, loses segments, can be held, and is listened to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Bytes of a segment.
const SEGMENT: usize = 1_460;

/// How good it is.
#[derive(Debug, Clone, Copy)]
pub struct Quality {
    /// How long a segment is on its way.
    pub delay: Duration,
    /// Of so many segments one gets lost and is sent again; none where it is 0.
    pub one_lost_of: u64,
    /// How much later it comes then. All behind it wait for it.
    pub resent_after: Duration,
}

/// As fast as it goes.
pub const FAST: Quality = Quality {
    delay: Duration::ZERO,
    one_lost_of: 0,
    resent_after: Duration::ZERO,
};

/// A mobile line abroad: 200 ms each way, one segment of a hundred is lost.
pub const SLOW: Quality = Quality {
    delay: Duration::from_millis(200),
    one_lost_of: 100,
    resent_after: Duration::from_secs(1),
};

/// What was heard on it.
#[derive(Debug, Default)]
struct Heard {
    /// Requests so far, by method and path.
    requests: BTreeMap<String, u64>,
    /// Requests without an answer, by method and path.
    open: BTreeMap<String, u64>,
    /// The most requests for the same that were open at once.
    most_open: u64,
    segments: u64,
}

/// The line. It ends with the runtime it was made in.
#[derive(Clone)]
pub struct Line {
    /// The address of its near end.
    pub base: String,
    heard: Arc<Mutex<Heard>>,
    held: Arc<watch::Sender<Option<String>>>,
}

impl Line {
    /// A line to the server at this address.
    pub async fn to(base: &str, quality: Quality) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let near = format!("http://{}", listener.local_addr().expect("an address"));
        let far = base.trim_start_matches("http://").to_owned();
        let line = Self {
            base: near,
            heard: Arc::default(),
            held: Arc::new(watch::channel(None).0),
        };
        let taken = line.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(&far).await else {
                    continue;
                };
                taken.connect(near, far, quality);
            }
        });
        line
    }

    fn connect(&self, near: TcpStream, far: TcpStream, quality: Quality) {
        let (near_in, near_out) = near.into_split();
        let (far_in, far_out) = far.into_split();
        // What was asked on this connection and not answered yet; the same for both directions.
        let open = Arc::new(Mutex::new(Vec::new()));
        let asked = Ears(self.clone(), Arc::clone(&open));
        tokio::spawn(carry(near_in, far_out, quality, asked.clone(), true));
        tokio::spawn(carry(far_in, near_out, quality, asked, false));
    }

    /// Holds all answers to requests that begin like this back, such as `GET /experiments`; with "" all.
    pub fn hold(&self, requests: &str) {
        self.held.send_replace(Some(requests.to_owned()));
    }

    /// Lets go what was held.
    pub fn release(&self) {
        self.held.send_replace(None);
    }

    /// How many requests that begin like this were sent.
    pub fn requests(&self, like: &str) -> u64 {
        let heard = self.heard.lock().expect("not poisoned");
        let same = heard
            .requests
            .iter()
            .filter(|(request, _)| request.starts_with(like));
        same.map(|(_, count)| count).sum()
    }

    /// How many requests that begin like this wait for their answer.
    pub fn waiting(&self, like: &str) -> u64 {
        let heard = self.heard.lock().expect("not poisoned");
        let same = heard.open.iter().filter(|(request, _)| request.starts_with(like));
        same.map(|(_, count)| count).sum()
    }

    /// The most requests for the same that ever waited at once.
    pub fn most_waiting(&self) -> u64 {
        self.heard.lock().expect("not poisoned").most_open
    }
}

/// What one connection tells the line.
#[derive(Clone)]
struct Ears(Line, Arc<Mutex<Vec<String>>>);

impl Ears {
    /// Whether the segment is lost at first.
    fn lost(&self, quality: Quality) -> bool {
        let mut heard = self.0.heard.lock().expect("not poisoned");
        heard.segments += 1;
        quality.one_lost_of > 0 && heard.segments.is_multiple_of(quality.one_lost_of)
    }

    fn segment(&self, bytes: &[u8], from_cockpit: bool) {
        let mut heard = self.0.heard.lock().expect("not poisoned");
        let mut open = self.1.lock().expect("not poisoned");
        let text = String::from_utf8_lossy(bytes);
        if from_cockpit {
            let methods = ["GET /", "POST /", "PUT /", "PATCH /", "DELETE /"];
            if methods.iter().any(|method| text.starts_with(method)) {
                let request: Vec<&str> = text.split(' ').take(2).collect();
                let request = request.join(" ");
                *heard.requests.entry(request.clone()).or_default() += 1;
                let count = heard.open.entry(request.clone()).or_default();
                *count += 1;
                let count = *count;
                heard.most_open = heard.most_open.max(count);
                open.push(request);
            }
        } else if text.starts_with("HTTP/1.1 ") && !open.is_empty() {
            let request = open.remove(0);
            *heard.open.entry(request).or_insert(1) -= 1;
        }
    }

    /// The connection has ended: nobody waits for its answers any more.
    fn ended(&self) {
        let mut heard = self.0.heard.lock().expect("not poisoned");
        for request in self.1.lock().expect("not poisoned").drain(..) {
            *heard.open.entry(request).or_insert(1) -= 1;
        }
    }

    /// Waits as long as the answers of this connection are held back.
    async fn free(&self) {
        let mut held = self.0.held.subscribe();
        let open = Arc::clone(&self.1);
        let passes = |held: &Option<String>| match held {
            None => true,
            Some(like) => {
                let open = open.lock().expect("not poisoned");
                !open
                    .first()
                    .is_some_and(|request| request.starts_with(like.as_str()))
            }
        };
        // The line itself holds the sender.
        let _ = held.wait_for(passes).await;
    }
}

/// One direction: each segment comes when its time has come, and never before the one ahead of it.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    quality: Quality,
    ears: Ears,
    from_cockpit: bool,
) {
    let (sent, mut on_the_way) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let listener = ears.clone();
    let reading = async move {
        let mut buffer = vec![0; SEGMENT];
        let mut last = Instant::now();
        while let Ok(n @ 1..) = from.read(&mut buffer).await {
            if from_cockpit {
                listener.segment(&buffer[..n], true);
            }
            let late = if listener.lost(quality) {
                quality.resent_after
            } else {
                Duration::ZERO
            };
            last = last.max(Instant::now() + quality.delay + late);
            if sent.send((last, buffer[..n].to_vec())).is_err() {
                break;
            }
        }
    };
    let writing = async move {
        while let Some((due, bytes)) = on_the_way.recv().await {
            tokio::time::sleep_until(due).await;
            if !from_cockpit {
                ears.free().await;
                ears.segment(&bytes, false);
            }
            if to.write_all(&bytes).await.is_err() {
                break;
            }
        }
        ears.ended();
        let _ = to.shutdown().await;
    };
    tokio::join!(reading, writing);
}
