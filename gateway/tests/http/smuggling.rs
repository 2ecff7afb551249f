//! Nothing inside a request is ever taken for a request of its own (RFC 9112, 11.2).

use std::sync::Arc;

use crate::gateway_under_test::Gateway;
use crate::issuer::{member, signed_text};
use crate::raw::HEALTH;
use crate::worlds::once;

once!(
    heads_that_can_be_read_in_two_ways_are_refused,
    broken_chunks_end_the_connection,
    endless_heads_are_refused,
    a_token_of_a_mebibyte_is_refused_and_the_next_request_is_answered,
    other_protocols_have_no_door,
);

async fn heads_that_can_be_read_in_two_ways_are_refused(gateway: Arc<Gateway>) {
    for headers in [
        "Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Host: a\r\nTransfer-Encoding: chunked, identity\r\n",
        "Host: a\r\nTransfer-Encoding: identity\r\n",
        "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n",
        "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Host: a\r\nTransfer-Encoding: \x0bchunked\r\n",
        "Host: a\r\nTransfer-Encoding : chunked\r\n",
        "Host: a\r\nContent-Length: 0\r\nContent-Length: 40\r\n",
        "Host: a\r\nContent-Length: 40\r\nContent-Length: 40\r\n",
        "Host: a\r\nContent-Length: 40, 40\r\n",
        "Host: a\r\nContent-Length: +5\r\n",
        "Host: a\r\nContent-Length: 5 5\r\n",
        "Host: a\r\nContent-Length : 5\r\n",
        "Host: a\r\nX: a\r\n folded\r\n",
        "Host: a\nX: b\r\n",
        "Host: a\r\nX: b\rContent-Length: 5\r\n",
        "Host: a\r\nHost: b\r\n",
        "X: no host\r\n",
        "Host: a\r\nX\0Y: b\r\n",
        "Host: a\r\nX: b\0c\r\n",
    ] {
        let mut connection = gateway.raw().await;
        let request = format!("POST /healthz HTTP/1.1\r\n{headers}\r\n0\r\n\r\n{HEALTH}{HEALTH}");
        connection.send(request).await;
        let answers = connection.rest().await;
        let answers = String::from_utf8(answers).unwrap();
        assert!(
            answers.starts_with("HTTP/1.1 400 "),
            "{headers:?}: {answers}"
        );
        assert_eq!(
            answers.matches("HTTP/1.1").count(),
            1,
            "{headers:?}: {answers}"
        );
    }
}

async fn broken_chunks_end_the_connection(gateway: Arc<Gateway>) {
    for chunks in [
        "5\nhello\r\n0\r\n\r\n",
        "5;x\nhello\r\n0\r\n\r\n",
        "5\r\nhello!0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "0\r\nX: y\n\r\n",
    ] {
        let mut connection = gateway.raw().await;
        let token = member("ana");
        connection
            .send(format!(
                "POST /v1/files/location HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
                 Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{HEALTH}"
            ))
            .await;
        let answers = String::from_utf8(connection.rest().await).unwrap();
        assert!(!answers.contains("200 OK"), "{chunks:?}: {answers}");
        assert!(
            answers.matches("HTTP/1.1").count() <= 1,
            "{chunks:?}: {answers}"
        );
    }
}

async fn endless_heads_are_refused(gateway: Arc<Gateway>) {
    let long = "a".repeat(200 << 10);
    let many = "a: b\r\n".repeat(200);
    for (head, status) in [
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 431),
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"),
            431,
        ),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 431),
    ] {
        let mut connection = gateway.raw().await;
        connection.send(head).await;
        let answer = connection.answer().await;
        assert_eq!(answer.status, status, "{}", answer.head);
        assert_eq!(connection.rest().await, b"");
    }
}

async fn a_token_of_a_mebibyte_is_refused_and_the_next_request_is_answered(gateway: Arc<Gateway>) {
    let ask = |token: &str| {
        format!("GET /v1/files/token HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n")
    };
    for token in ["a".repeat(1 << 20), "a.".repeat(1 << 19)] {
        let mut connection = gateway.raw().await;
        connection.send(ask(&token)).await;
        let answer = connection.answer().await;
        assert_eq!(answer.status, 431, "{}", answer.head);
        assert_eq!(answer.json()["code"], "headers_too_large");
        assert_eq!(connection.rest().await, b"");
    }
    // As long as a head may be, on one connection, which stays good.
    let mut connection = gateway.raw().await;
    let deep = format!("{}{}", "[".repeat(9_000), "]".repeat(9_000));
    let deep_header = format!("{{\"alg\":\"HS256\",\"x\":{deep}}}");
    let deep_claims = format!("{{\"sub\":{deep}}}");
    let secret = crate::issuer::SECRET.as_bytes();
    for token in [
        "a".repeat(30_000),
        ".".repeat(30_000),
        "%".repeat(30_000),
        "a.".repeat(15_000),
        signed_text(&deep_header, "{}", secret),
        signed_text("{\"alg\":\"HS256\"}", &deep_claims, secret),
    ] {
        connection.send(ask(&token)).await;
        let answer = connection.answer().await;
        assert_eq!(answer.status, 401, "{}", answer.head);
    }
    connection.send(ask(&member("ana"))).await;
    assert_eq!(connection.answer().await.status, 200);
}

async fn other_protocols_have_no_door(gateway: Arc<Gateway>) {
    let mut h2c = gateway.raw().await;
    h2c.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await;
    let answer = String::from_utf8_lossy(&h2c.rest().await).into_owned();
    assert!(!answer.contains("200"), "{answer}");
    for (protocol, more) in [
        ("h2c", "HTTP2-Settings: AAMAAABkAAQAAP__\r\n"),
        (
            "websocket",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
        ),
    ] {
        let mut connection = gateway.raw().await;
        connection
            .send(format!(
                "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n{more}\r\n"
            ))
            .await;
        // Answered as if nothing had been asked, and still HTTP/1.1.
        assert_eq!(connection.answer().await.status, 200);
        connection.send(HEALTH).await;
        assert_eq!(connection.answer().await.status, 200);
    }
}
