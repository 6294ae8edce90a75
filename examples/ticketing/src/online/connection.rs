//! One connection that stays open.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// A connection on which nothing is asked for longer than a minute is closed by the server.
const ASK_AGAIN: Duration = Duration::from_secs(40);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(20);
/// The head of an answer is never longer.
const HEAD: usize = 8 * 1024;

/// Opens a connection from this address and asks once.
///
/// # Errors
///
/// The system's, or what the server answered instead of 200.
pub(super) async fn open(from: IpAddr, to: SocketAddr, path: &str) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if from.is_ipv4() == to.is_ipv4() {
        socket.bind(SocketAddr::from((from, 0)))?;
    }
    let opened = async {
        let mut stream = socket.connect(to).await?;
        ask(&mut stream, to, path).await?;
        Ok(stream)
    };
    timeout(ANSWER, opened).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Keeps it until it ends.
pub(super) async fn keep(mut stream: TcpStream, to: SocketAddr, path: &str, streams: bool) -> io::Result<()> {
    let mut buffer = [0; 512];
    loop {
        if streams {
            if stream.read(&mut buffer).await? == 0 {
                return Ok(());
            }
            continue;
        }
        match timeout(ASK_AGAIN, stream.read(&mut buffer)).await {
            Ok(Ok(0)) => return Ok(()),
            Ok(read) => drop(read?),
            Err(_) => timeout(ANSWER, ask(&mut stream, to, path)).await.map_err(|_| io::ErrorKind::TimedOut)??,
        }
    }
}

/// Asks, and reads to the end of the head; what follows belongs to whoever keeps the connection.
async fn ask(stream: &mut TcpStream, to: SocketAddr, path: &str) -> io::Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {to}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    let mut buffer = [0; 512];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut buffer).await?;
        if read == 0 || head.len() > HEAD {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&buffer[..read]);
    }
    if head.starts_with(b"HTTP/1.1 200 ") {
        return Ok(());
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    Err(io::Error::other(String::from_utf8_lossy(line).into_owned()))
}
