use std::{
    io,
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll},
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

static ACCEPTOR: LazyLock<TlsAcceptor> = LazyLock::new(|| acceptor().unwrap_or_else(|error| panic!("{error}")));

fn acceptor() -> Result<TlsAcceptor, Box<dyn std::error::Error>> {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("cert.pem"))?;
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("key.pem"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key)?)))
}

enum Wire {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

/// Lines in and out, plain or encrypted.
pub(super) struct Lines {
    wire: Wire,
    buffer: Vec<u8>,
}

impl Lines {
    pub(super) fn new(stream: TcpStream) -> Self {
        // Small answers must not wait for each other.
        let _ = stream.set_nodelay(true);
        Self { wire: Wire::Plain(stream), buffer: Vec::new() }
    }

    pub(super) const fn is_encrypted(&self) -> bool {
        matches!(self.wire, Wire::Encrypted(_))
    }

    /// What was sent before the encryption began is forgotten: it could be anybody's.
    pub(super) async fn encrypt(self) -> io::Result<Self> {
        match self.wire {
            Wire::Plain(stream) => {
                let stream = ACCEPTOR.accept(stream).await?;
                Ok(Self { wire: Wire::Encrypted(Box::new(stream)), buffer: Vec::new() })
            }
            Wire::Encrypted(_) => Err(io::Error::other("it is encrypted already")),
        }
    }

    pub(super) async fn answer(&mut self, line: &str) -> io::Result<()> {
        self.wire.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.wire.flush().await
    }

    /// Up to the end of a command, without it; `None` at the end of the connection.
    pub(super) async fn line(&mut self) -> io::Result<Option<String>> {
        Ok(self.until(b"\r\n").await?.map(|line| String::from_utf8_lossy(&line).into_owned()))
    }

    /// A message up to its end, with dots unstuffed.
    pub(super) async fn message(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut message: Vec<u8> = Vec::new();
        loop {
            let Some(line) = self.until(b"\r\n").await? else { return Ok(None) };
            match line.strip_prefix(b".") {
                Some(b"") => return Ok(Some(message)),
                Some(rest) => message.extend_from_slice(rest),
                None => message.extend_from_slice(&line),
            }
            message.extend_from_slice(b"\r\n");
        }
    }

    async fn until(&mut self, end: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut from = 0;
        loop {
            if let Some(at) = self.buffer[from..].windows(end.len()).position(|window| window == end) {
                let line = self.buffer[..from + at].to_vec();
                self.buffer.drain(..from + at + end.len());
                return Ok(Some(line));
            }
            from = self.buffer.len().saturating_sub(end.len());
            let mut chunk = [0; 16 * 1024];
            match self.wire.read(&mut chunk).await? {
                0 => return Ok(None),
                count => self.buffer.extend_from_slice(&chunk[..count]),
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Encrypted(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Encrypted(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Encrypted(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Encrypted(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
