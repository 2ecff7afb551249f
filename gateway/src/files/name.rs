//! Cleaning a client's file name: it is only ever shown, never a path or a key.

const MAX_BYTES: usize = 255;
/// How much of the end is kept when a name is cut, if it looks like an extension.
const MAX_EXTENSION_BYTES: usize = 16;
const FALLBACK: &str = "file";

/// A name without path, control characters and characters that turn text around, trimmed, not
/// empty, at most 255 bytes of UTF-8.
pub(super) fn clean(name: Option<&str>) -> String {
    let name = name.unwrap_or_default();
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown: String = last.chars().filter(|c| !is_hidden(*c)).collect();
    let shown = shown.trim();
    match shown {
        "" | "." | ".." => FALLBACK.into(),
        _ => cut(shown),
    }
}

/// Control characters, and the Unicode marks that reorder what follows (`exe.txt` for `txt.exe`).
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

fn cut(name: &str) -> String {
    if name.len() <= MAX_BYTES {
        return name.into();
    }
    let extension = name
        .rfind('.')
        .map(|dot| &name[dot..])
        .filter(|extension| extension.len() <= MAX_EXTENSION_BYTES)
        .unwrap_or_default();
    let stem = &name[..name.floor_char_boundary(MAX_BYTES - extension.len())];
    format!("{stem}{extension}")
}

#[cfg(test)]
mod tests {
    use super::clean;

    macro_rules! cleaned {
        ($($name:ident: $given:expr => $expected:expr;)*) => {
            $(#[test] fn $name() { assert_eq!(clean($given), $expected); })*
        };
    }

    cleaned! {
        plain: Some("report.pdf") => "report.pdf";
        unix_path: Some("../../etc/passwd") => "passwd";
        windows_path: Some("C:\\temp\\a.txt") => "a.txt";
        trailing_slash: Some("a/") => "file";
        dots: Some("..") => "file";
        missing: None => "file";
        control: Some("a\r\nb\0.txt") => "ab.txt";
        reordering: Some("a\u{202E}gpj.exe") => "agpj.exe";
        unicode: Some("日本語 ü 🎬.mp4") => "日本語 ü 🎬.mp4";
        only_space: Some(" \t ") => "file";
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = clean(Some(&format!("{}.mp4", "ü".repeat(200))));
        assert!(name.len() <= 255 && name.len() > 250);
        assert!(name.ends_with("ü.mp4"));
    }

    #[test]
    fn a_long_name_without_extension_is_cut_between_characters() {
        let name = clean(Some(&"🎬".repeat(100)));
        assert_eq!(name, "🎬".repeat(63));
    }
}
