use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// How the next request fails.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is read and worked on, and the connection is cut instead of an answer.
    CutAfterReading,
    /// It is read and never worked on, and the connection is cut.
    CutUnread,
    /// It is worked on, and the answer takes so long.
    Slow(Duration),
    /// It is not worked on, and answered with this status and body.
    Answer(u16, String),
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct FakeRequest {
    pub method: String,
    pub path: String,
    /// As it was written, without `?`.
    pub query: String,
    /// By names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl FakeRequest {
    /// A header, empty if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The query's pairs, decoded.
    #[must_use]
    pub fn pairs(&self) -> BTreeMap<String, String> {
        pairs(&self.query)
    }

    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Pairs of a query or of a form, decoded.
pub(super) fn pairs(text: &str) -> BTreeMap<String, String> {
    let decode = |part: &str| {
        let mut bytes = Vec::new();
        let mut rest = part.bytes();
        while let Some(byte) = rest.next() {
            match byte {
                b'%' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                }
                b'+' => bytes.push(b' '),
                byte => bytes.push(byte),
            }
        }
        String::from_utf8(bytes).unwrap()
    };
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (decode(name), decode(value))).collect()
}

/// An answer.
#[derive(Clone, Debug)]
pub struct FakeReply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl FakeReply {
    /// A JSON body with a status.
    #[must_use]
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

type Handler = dyn Fn(&FakeRequest) -> FakeReply + Send + Sync;

/// A small HTTP/1.1 server that can fail as networks do. It ends when it is dropped.
pub struct FakeServer {
    url: String,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    handler: Box<Handler>,
    faults: Mutex<VecDeque<Fault>>,
    requests: Mutex<Vec<FakeRequest>>,
}

impl FakeServer {
    /// A server that answers with what the function says.
    pub async fn start(handler: impl Fn(&FakeRequest) -> FakeReply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (faults, requests) = Default::default();
        let state = Arc::new(State { handler: Box::new(handler), faults, requests });
        let served = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&served);
                tokio::spawn(async move { serve(stream, &state).await });
            }
        });
        Self { url, state, task }
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes the next requests fail, one each.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.faults.lock().extend(faults);
    }

    /// What has arrived so far.
    #[must_use]
    pub fn requests(&self) -> Vec<FakeRequest> {
        self.state.requests.lock().clone()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for FakeServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeServer").field("url", &self.url).finish_non_exhaustive()
    }
}

async fn serve(mut stream: TcpStream, state: &State) {
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer).await {
        let fault = state.faults.lock().pop_front();
        state.requests.lock().push(request.clone());
        let reply = match fault {
            Some(Fault::CutUnread) => return,
            Some(Fault::CutAfterReading) => {
                (state.handler)(&request);
                return;
            }
            Some(Fault::Slow(pause)) => {
                let reply = (state.handler)(&request);
                tokio::time::sleep(pause).await;
                reply
            }
            Some(Fault::Answer(status, body)) => FakeReply { status, headers: Vec::new(), body },
            None => (state.handler)(&request),
        };
        let mut head = format!("HTTP/1.1 {} fake\r\ncontent-length: {}\r\n", reply.status, reply.body.len());
        for (name, value) in reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("content-type: application/json\r\n\r\n");
        if stream.write_all((head + &reply.body).as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<FakeRequest> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let header = |line: &str| line.split_once(':').map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()));
    let headers: BTreeMap<String, String> = lines.filter_map(header).collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while buffer.len() < end + 4 + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = buffer[end + 4..end + 4 + length].to_vec();
    buffer.drain(..end + 4 + length);
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(FakeRequest { method, path: path.to_owned(), query: query.to_owned(), headers, body })
}
