//! Names in any script, from the form of an upload to the header of a download.

use std::process::Stdio;
use std::sync::Arc;

use reqwest::Method;
use serde_json::json;

use crate::forms::{BOUNDARY, content_type, field, form, part};
use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::{Answer, Stored};
use crate::worlds::{everywhere, once};

everywhere!(
    a_name_is_mangled_on_its_way_through,
    two_names_that_look_alike_stay_two_files,
);
once!(
    a_name_of_another_client_is_mangled,
    a_long_name_loses_its_extension,
    a_name_that_no_form_may_have_costs_the_name_alone,
    bytes_that_are_no_text_are_no_name,
    a_form_within_a_form_is_a_file_like_any_other,
);

/// What a client sends, and what a browser is to call the file.
const NAMES: [(&str, &str); 13] = [
    ("report 2026.pdf", "report 2026.pdf"),
    ("日本語のファイル.mp4", "日本語のファイル.mp4"),
    ("中文 名字.mov", "中文 名字.mov"),
    ("تقرير سنوي.pdf", "تقرير سنوي.pdf"),
    ("דוח שנתי.pdf", "דוח שנתי.pdf"),
    ("🎬🍿 film.mp4", "🎬🍿 film.mp4"),
    ("Größe & Maß.txt", "Größe & Maß.txt"),
    ("e\u{301}te\u{301}.txt", "e\u{301}te\u{301}.txt"),
    ("100% sure; a=b, c'd.txt", "100% sure; a=b, c'd.txt"),
    ("a%20b.txt", "a%20b.txt"),
    ("../../etc/passwd", "passwd"),
    ("C:\\temp\\a.txt", "a.txt"),
    ("evil\u{202e}fdp.exe", "evilfdp.exe"),
];

/// The name as RFC 6266 has a client read it: `filename*` where there is one.
fn name_of(header: &str) -> String {
    assert!(
        header.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
        "{header}"
    );
    if let Some((_, extended)) = header.split_once("; filename*=UTF-8''") {
        let decoded = percent_encoding::percent_decode_str(extended);
        return decoded.decode_utf8().unwrap().into_owned();
    }
    let (_, quoted) = header.split_once("; filename=\"").unwrap();
    quoted.strip_suffix('"').unwrap().to_owned()
}

impl Gateway {
    async fn disposition(&self, stored: &Stored) -> String {
        let request = self.get(&stored.path()).bearer_auth(member("ana"));
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("set-cookie"), None);
        answer.header("content-disposition").unwrap().to_owned()
    }

    /// Uploads with `curl -F`, which writes names as browsers do.
    async fn store_with_curl(&self, name: &str) -> Stored {
        let form = format!(
            "files=@-;filename=\"{}\"",
            name.replace('\\', "\\\\").replace('"', "\\\"")
        );
        let mut curl = tokio::process::Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--fail-with-body",
                "--form",
                &form,
            ])
            .args([
                "--header",
                &format!("Authorization: Bearer {}", member("ana")),
            ])
            .arg(format!("{}/v1/files", self.url))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = curl.stdin.take().unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut input, b"bytes")
            .await
            .unwrap();
        drop(input);
        let output = curl.wait_with_output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
        let text = |field: &str| answer["files"][0][field].as_str().unwrap().to_owned();
        Stored {
            id: text("id"),
            location: text("location"),
            bytes: b"bytes".to_vec(),
        }
    }
}

async fn a_name_is_mangled_on_its_way_through(gateway: Arc<Gateway>) {
    for (sent, shown) in NAMES {
        let stored = gateway
            .store("ana", sent, "text/plain", b"bytes".to_vec())
            .await;
        let header = gateway.disposition(&stored).await;
        assert_eq!(name_of(&header), shown, "{header}");
        assert!(stored.location.is_ascii(), "{}", stored.location);
    }
}

async fn a_name_of_another_client_is_mangled(gateway: Arc<Gateway>) {
    for (sent, shown) in NAMES {
        let stored = gateway.store_with_curl(sent).await;
        let header = gateway.disposition(&stored).await;
        assert_eq!(name_of(&header), shown, "{header}");
    }
    // Browsers and curl write %22 for a quote (the HTML standard, 4.10.22.8) and % for itself, so the
    // two names can't be told apart: what was sent is kept.
    let stored = gateway.store_with_curl("a \"b\".txt").await;
    let name = name_of(&gateway.disposition(&stored).await);
    assert_eq!(name, "a %22b%22.txt");
}

async fn a_long_name_loses_its_extension(gateway: Arc<Gateway>) {
    for sent in [
        format!("{}.mp4", "x".repeat(251)),
        format!("{}.mp4", "ü".repeat(300)),
        format!("{}.mp4", "🎬".repeat(100)),
    ] {
        let stored = gateway
            .store("ana", &sent, "text/plain", b"bytes".to_vec())
            .await;
        let name = name_of(&gateway.disposition(&stored).await);
        assert!(name.len() <= 255 && name.len() > 250, "{name}");
        assert!(name.ends_with(".mp4"), "{name}");
    }
}

