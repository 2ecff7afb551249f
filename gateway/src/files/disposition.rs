//! `Content-Disposition` for answers that the store gives in our place.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::media_type::is_active;

/// `attr-char` of RFC 5987, section 3.2.1, is alphanumeric and these.
const EXTENDED: &AsciiSet = &NON_ALPHANUMERIC
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

/// A header value (RFC 6266): active content is an attachment, because no sandboxing policy goes
/// with it; the name twice, for clients that don't know `filename*`.
pub(super) fn disposition(content_type: &str, name: &str) -> String {
    let kind = match is_active(content_type) {
        true => "attachment",
        false => "inline",
    };
    let ascii: String = name
        .chars()
        .map(|c| match c {
            '"' | '\\' | '%' => '_',
            ' '..='~' => c,
            _ => '_',
        })
        .collect();
    let extended = utf8_percent_encode(name, EXTENDED);
    format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{extended}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_not_leave_its_quotes() {
        assert_eq!(
            disposition("image/png", "a\"; x=\r\n.png"),
            "inline; filename=\"a_; x=__.png\"; filename*=UTF-8''a%22%3B%20x%3D%0D%0A.png"
        );
    }

    #[test]
    fn active_content_is_an_attachment() {
        assert_eq!(
            disposition("image/svg+xml", "ü.svg"),
            "attachment; filename=\"_.svg\"; filename*=UTF-8''%C3%BC.svg"
        );
    }
}
