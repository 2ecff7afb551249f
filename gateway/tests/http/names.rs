//! Names in any script, from the form of an upload to the header of a download.

use std::process::Stdio;
use std::sync::Arc;

use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::{Answer, Stored};
use crate::worlds::{everywhere, once};

everywhere!(a_name_is_mangled_on_its_way_through);
once!(
    a_name_of_another_client_is_mangled,
    a_long_name_loses_its_extension
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
