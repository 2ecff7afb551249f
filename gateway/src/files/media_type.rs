//! What a file is: its first bytes held against what the client declared.
//!
//! The bytes win where they tell. Two exceptions: a declared type that a browser would run is kept,
//! so that no polyglot becomes something safer than it may be; and a container's bytes don't tell
//! what is in it (`application/zip` may be a JAR, Matroska may be all sound).

use mime::Mime;

const UNKNOWN: &str = "application/octet-stream";
/// The longest declared type that is believed, in bytes.
const MAX_DECLARED_BYTES: usize = 127;
/// How far into the file text is looked at.
const TEXT_WINDOW: usize = 1024;

/// What a file is served as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MediaType {
    /// Type and subtype, and a charset for text.
    pub(super) name: String,
    /// Whether the bytes themselves say that it is a video.
    pub(super) video: bool,
}

/// Decides from the first bytes (a kilobyte is enough, all of them if there are fewer).
pub(super) fn decide(head: &[u8], declared: Option<&str>) -> MediaType {
    let declared = declared.and_then(believable);
    let sniffed = sniff(head);
    let name = match (sniffed, declared) {
        (None, None) => UNKNOWN.into(),
        (None, Some(declared)) => declared,
        (Some(sniffed), None) => sniffed.into(),
        (Some(sniffed), Some(declared)) if keeps_declared(sniffed, &declared) => declared,
        (Some(sniffed), Some(_)) => sniffed.into(),
    };
    let video = sniffed.is_some() && name.starts_with("video/");
    MediaType { name, video }
}

/// Whether a browser may run scripts in it, or load other things because of it.
pub(super) fn is_active(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence.ends_with("+xml")
        || essence.contains("javascript")
        || essence.contains("ecmascript")
        || matches!(
            essence.as_str(),
            "text/html"
                | "text/xml"
                | "text/css"
                | "text/xsl"
                | "text/cache-manifest"
                | "text/x-component"
                | "text/vbscript"
                | "application/xml"
                | "application/xhtml"
                | "application/xml-dtd"
                | "application/x-shockwave-flash"
                | "application/vnd.mozilla.xul"
                | "application/java-archive"
                | "application/wasm"
        )
}

fn keeps_declared(sniffed: &str, declared: &str) -> bool {
    let essence = declared.split(';').next().unwrap_or_default();
    let (kind, subtype) = essence.split_once('/').unwrap_or_default();
    let (sniffed_kind, sniffed_subtype) = sniffed.split_once('/').unwrap_or_default();
    let sound_or_video = |kind| kind == "audio" || kind == "video";
    (is_active(declared) && !is_active(sniffed))
        || (sniffed == "text/xml" && is_active(declared))
        || (sniffed == "application/zip" && kind == "application")
        || (sniffed == "application/x-ole-storage" && kind == "application")
        || (sound_or_video(kind)
            && sound_or_video(sniffed_kind)
            && family(subtype) == family(sniffed_subtype))
}

/// The container behind a subtype.
fn family(subtype: &str) -> &str {
    match subtype {
        "x-matroska" | "webm" => "matroska",
        "mp4" | "x-m4v" | "m4a" | "x-m4a" | "quicktime" | "3gpp" | "3gpp2" => "mp4",
        other => other,
    }
}

/// A declared type in one spelling, without parameters other than the charset of text.
fn believable(declared: &str) -> Option<String> {
    if declared.len() > MAX_DECLARED_BYTES {
        return None;
    }
    let declared: Mime = declared.trim().parse().ok()?;
    if matches!(declared.type_().as_str(), "multipart" | "message" | "*") {
        return None;
    }
    let essence = declared.essence_str().to_ascii_lowercase();
    match declared.get_param(mime::CHARSET) {
        Some(charset) if charset == mime::UTF_8 && declared.type_() == mime::TEXT => {
            Some(format!("{essence}; charset=utf-8"))
        }
        _ => Some(essence),
    }
}

fn sniff(head: &[u8]) -> Option<&'static str> {
    let text = text(head);
    if let Some(markup) = text.as_deref().and_then(markup) {
        return Some(markup);
    }
    let found = infer::get(head).map(|kind| kind.mime_type());
    match found {
        // Short signatures such as `BM` and `MZ` also begin words.
        Some(found) if text.is_some() && !found.starts_with("text/") => matches!(
            found,
            "application/pdf" | "application/postscript" | "application/rtf"
        )
        .then_some(found),
        Some(UNKNOWN) => None,
        // infer knows the brands by name; the box is what makes it this container.
        None if head.get(4..8) == Some(b"ftyp") => Some("video/mp4"),
        None if is_transport_stream(head) => Some("video/mp2t"),
        found => found,
    }
}

/// Whether packets of 188 bytes follow each other, each with its sync byte (ISO/IEC 13818-1, 2.4.3.2).
fn is_transport_stream(head: &[u8]) -> bool {
    const PACKET: usize = 188;
    const SYNC: u8 = 0x47;
    head.len() > 2 * PACKET && head.iter().step_by(PACKET).all(|byte| *byte == SYNC)
}

/// The first characters, if all of them are text.
fn text(head: &[u8]) -> Option<String> {
    let window = &head[..head.len().min(TEXT_WINDOW)];
    let text = match window {
        [] => return None,
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest)?,
        all => utf8(all)?,
    };
    let binary = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{0C}' | '\u{1B}');
    (!text.contains(binary)).then_some(text)
}

