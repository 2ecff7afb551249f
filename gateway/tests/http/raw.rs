//! A connection that says exactly what a test wants it to.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::gateway_under_test::Gateway;

/// Long enough for whatever the gateway has to do on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Raw(pub(crate) TcpStream);

/// An answer, taken apart.
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl RawAnswer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn has(&self, header: &str) -> bool {
        self.head
            .lines()
            .any(|line| line.eq_ignore_ascii_case(header))
    }
}

impl Gateway {
    pub(crate) fn authority(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    pub(crate) async fn raw(&self) -> Raw {
        Raw(TcpStream::connect(self.authority()).await.unwrap())
    }

    /// A connection whose own system takes few bytes that are not read.
    pub(crate) async fn narrow(&self) -> Raw {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let address = self.authority().parse().unwrap();
        Raw(socket.connect(address).await.unwrap())
    }
}

impl Raw {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Everything up to the end of the connection, which has to come.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let read = self.0.read_to_end(&mut rest);
        let read = tokio::time::timeout(PATIENCE, read).await;
        read.expect("the connection stays open")
            .expect("the connection was reset");
        rest
    }

    /// The next answer, which has to have a length.
    pub(crate) async fn answer(&mut self) -> RawAnswer {
        tokio::time::timeout(PATIENCE, self.next())
            .await
            .expect("no answer comes")
            .expect("the connection ends instead of an answer")
    }

    async fn next(&mut self) -> std::io::Result<RawAnswer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.parse::<usize>().unwrap())
        });
        let mut body = vec![0; length.expect("the answer has no length")];
        self.0.read_exact(&mut body).await?;
        Ok(RawAnswer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head,
            body,
        })
    }
}

/// A request for something that is always there.
pub(crate) const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
