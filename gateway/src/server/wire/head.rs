//! A strict look at the head of a request: where it ends, and where its body does.
//!
//! hyper reads heads more kindly than whoever stands in front of the gateway may: it takes a bare
//! line feed for the end of a line, and one of two lengths for the length. Where two readers may
//! disagree on where a request ends, a second one can be smuggled inside it (RFC 9112, 11.2), so here
//! such a head is refused.

use super::super::refusal::Refusal;
use super::chunks::Chunks;

/// The longest head, in bytes: the request line and all headers.
pub(super) const MAX_BYTES: usize = 32 * 1024;

/// How the end of a body is found (RFC 9112, 6.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// After its last chunk.
    Chunked(Chunks),
}

/// What the bytes read so far are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// A head without its end.
    Unfinished,
    /// A head of so many bytes, and what follows it.
    Head(usize, Framing),
    /// Nothing that is answered as a request.
    Refused(Refusal),
}

/// Looks at a head that begins with the first of `bytes`, of which `seen` were looked at before.
pub(super) fn look(bytes: &[u8], seen: usize) -> Look {
    let from = seen.saturating_sub(3);
    let end = bytes
        .get(from..)
        .and_then(|rest| rest.windows(4).position(|four| four == b"\r\n\r\n"))
        .map(|at| from + at + 4);
    let head = &bytes[..end.unwrap_or(bytes.len())];
    if has_bare_line_end(head, from) {
        return malformed("A line of the request's head does not end with CR and LF");
    }
    if head.len() > MAX_BYTES {
        return Look::Refused(Refusal::HeadTooLong);
    }
    match end {
        None => Look::Unfinished,
        Some(end) => match framing(&head[..end - 2]) {
            Ok(framing) => Look::Head(end, framing),
            Err(why) => malformed(why),
        },
    }
}

fn malformed(why: &'static str) -> Look {
    Look::Refused(Refusal::Malformed(why))
}

/// Whether one of CR and LF comes without the other; a CR at the very end may get its LF yet.
fn has_bare_line_end(head: &[u8], from: usize) -> bool {
    head.iter()
        .enumerate()
        .skip(from)
        .any(|(at, byte)| match byte {
            b'\n' => at == 0 || head[at - 1] != b'\r',
            b'\r' => head.get(at + 1).is_some_and(|next| *next != b'\n'),
            _ => false,
        })
}

/// The framing that the lines of a head agree on.
fn framing(head: &[u8]) -> Result<Framing, &'static str> {
    // hyper would refuse it too, without a body, an id or a line in the log.
    let is_control = |byte: &u8| byte.is_ascii_control() && !b"\r\n\t".contains(byte);
    if head.iter().any(is_control) {
        return Err("A control character is in the request's head");
    }
    let mut lines = head
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii_end);
    let is_old = lines
        .next()
        .is_some_and(|request_line| request_line.ends_with(b" HTTP/1.0"));
    let (mut hosts, mut length, mut chunked) = (0, None, false);
    for line in lines.filter(|line| !line.is_empty()) {
        if line[0].is_ascii_whitespace() {
            return Err("A header is folded over several lines");
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return Err("A header has no colon");
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"host") {
            hosts += 1;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            if length.is_some() {
                return Err("There are several Content-Length headers");
            }
            length = Some(number(value).ok_or("The Content-Length is no number of bytes")?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err("The only Transfer-Encoding is chunked, once");
            }
            chunked = true;
        }
    }
    if hosts > 1 || (hosts == 0 && !is_old) {
        return Err("There has to be one Host header");
    }
    match (length, chunked) {
        (Some(_), true) => Err("There is both a Content-Length and a Transfer-Encoding"),
        (_, true) if is_old => Err("HTTP/1.0 has no Transfer-Encoding"),
        (_, true) => Ok(Framing::Chunked(Chunks::default())),
        (length, false) => Ok(Framing::Length(length.unwrap_or(0))),
    }
}

/// Digits alone: no sign, no space, no list.
fn number(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits)?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &str) -> Look {
        look(
            format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes(),
            0,
        )
    }

    #[test]
    fn control_characters_are_refused_here() {
        for header in ["X: a\0b\r\n", "X: \u{1b}[31m\r\n", "X\u{7f}: a\r\n"] {
            assert!(matches!(of(header), Look::Refused(_)), "{header:?}");
        }
        assert!(matches!(of("X: a\tb\r\n"), Look::Head(..)));
    }

    #[test]
    fn plain_heads_are_framed() {
        assert!(matches!(of(""), Look::Head(28, Framing::Length(0))));
        assert!(matches!(
            of("content-LENGTH:  12 \r\n"),
            Look::Head(_, Framing::Length(12))
        ));
        assert!(matches!(
            of("Transfer-Encoding: Chunked\r\n"),
            Look::Head(_, Framing::Chunked(_))
        ));
        let old = b"GET / HTTP/1.0\r\n\r\n";
        assert_eq!(look(old, 0), Look::Head(old.len(), Framing::Length(0)));
    }

    #[test]
    fn a_head_is_found_however_it_arrives() {
        let whole = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
        for seen in 0..27 {
            assert_eq!(
                look(&whole[..seen], seen.saturating_sub(1)),
                Look::Unfinished
            );
            assert!(matches!(look(whole, seen), Look::Head(27, _)), "{seen}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for headers in [
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: \x0bchunked\r\n",
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: 1, 1\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 0x1\r\n",
            "Content-Length:\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "X: a\r\n b\r\n",
            "X: a\nContent-Length: 1\r\n",
            "X: a\rContent-Length: 1\r\n",
            "Nonsense\r\n",
            "Host: b\r\n",
        ] {
            assert!(matches!(of(headers), Look::Refused(_)), "{headers:?}");
        }
        let no_host = look(b"GET / HTTP/1.1\r\nX: a\r\n\r\n", 0);
        assert!(matches!(no_host, Look::Refused(Refusal::Malformed(_))));
        let endless = vec![b'a'; MAX_BYTES + 1];
        assert_eq!(look(&endless, 0), Look::Refused(Refusal::HeadTooLong));
    }
}
