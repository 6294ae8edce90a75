//! One connection that is kept open, and just enough of HTTP/1.1 to know where an answer ends: whoever asks shares the
//! processors with who is asked, so asking has to be cheap.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::with_capacity(16 * 1024) }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Answer<'_> {
        self.send(request).await;
        let head = self.head().await.unwrap();
        while self.buffer.len() < head.end + head.length {
            self.more().await.unwrap();
        }
        Answer { status: head.status, body: &self.buffer[head.end..head.end + head.length] }
    }

    pub(crate) async fn send(&mut self, request: &[u8]) {
        self.buffer.clear();
        self.stream.write_all(request).await.unwrap();
    }

    /// Reads until the head of the answer is there.
    pub(crate) async fn head(&mut self) -> io::Result<Head> {
        loop {
            if let Some(head) = Head::find(&self.buffer) {
                return Ok(head);
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

pub(crate) struct Head {
    pub(crate) status: u16,
    end: usize,
    length: usize,
}

impl Head {
    fn find(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let length = lines
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, value)| value.parse().unwrap());
        Some(Self { status, end, length })
    }
}

/// The bytes of a request.
pub(crate) fn request(method: &str, path: &str, token: Option<&str>, body: Option<&str>) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
    if let Some(token) = token {
        text.push_str(&format!("authorization: Bearer {token}\r\n"));
    }
    if let Some(body) = body {
        text.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body.unwrap_or_default());
    text.into_bytes()
}
