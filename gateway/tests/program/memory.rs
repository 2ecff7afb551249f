//! What uploads may cost in memory, however many, however large, and whatever they are made of.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Client};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::served::{Served, jwt, member};

const MEBIBYTE: u64 = 1024 * 1024;

/// Of each kind.
const UPLOADS: u64 = 20;
const EACH: u64 = 32 * MEBIBYTE;

/// What is set for the parts of all uploads.
const BUDGET: u64 = 64 * MEBIBYTE;

/// What an upload may cost besides its parts: what is read ahead of it from its connection, and what the
/// form's parser holds.
const BUFFERS: u64 = 3 * MEBIBYTE;

/// What all of them may take: as much again for what the allocator keeps. Together they are five times
/// as long, and would be if nothing held them back.
const ALLOWED: u64 = 2 * (BUDGET + UPLOADS * BUFFERS);

fn body() -> Body {
    let block = Bytes::from(vec![7; MEBIBYTE as usize]);
    let blocks = (0..EACH / MEBIBYTE).map(move |_| Ok::<_, std::io::Error>(block.clone()));
    Body::wrap_stream(stream::iter(blocks))
}

async fn form(http: &Client, url: &str, jwt: &str) -> u16 {
    let part = Part::stream_with_length(body(), EACH).file_name("a.bin");
    let form = Form::new().part("files", part);
    let request = http.post(format!("{url}/v1/files")).bearer_auth(jwt);
    request
        .multipart(form)
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

async fn in_one_piece(http: &Client, url: &str, jwt: &str) -> u16 {
    let request = http
        .post(format!("{url}/v1/uploads"))
        .bearer_auth(jwt)
        .header("tus-resumable", "1.0.0")
        .header("upload-length", EACH)
        .header("content-type", "application/offset+octet-stream");
    request.body(body()).send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_large_uploads_at_once_stay_within_the_memory_that_is_set_for_them() {
    let budget = BUDGET.to_string();
    let variables = [("FILEGATEWAY_UPLOADS_MEMORY_BYTES", budget.as_str())];
    let served = Served::start_with("info", &variables).await;
    let http = Client::new();
    let (before, _) = served.process.memory();
    let uploads = (0..UPLOADS).map(|n| {
        // Each caller has a quarter of the memory: several of them use all of it.
        let (http, url, jwt) = (&http, &served.url, jwt(&format!("user-{n}")));
        async move { tokio::join!(form(http, url, &jwt), in_one_piece(http, url, &jwt)) }
    });
    for statuses in join_all(uploads).await {
        assert_eq!(statuses, (200, 201));
    }
    let (_, most) = served.process.memory();
    println!(
        "resident: {} MiB before, {} MiB at most, while {} MiB came at once",
        before / MEBIBYTE,
        most / MEBIBYTE,
        2 * UPLOADS * EACH / MEBIBYTE
    );
    served.take_down().await;
    assert!(
        most - before <= ALLOWED,
        "{} MiB",
        (most - before) / MEBIBYTE
    );
}

/// How much is sent at most: no refusal that is early waits for that.
const ENDLESS: u64 = 256 * MEBIBYTE;

/// How much may be under way before the sender sees the answer: buffers of the system's, and what the
/// gateway takes to see what it is.
const EARLY: u64 = 48 * MEBIBYTE;

/// What a request that is refused may cost, in memory.
const REFUSED: u64 = 32 * MEBIBYTE;

/// Sends a head and then `piece` again and again, until an answer comes; gives its status, and how
/// much was sent by then.
async fn refused(served: &Served, head: &str, start: &str, piece: &[u8]) -> (u16, u64) {
    let authority = served.url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(authority).await.unwrap();
    connection.write_all(head.as_bytes()).await.unwrap();
    let chunk = |bytes: &[u8]| {
        let length = format!("{:x}\r\n", bytes.len());
        [length.as_bytes(), bytes, b"\r\n"].concat()
    };
    let mut sent = start.len() as u64;
    let mut answer = vec![0; 1024];
    let mut read = 0;
    if !start.is_empty() {
        connection
            .write_all(&chunk(start.as_bytes()))
            .await
            .unwrap();
    }
    let piece_sent = chunk(piece);
    while sent < ENDLESS {
        match connection.try_read(&mut answer) {
            Ok(some) => {
                read = some;
                break;
            }
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
        let writing = connection.write_all(&piece_sent);
        let written = timeout(Duration::from_secs(20), writing).await;
        written.expect("neither read nor refused").unwrap();
        sent += piece.len() as u64;
    }
    if read == 0 {
        let answered = timeout(Duration::from_secs(20), connection.read(&mut answer));
        read = answered.await.unwrap().unwrap();
    }
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    let status = answer.split(' ').nth(1).unwrap_or_default().parse();
    (
        status.unwrap_or_else(|_| panic!("no answer: {answer}")),
        sent,
    )
}

/// The head of a request whose length nobody knows.
fn head(line: &str, headers: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
         Transfer-Encoding: chunked\r\n{headers}\r\n",
        member()
    )
}

fn form_head() -> String {
    let form = "Content-Type: multipart/form-data; boundary=b\r\n";
    head("POST /v1/files", form)
}

async fn small() -> Served {
    let variables = [
        ("FILEGATEWAY_UPLOADS_MAX_FILE_BYTES", "1048576"),
        ("FILEGATEWAY_UPLOADS_MAX_FILES", "5"),
    ];
    Served::start_with("info", &variables).await
}

/// That each is refused with its status, soon, and in little memory.
async fn are_refused_early(requests: &[(String, String, Vec<u8>, u16)]) {
    let served = small().await;
    let (before, _) = served.process.memory();
    for (head, start, piece, expected) in requests {
        let (status, sent) = refused(&served, head, start, piece).await;
        let first = head.lines().next().unwrap_or_default();
        assert_eq!(status, *expected, "{first} {start:.100}");
        assert!(
            sent <= EARLY,
            "{first} {start:.100}: {} MiB",
            sent / MEBIBYTE
        );
    }
    let (_, most) = served.process.memory();
    assert_eq!(served.rows().await, 0);
    assert_eq!(served.uploads().await, 0);
    served.take_down().await;
    assert!(
        most - before <= REFUSED,
        "{} MiB",
        (most - before) / MEBIBYTE
    );
}

const PART: &str =
    "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.bin\"\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_unknown_length_that_is_too_large_is_not_read_to_its_end() {
    let bytes = vec![7; 64 * 1024];
    let tus = "Tus-Resumable: 1.0.0\r\nUpload-Defer-Length: 1\r\n\
               Content-Type: application/offset+octet-stream\r\n";
    are_refused_early(&[
        (form_head(), PART.to_owned(), bytes.clone(), 413),
        (
            head("POST /v1/uploads", tus),
            String::new(),
            bytes.clone(),
            413,
        ),
        // Another type of body, whose length no limit of files says anything of.
        (
            head(
                "POST /v1/files/location",
                "Content-Type: application/json\r\n",
            ),
            "{\"location\": \"".to_owned(),
            vec![b'a'; 64 * 1024],
            422,
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_of_a_million_parts_is_refused_at_the_first_that_are_too_many() {
    let tiny = "--b\r\nContent-Disposition: form-data; name=\"files\"\r\n\r\nx\r\n";
    let other = "--b\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\n\r\n";
    let nameless = "--b\r\n\r\n\r\n";
    let brackets = format!(
        "--b\r\nContent-Disposition: form-data; name=\"files{}\"\r\n\r\n\r\n",
        "[4294967295]".repeat(100)
    );
    let requests = [tiny, other, nameless, &brackets].map(|part| {
        let piece = part.repeat(1000).into_bytes();
        (form_head(), String::new(), piece, 422)
    });
    are_refused_early(&requests).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parts_header_without_an_end_is_not_waited_for() {
    let endless = vec![b'a'; 64 * 1024];
    let many = "X: y\r\n".repeat(8 * 1024).into_bytes();
    let starts = [
        "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"",
        "--b\r\nX: ",
        "--b\r\n",
    ];
    let mut requests: Vec<_> = starts
        .into_iter()
        .map(|start| (form_head(), start.to_owned(), endless.clone(), 422))
        .collect();
    requests.push((form_head(), "--b\r\n".to_owned(), many, 422));
    // A preamble, and what all but ends a part.
    requests.push((form_head(), String::new(), endless, 422));
    requests.push((form_head(), PART.to_owned(), b"\r\n--a".repeat(10_000), 413));
    are_refused_early(&requests).await;
}
