//! When the operator says that it is ready.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bed::Bed;

async fn status(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    answer.split(' ').nth(1).map(str::to_string)
}

#[tokio::test]
async fn an_operator_without_a_gateway_becomes_ready() {
    let (bed, operator) = Bed::with_operator("empty").await;
    bed.until("ready", async || {
        (status(operator.health).await? == "200").then_some(())
    })
    .await;
    operator.stop().await;
}
