//! The header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).

use crate::api::problem::FieldError;

const HEADER: [&str; 2] = ["header", "idempotency-key"];

/// The longest key, in bytes.
const MAX_LENGTH: usize = 255;

/// The key in a header, with or without the quotes of a structured field's string (RFC 9651, 3.3.3).
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(header: Option<String>) -> Result<Option<String>, FieldError> {
    let Some(header) = header else {
        return Ok(None);
    };
    let key = header
        .strip_prefix('"')
        .and_then(|key| key.strip_suffix('"'))
        .unwrap_or(&header);
    let is_legal = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
    if key.is_empty() || key.len() > MAX_LENGTH || !key.bytes().all(is_legal) {
        return Err(FieldError::new(
            &HEADER,
            "The key should be 1 to 255 printable ASCII characters, without quotes and backslashes",
            "string_pattern_mismatch",
        ));
    }
    Ok(Some(key.to_owned()))
}

/// The key of another request.
pub(super) fn reused() -> FieldError {
    FieldError::new(
        &HEADER,
        "The key was used for a request with other files; use a new one",
        "idempotency_key_reused",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_what_is_between_the_quotes() {
        let key = |text: &str| parse(Some(text.to_owned())).map(Option::unwrap);
        assert_eq!(parse(None), Ok(None));
        assert_eq!(key("8e03978e"), Ok("8e03978e".to_owned()));
        assert_eq!(key("\"8e03978e\""), Ok("8e03978e".to_owned()));
        for text in ["", "\"\"", "a\"b", "\"", "ä", "a\u{7f}", &"a".repeat(256)] {
            assert!(key(text).is_err(), "{text}");
        }
    }
}
