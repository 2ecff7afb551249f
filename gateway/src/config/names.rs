//! The one rule between a variable and a key of the configuration file.
//!
//! The first word of a variable is the section, the others make the key in camel case:
//! `FILEGATEWAY_UPLOADS_MAX_FILE_BYTES` is `maxFileBytes` in the section `uploads`. A variable of one
//! word stands by itself: `FILEGATEWAY_ORGANIZATION` is `organization`.

/// How the names of all variables begin.
pub(super) const PREFIX: &str = "FILEGATEWAY_";

/// The variable that names the configuration file.
pub(super) const CONFIG_FILE: &str = "FILEGATEWAY_CONFIG_FILE";

/// How alike two names must be for one to be suggested for the other, from 0 to 1.
const ALIKE: f64 = 0.6;

/// The file's key for a variable, section and key parted by a dot.
pub(super) fn key_of(variable: &str) -> String {
    let name = variable.strip_prefix(PREFIX).unwrap_or(variable);
    let mut key = String::with_capacity(name.len());
    for (at, word) in name.to_ascii_lowercase().split('_').enumerate() {
        match (at, word.split_at_checked(1)) {
            (0, _) => key.push_str(word),
            (1, _) => {
                key.push('.');
                key.push_str(word);
            }
            (_, Some((first, rest))) => {
                key.push_str(&first.to_ascii_uppercase());
                key.push_str(rest);
            }
            (_, None) => {}
        }
    }
    key
}

/// The one of `known` that somebody who wrote `name` most likely meant.
pub(super) fn nearest(name: &str, known: impl IntoIterator<Item = String>) -> Option<String> {
    let bare = |name: &str| name.to_ascii_lowercase().replace(['_', '.', '-'], "");
    let likeness = |other: &str| {
        let (name, other) = (bare(name), bare(other));
        // The section left out, or another one.
        if other.ends_with(&name) {
            1.0
        } else {
            strsim::normalized_damerau_levenshtein(&name, &other)
        }
    };
    let scored = known.into_iter().map(|other| (likeness(&other), other));
    scored
        .filter(|(score, _)| *score >= ALIKE)
        .max_by(|(first, _), (second, _)| first.total_cmp(second))
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_the_section_and_the_rest_the_key() {
        for (variable, key) in [
            ("FILEGATEWAY_ORGANIZATION", "organization"),
            ("FILEGATEWAY_STORE_BUCKET", "store.bucket"),
            ("FILEGATEWAY_AUTH_JWKS_URL", "auth.jwksUrl"),
            ("FILEGATEWAY_UPLOADS_MAX_FILE_BYTES", "uploads.maxFileBytes"),
        ] {
            assert_eq!(key_of(variable), key);
        }
    }

    #[test]
    fn the_nearest_name_is_found_and_a_strange_one_has_none() {
        let known =
            || ["uploads.maxFileBytes", "uploads.maxFiles", "organization"].map(str::to_owned);
        for (name, meant) in [
            ("uploads.maxFileByte", "uploads.maxFileBytes"),
            ("uploads.max_file_bytes", "uploads.maxFileBytes"),
            ("maxFiles", "uploads.maxFiles"),
            ("organisation", "organization"),
        ] {
            assert_eq!(nearest(name, known()).as_deref(), Some(meant));
        }
        assert_eq!(nearest("color", known()), None);
    }
}
