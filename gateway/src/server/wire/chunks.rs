//! Finding the end of a chunked body (RFC 9112, 7.1) in bytes that are passed on as they are.

/// Where in a chunked body the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Chunks {
    /// Before the first digit of a size.
    #[default]
    Start,
    /// In a size; so far this much.
    Size(u64),
    /// In an extension, after a size.
    Extension(u64),
    /// Before the LF that ends the line of a size.
    SizeLf(u64),
    /// In a chunk, so many bytes before its end.
    Data(u64),
    /// Before the CR and the LF after a chunk.
    DataCr,
    DataLf,
    /// At the beginning of a line of the trailer.
    Trailer,
    /// In such a line, and before its LF.
    TrailerLine,
    TrailerLf,
    /// Before the last LF.
    EndLf,
}

/// What became of some bytes of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// All belong to it, and it goes on.
    On,
    /// The first so many belong to it, and were its last.
    End(usize),
    /// They are no chunked body.
    Broken,
}

impl Chunks {
    /// Goes past `bytes`.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Step {
        let mut at = 0;
        while let Some(byte) = bytes.get(at).copied() {
            if let Self::Data(left) = self {
                // Chunks are passed over at once, whatever their size.
                let here = (bytes.len() - at) as u64;
                let taken = here.min(*left);
                *self = match *left - taken {
                    0 => Self::DataCr,
                    rest => Self::Data(rest),
                };
                at += usize::try_from(taken).unwrap_or(bytes.len());
                continue;
            }
            at += 1;
            if (*self, byte) == (Self::EndLf, b'\n') {
                return Step::End(at);
            }
            match self.after(byte) {
                Some(next) => *self = next,
                None => return Step::Broken,
            }
        }
        Step::On
    }

    fn after(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Start, _) => digit(byte).map(Self::Size),
            (Self::Size(size), b'\r') => Some(Self::SizeLf(size)),
            (Self::Size(size), b';' | b' ' | b'\t') => Some(Self::Extension(size)),
            (Self::Size(size), _) => {
                let size = size.checked_mul(16)?.checked_add(digit(byte)?)?;
                Some(Self::Size(size))
            }
            (Self::Extension(size), b'\r') => Some(Self::SizeLf(size)),
            (Self::Extension(_), b'\n') => None,
            (Self::Extension(size), _) => Some(Self::Extension(size)),
            (Self::SizeLf(0), b'\n') => Some(Self::Trailer),
            (Self::SizeLf(size), b'\n') => Some(Self::Data(size)),
            (Self::DataCr, b'\r') => Some(Self::DataLf),
            (Self::DataLf, b'\n') => Some(Self::Start),
            (Self::Trailer, b'\r') => Some(Self::EndLf),
            (Self::Trailer | Self::TrailerLine, b'\n') => None,
            (Self::Trailer, _) => Some(Self::TrailerLine),
            (Self::TrailerLine, b'\r') => Some(Self::TrailerLf),
            (Self::TrailerLine, _) => Some(Self::TrailerLine),
            (Self::TrailerLf, b'\n') => Some(Self::Trailer),
            // `Data` does not come here, and `EndLf` only with the wrong byte.
            (
                Self::SizeLf(_)
                | Self::DataCr
                | Self::DataLf
                | Self::TrailerLf
                | Self::EndLf
                | Self::Data(_),
                _,
            ) => None,
        }
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"5;a=\"b\"\r\nhello\r\n0A\r\n0123456789\r\n0\r\nX: y\r\n\r\n";

    #[test]
    fn the_end_is_found_however_it_arrives() {
        let with_next = [BODY, b"GET /"].concat();
        assert_eq!(Chunks::default().pass(&with_next), Step::End(BODY.len()));
        for cut in 1..BODY.len() {
            let mut chunks = Chunks::default();
            assert_eq!(chunks.pass(&with_next[..cut]), Step::On, "{cut}");
            assert_eq!(chunks.pass(&with_next[cut..]), Step::End(BODY.len() - cut));
        }
    }

    #[test]
    fn what_is_no_chunked_body_is_broken() {
        for body in [
            "\r\n",
            "x\r\n",
            "5\nhello",
            "5;a\nhello",
            "5\r\nhello!",
            "5\r\nhello\n",
            "-5\r\n",
            "11111111111111111\r\n",
            "0\r\nX: y\n",
            "0\r\n\n",
        ] {
            assert_eq!(
                Chunks::default().pass(body.as_bytes()),
                Step::Broken,
                "{body:?}"
            );
        }
    }
}