/// A character that the window cuts in two does not count.
fn utf8(bytes: &[u8]) -> Option<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.into()),
        Err(error) if error.error_len().is_none() => {
            Some(String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned())
        }
        Err(_) => None,
    }
}

fn utf16(bytes: &[u8], decode: fn([u8; 2]) -> u16) -> String {
    let units = bytes
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| decode(*pair))
        .collect::<Vec<_>>();
    String::from_utf16_lossy(&units)
}

/// Tags that make a browser take text for HTML (WHATWG MIME Sniffing, section 7.1), and XML.
fn markup(text: &str) -> Option<&'static str> {
    let mut rest = text.trim_start();
    let lower = rest.to_ascii_lowercase();
    if lower.starts_with("<?xml") {
        return Some(match () {
            () if lower.contains("<svg") => "image/svg+xml",
            () if lower.contains("<html") => "application/xhtml+xml",
            () => "text/xml",
        });
    }
    while let Some(comment) = rest.strip_prefix("<!--") {
        match comment.split_once("-->") {
            Some((_, after)) => rest = after.trim_start(),
            // All of the window is a comment, and HTML may follow.
            None => return Some("text/html"),
        }
    }
    let lower = rest.to_ascii_lowercase();
    if lower.starts_with("<svg") || lower.starts_with("<!doctype svg") {
        return Some("image/svg+xml");
    }
    const HTML: [&str; 17] = [
        "<!doctype html",
        "<html",
        "<head",
        "<script",
        "<iframe",
        "<h1",
        "<div",
        "<font",
        "<table",
        "<a",
        "<style",
        "<title",
        "<b",
        "<body",
        "<br",
        "<p",
        "<img",
    ];
    let ends_tag =
        |rest: &str| rest.starts_with([' ', '>', '\t', '\n', '\r', '/']) || rest.is_empty();
    HTML.iter()
        .any(|tag| lower.strip_prefix(tag).is_some_and(ends_tag))
        .then_some("text/html")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0";
    const MP4: &[u8] = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41";
    const ODD_MP4: &[u8] = b"\0\0\0\x20ftypzzzz\0\0\x02\0zzzz";
    const ZIP: &[u8] = b"PK\x03\x04\x14\0\0\0\x08\0";

    macro_rules! decided {
        ($($name:ident: $head:expr, $declared:expr => $expected:expr;)*) => {
            $(#[test] fn $name() { assert_eq!(decide($head, $declared).name, $expected); })*
        };
    }

    decided! {
        bytes_win: PNG, Some("application/pdf2") => "image/png";
        bytes_alone: PNG, None => "image/png";
        declared_alone: b"\x01\x02\x03", Some("Application/X-Thing; a=b") => "application/x-thing";
        nothing: b"", None => UNKNOWN;
        not_a_type: b"abc", Some("text/html\r\nX: y") => UNKNOWN;
        multipart: b"abc", Some("multipart/x-mixed-replace") => UNKNOWN;
        text_keeps_utf8: b"abc", Some("text/plain; charset=\"UTF-8\"") => "text/plain; charset=utf-8";
        text_drops_other_charsets: b"abc", Some("text/plain; charset=utf-7") => "text/plain";
        html_as_text: b" <!-- x --><sCript>", Some("text/plain") => "text/html";
        html_in_utf16: b"\xFF\xFE<\0p\0>\0", Some("text/plain") => "text/html";
        svg_as_png: b"<svg xmlns=''>", Some("image/png") => "image/svg+xml";
        svg_behind_xml: b"\xEF\xBB\xBF<?xml version='1.0'?><svg>", None => "image/svg+xml";
        feed: b"<?xml version='1.0'?><rss>", Some("application/rss+xml") => "application/rss+xml";
        xml_as_text: b"<?xml version='1.0'?><a/>", Some("text/plain") => "text/xml";
        polyglot_stays_active: b"GIF89a/*<script>", Some("text/html") => "text/html";
        svg_that_is_png_stays_active: PNG, Some("image/svg+xml") => "image/svg+xml";
        word_not_bitmap: b"BMW builds cars", Some("text/plain") => "text/plain";
        markdown_link: b"<abc> is text", Some("text/markdown") => "text/markdown";
        jar: ZIP, Some("application/java-archive") => "application/java-archive";
        zip_not_png: ZIP, Some("image/png") => "application/zip";
        sound_in_mp4: MP4, Some("audio/mp4") => "audio/mp4";
        pdf: b"%PDF-1.7\n", Some("text/plain") => "application/pdf";
    }

    #[test]
    fn only_bytes_make_a_video() {
        assert!(decide(MP4, None).video);
        assert!(decide(ODD_MP4, None).video);
        assert!(!decide(MP4, Some("audio/mp4")).video);
        assert!(!decide(b"\x01\x02", Some("video/mp4")).video);
    }

    #[test]
    fn active_types() {
        for active in ["text/html; charset=utf-8", "IMAGE/SVG+XML"] {
            assert!(is_active(active));
        }
        for passive in ["image/png", "text/plain", "video/mp4", UNKNOWN] {
            assert!(!is_active(passive));
        }
    }
}
