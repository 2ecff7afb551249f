//! The order of an MP4's top-level boxes (ISO/IEC 14496-12, section 4.2).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// More boxes than this at the top is nobody's video.
const MOST_BOXES: usize = 10_000;

/// Whether an MP4 or MOV file has its index (`moov`) behind its media (`mdat`), so that a player
/// must fetch the end before it can begin. False for anything else.
///
/// # Errors
/// When the file can't be read.
pub fn starts_late(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let (mut offset, mut media_seen, mut is_ours) = (0_u64, false, false);
    for _ in 0..MOST_BOXES {
        if offset.saturating_add(8) > length {
            break;
        }
        let (size, kind) = header(&mut file, offset)?;
        match &kind {
            b"ftyp" => is_ours = true,
            b"moov" => return Ok(media_seen && (is_ours || offset > 0)),
            b"mdat" => media_seen = true,
            _ => {}
        }
        match size {
            // To the end of the file.
            0 => break,
            size if size < 8 => break,
            size => offset = offset.saturating_add(size),
        }
    }
    Ok(false)
}

fn header(file: &mut File, offset: u64) -> io::Result<(u64, [u8; 4])> {
    let mut header = [0; 16];
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(&mut header[..8])?;
    let [a, b, c, d, kind @ ..] = [
        header[0], header[1], header[2], header[3], header[4], header[5], header[6], header[7],
    ];
    let size = u64::from(u32::from_be_bytes([a, b, c, d]));
    if size != 1 {
        return Ok((size, kind));
    }
    let mut large = [0; 8];
    match file.read_exact(&mut large) {
        Ok(()) => Ok((u64::from_be_bytes(large), kind)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok((0, kind)),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxes(boxes: &[(&[u8; 4], u32)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, payload) in boxes {
            bytes.extend_from_slice(&(payload + 8).to_be_bytes());
            bytes.extend_from_slice(*kind);
            bytes.resize(bytes.len() + *payload as usize, 0);
        }
        bytes
    }

    fn late(bytes: &[u8]) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source");
        std::fs::write(&path, bytes).unwrap();
        starts_late(&path).unwrap()
    }

    #[test]
    fn the_order_of_index_and_media_decides() {
        assert!(late(&boxes(&[
            (b"ftyp", 8),
            (b"free", 0),
            (b"mdat", 99),
            (b"moov", 9)
        ])));
        assert!(!late(&boxes(&[(b"ftyp", 8), (b"moov", 9), (b"mdat", 99)])));
        assert!(!late(&boxes(&[(b"ftyp", 8), (b"mdat", 99)])));
    }

    #[test]
    fn large_sizes_are_followed() {
        let mut bytes = boxes(&[(b"ftyp", 8)]);
        bytes.extend_from_slice(b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x18........");
        bytes.extend(boxes(&[(b"moov", 4)]));
        assert!(late(&bytes));
    }

    #[test]
    fn nonsense_is_not_late() {
        for bytes in [
            &b""[..],
            b"abc",
            b"\0\0\0\0mdat",
            b"\0\0\0\x01mdat",
            b"\0\0\0\x07mdatxxxx",
        ] {
            assert!(!late(bytes));
        }
        assert!(!late(&b"\0\0\0\x08free".repeat(20_000)));
    }
}
