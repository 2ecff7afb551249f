//! A file token, put behind the references of a text that leads to other outputs.

use url::form_urlencoded::byte_serialize;

/// An HLS playlist (RFC 8216, section 4.1): its lines are URIs, tags, some with a URI in them, and
/// comments.
pub fn playlist(text: &str, token: &str) -> String {
    const URI: &str = "URI=\"";
    let query = query(token);
    lines(text, |line, carried| {
        if line.is_empty() {
            return;
        }
        if !line.starts_with('#') {
            carried.push_str(line);
            carried.push_str(&query);
            return;
        }
        match line.split_once(URI) {
            Some((before, rest)) => {
                let (uri, after) = rest.split_once('"').unwrap_or((rest, ""));
                for part in [before, URI, uri, &query, "\"", after] {
                    carried.push_str(part);
                }
            }
            None => carried.push_str(line),
        }
    })
}

/// The index of small pictures (WebVTT): a cue's text is a reference with a fragment.
pub fn thumbnails(text: &str, token: &str) -> String {
    let query = query(token);
    lines(text, |line, carried| match line.split_once("#xywh=") {
        Some((picture, place)) => {
            for part in [picture, &query, "#xywh=", place] {
                carried.push_str(part);
            }
        }
        None => carried.push_str(line),
    })
}

fn query(token: &str) -> String {
    let token: String = byte_serialize(token.as_bytes()).collect();
    format!("?token={token}")
}

fn lines(text: &str, carry: impl Fn(&str, &mut String)) -> String {
    let mut carried = String::with_capacity(text.len() * 4);
    for line in text.lines() {
        carry(line, &mut carried);
        carried.push('\n');
    }
    carried
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_of_a_playlist_carries_the_token() {
        let text = "#EXTM3U\n#EXT-X-MAP:URI=\"media.mp4\",BYTERANGE=\"800@0\"\n#EXTINF:4.0,\n\
                    #EXT-X-BYTERANGE:5@800\nmedia.mp4\n#EXT-X-ENDLIST\n";
        assert_eq!(
            playlist(text, "a.b&c"),
            "#EXTM3U\n#EXT-X-MAP:URI=\"media.mp4?token=a.b%26c\",BYTERANGE=\"800@0\"\n\
             #EXTINF:4.0,\n#EXT-X-BYTERANGE:5@800\nmedia.mp4?token=a.b%26c\n#EXT-X-ENDLIST\n"
        );
    }

    #[test]
    fn every_picture_carries_the_token() {
        let text = "WEBVTT\n\n00:00.000 --> 00:01.000\nthumbnails/1.jpg#xywh=0,0,160,90\n";
        assert_eq!(
            thumbnails(text, "t"),
            "WEBVTT\n\n00:00.000 --> 00:01.000\nthumbnails/1.jpg?token=t#xywh=0,0,160,90\n"
        );
    }
}
