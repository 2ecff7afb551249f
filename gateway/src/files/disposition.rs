//! How a browser may show a file: its `Content-Disposition` (RFC 6266), which the gateway answers or
//! has the store answer, and which types may be shown at all.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What may be in an extended value unescaped (`attr-char` of RFC 8187).
const ATTR_CHARS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Types that a browser shows without running anything of theirs. SVG, HTML and XML are not among
/// them: they would run scripts with the gateway's origin.
const SHOWN_TYPES: [&str; 8] = [
    "application/pdf",
    "image/avif",
    "image/bmp",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "text/plain",
];

/// Whether a file of this type may be shown in place, rather than only saved.
pub fn is_shown(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence.starts_with("audio/")
        || essence.starts_with("video/")
        || SHOWN_TYPES.contains(&essence.as_str())
}

/// The `Content-Disposition` of a file called `name`: always printable ASCII, whatever the name is.
pub fn content_disposition(name: &str, content_type: &str) -> String {
    let kind = if is_shown(content_type) {
        "inline"
    } else {
        "attachment"
    };
    // Backslash, quote and percent are legal in the fallback only with escapes that browsers read
    // differently (RFC 6266, appendix D).
    let fallback: String = name
        .chars()
        .map(|character| match character {
            '"' | '\\' | '%' => '_',
            ' '..='~' => character,
            _ => '_',
        })
        .collect();
    if fallback == name {
        return format!("{kind}; filename=\"{fallback}\"");
    }
    let encoded = utf8_percent_encode(name, ATTR_CHARS);
    format!("{kind}; filename=\"{fallback}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_need_no_second_form() {
        assert_eq!(
            content_disposition("report 1.pdf", "application/pdf"),
            "inline; filename=\"report 1.pdf\""
        );
    }

    #[test]
    fn other_names_come_in_both_forms() {
        assert_eq!(
            content_disposition("Größe €.mp4", "video/mp4"),
            "inline; filename=\"Gr__e _.mp4\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%E2%82%AC.mp4"
        );
    }

    #[test]
    fn no_name_breaks_out_of_the_header() {
        for name in [
            "a\"; filename=evil.exe",
            "a\r\nSet-Cookie: a=b",
            "a\\\"b",
            "a\0b",
            "a%22b",
            "\u{202e}cod.exe",
            "'",
            "",
        ] {
            let header = content_disposition(name, "image/png");
            assert!(
                header.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
                "{header}"
            );
            let quoted = header.split("filename=\"").nth(1).unwrap();
            let (fallback, rest) = quoted.split_once('"').unwrap();
            assert!(!fallback.contains('\\'));
            assert!(
                rest.is_empty() || rest.starts_with("; filename*=UTF-8''"),
                "{header}"
            );
            assert!(!rest.contains('"'), "{header}");
            http::HeaderValue::from_str(&header).unwrap();
        }
    }

    #[test]
    fn active_content_is_saved() {
        for content_type in [
            "text/html",
            "TEXT/HTML; charset=utf-8",
            "image/svg+xml",
            "application/xhtml+xml",
            "text/xml",
            "application/javascript",
            "application/octet-stream",
            "text/plainish",
            "",
            "multipart/related",
        ] {
            assert!(
                content_disposition("a", content_type).starts_with("attachment"),
                "{content_type}"
            );
        }
        for content_type in [
            "video/mp4",
            "audio/mpeg",
            "image/PNG",
            "text/plain; charset=utf-8",
            "application/pdf",
        ] {
            assert!(
                content_disposition("a", content_type).starts_with("inline"),
                "{content_type}"
            );
        }
    }
}
