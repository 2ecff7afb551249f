//! Bodies of `multipart/form-data`, written out byte by byte.

pub(crate) const BOUNDARY: &str = "a-boundary";

pub(crate) fn content_type() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

/// A part's headers and bytes.
pub(crate) fn part(headers: &str, bytes: &[u8]) -> Vec<u8> {
    let mut part = format!("--{BOUNDARY}\r\n{headers}\r\n\r\n").into_bytes();
    part.extend_from_slice(bytes);
    part.extend_from_slice(b"\r\n");
    part
}

/// A file's part.
pub(crate) fn file(name: &str, content_type: &str, bytes: &[u8]) -> Vec<u8> {
    let headers = format!(
        "Content-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\
         Content-Type: {content_type}"
    );
    part(&headers, bytes)
}

pub(crate) fn field(name: &str, bytes: &[u8]) -> Vec<u8> {
    part(
        &format!("Content-Disposition: form-data; name=\"{name}\""),
        bytes,
    )
}

/// A whole form.
pub(crate) fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut form = parts.concat();
    form.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    form
}