/// Composed and decomposed, as Windows and macOS write the same name.
async fn two_names_that_look_alike_stay_two_files(gateway: Arc<Gateway>) {
    let names = ["caf\u{e9}.txt", "cafe\u{301}.txt"];
    let mut stored = Vec::new();
    for (index, name) in names.into_iter().enumerate() {
        let bytes = vec![index as u8; 10];
        stored.push(gateway.store("ana", name, "text/plain", bytes).await);
    }
    assert_ne!(stored[0].id, stored[1].id);
    assert_ne!(stored[0].location, stored[1].location);
    let mut headers = Vec::new();
    for (stored, name) in stored.iter().zip(names) {
        let header = gateway.disposition(stored).await;
        assert_eq!(name_of(&header), name);
        headers.push(header);
        let read = gateway.get(&stored.path()).bearer_auth(member("ana"));
        assert_eq!(Answer::to(read).await.body, stored.bytes);
    }
    assert_ne!(headers[0], headers[1]);
    gateway.world.assert_files(2).await;
}

/// RFC 7578, 4.2: a form's names are neither continued nor encoded.
async fn a_name_that_no_form_may_have_costs_the_name_alone(gateway: Arc<Gateway>) {
    let continued: String = (0..1000)
        .map(|n| format!("; filename*{n}=\"part{n}\""))
        .collect();
    let digits = format!("; filename*{}=\"a\"", "9".repeat(4400));
    for (parameters, shown) in [
        (continued.as_str(), "file"),
        (&digits, "file"),
        ("; filename*=UTF-8''b%C3%BC.txt", "file"),
        ("; filename*0*=UTF-8''a; filename*1=b", "file"),
        ("; filename=\"a.txt\"; filename*=klingon'x'%ff%fe", "a.txt"),
        ("; filename=\"a.txt\"; filename=\"b.txt\"", "a.txt"),
        ("; filename=\"it never ends", "file"),
        ("; filename=", "file"),
        ("; filename", "file"),
        ("", "file"),
    ] {
        let headers = format!("Content-Disposition: form-data; name=\"files\"{parameters}");
        let answer = gateway
            .upload(&content_type(), form(&[part(&headers, b"bytes")]))
            .await;
        assert_eq!(answer.status, 200, "{parameters:.100}");
        let answer = answer.json();
        assert_eq!(answer["files"][0]["name"], shown, "{parameters:.100}");
        assert_eq!(answer["files"][0]["size"], 5);
    }
    gateway.world.assert_files(10).await;
}

async fn bytes_that_are_no_text_are_no_name(gateway: Arc<Gateway>) {
    let names: [&[u8]; 6] = [
        // A lone surrogate, a slash in two bytes and in three, five bytes, Latin-1, no text at all.
        b"a\xed\xa0\x80.txt",
        b"..\xc0\xaf..\xc0\xafpasswd",
        b"..\xe0\x80\xafpasswd",
        b"\xf8\x88\x80\x80\x80",
        b"caf\xe9.txt",
        b"\xff\xfe",
    ];
    for name in names {
        let start =
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"");
        let part = [start.as_bytes(), name, b"\"\r\n\r\nbytes\r\n"].concat();
        let answer = gateway.upload(&content_type(), form(&[part])).await;
        assert_eq!(answer.status, 200, "{name:?}");
        assert_eq!(answer.json()["files"][0]["name"], "file", "{name:?}");
        let metadata = format!("filename {}", crate::uploads::client::encoded(name));
        let request = gateway
            .tus("ana", Method::POST, "/v1/uploads")
            .header("upload-length", 5)
            .header("upload-metadata", metadata);
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, 400, "{name:?}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("UTF-8"));
    }
    gateway.world.assert_files(names.len()).await;
    for body in [
        b"{\"location\": \"\\ud800\"}".to_vec(),
        b"{\"location\": \"\xed\xa0\x80\"}".to_vec(),
        b"{\"location\": \"\xc0\xaf\"}".to_vec(),
    ] {
        let request = gateway
            .post("/v1/files/location")
            .bearer_auth(member("ana"));
        let request = request.header("content-type", "application/json");
        assert_eq!(Answer::to(request.body(body)).await.status, 422);
    }
}

/// RFC 7578, 4.3, 4.5 and 4.7: nothing within a part is looked into, decoded or obeyed.
async fn a_form_within_a_form_is_a_file_like_any_other(gateway: Arc<Gateway>) {
    let inner = "--inner\r\nContent-Disposition: form-data; name=\"files\"; filename=\"b.txt\"\r\n\r\n\
                 YnV0IG5vdCBkZWNvZGVk\r\n--inner--\r\n";
    let headers = "Content-Disposition: form-data; name=\"files\"; filename=\"a.mixed\"\r\n\
                   Content-Type: multipart/mixed; boundary=inner\r\n\
                   Content-Transfer-Encoding: base64";
    let body = form(&[
        field("_charset_", b"utf-7"),
        part(headers, inner.as_bytes()),
    ]);
    let answer = gateway.upload(&content_type(), body).await;
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!(answer["files"].as_array().unwrap().len(), 1);
    assert_eq!(answer["files"][0]["name"], json!("a.mixed"));
    let path = format!("/v1/files/{}", answer["files"][0]["id"].as_str().unwrap());
    let read = Answer::to(gateway.get(&path).bearer_auth(member("ana"))).await;
    assert_eq!(read.body, inner.as_bytes());
    let disposition = read.header("content-disposition").unwrap();
    assert!(disposition.starts_with("attachment"), "{disposition}");
    gateway.world.assert_files(1).await;
}
