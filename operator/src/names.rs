//! Names of things outside the cluster, made from the namespace, the name and a part of the UID:
//! readable for people, and never the same for two gateways, even when one is deleted and made anew.

/// The longest bucket name and PostgreSQL identifier.
const LONGEST: usize = 63;
/// Characters of the UID that go into a name.
const UID_PART: usize = 8;

/// Bucket name: `<namespace>-<name>-<8 of the uid>`, 63 characters at most.
/// Rules: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>.
pub fn bucket(namespace: &str, name: &str, uid: &str) -> String {
    joined("", namespace, name, uid, '-')
}

/// S3 user name: as the bucket's, with `fgw-` before it. IAM allows 64 characters.
pub fn user(namespace: &str, name: &str, uid: &str) -> String {
    joined("fgw-", namespace, name, uid, '-')
}

/// PostgreSQL database and role: as the user's with underscores, so that nobody has to quote it.
pub fn database(namespace: &str, name: &str, uid: &str) -> String {
    joined("fgw_", namespace, name, uid, '_')
}

/// The PostgreSQL role that gateways log in with by turns with the one called [`database`].
pub fn second_role(namespace: &str, name: &str, uid: &str) -> String {
    joined("fgw2_", namespace, name, uid, '_')
}

fn joined(prefix: &str, namespace: &str, name: &str, uid: &str, separator: char) -> String {
    let clean = |text: &str| -> String {
        text.chars()
            .map(|c| match c {
                'a'..='z' | '0'..='9' => c,
                'A'..='Z' => c.to_ascii_lowercase(),
                _ => separator,
            })
            .collect()
    };
    let uid: String = clean(uid)
        .chars()
        .filter(|c| *c != separator)
        .take(UID_PART)
        .collect();
    let mut readable = format!("{prefix}{}{separator}{}", clean(namespace), clean(name));
    readable.truncate(LONGEST - 1 - UID_PART);
    format!("{}{separator}{uid}", readable.trim_end_matches(separator))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "0b5ba1f6-9d5c-4f3e-8a52-2f1f0c5d9e77";

    #[test]
    fn short_names_stay_readable() {
        assert_eq!(bucket("acme", "files", UID), "acme-files-0b5ba1f6");
        assert_eq!(user("acme", "files", UID), "fgw-acme-files-0b5ba1f6");
        assert_eq!(
            database("acme-eu", "files", UID),
            "fgw_acme_eu_files_0b5ba1f6"
        );
    }

    #[test]
    fn long_names_are_cut_before_the_uid() {
        let long = "n".repeat(63);
        for name in [
            bucket(&long, &long, UID),
            user(&long, &long, UID),
            database(&long, &long, UID),
            second_role(&long, &long, UID),
        ] {
            assert_eq!(name.len(), 63, "{name}");
            assert!(name.ends_with("0b5ba1f6"), "{name}");
        }
        let hyphen_at_the_cut = format!("{}-b", "a".repeat(53));
        let name = bucket(&hyphen_at_the_cut, "c", UID);
        assert!(!name.contains("--"), "{name}");
    }
}
