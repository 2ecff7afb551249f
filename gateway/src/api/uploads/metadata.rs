//! `Upload-Metadata`: keys and values in Base64.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::headers::{METADATA, wrong};
use crate::api::problem::Problem;
use crate::files::NewFile;

/// The longest metadata, as written, in bytes: they come back with every HEAD.
const MAX_BYTES: usize = 8 * 1024;

/// What metadata say of the file. Keys that mean nothing here are the client's own.
pub fn parse(metadata: &str) -> Result<NewFile, Problem> {
    if metadata.len() > MAX_BYTES {
        return Err(wrong(
            &METADATA,
            &format!("must be at most {MAX_BYTES} bytes long"),
        ));
    }
    let mut file = NewFile::default();
    if metadata.trim().is_empty() {
        return Ok(file);
    }
    let mut keys = HashSet::new();
    for pair in metadata.split(',') {
        let (key, value) = match pair.trim().split_once(' ') {
            Some((key, value)) => (key, value.trim()),
            None => (pair.trim(), ""),
        };
        if key.is_empty() {
            return Err(wrong(&METADATA, "a key is empty"));
        }
        if !keys.insert(key) {
            return Err(wrong(&METADATA, &format!("the key {key} is there twice")));
        }
        let value = STANDARD.decode(value).map_err(|_| {
            wrong(
                &METADATA,
                &format!("the value of {key} must be Base64, with its padding"),
            )
        })?;
        let field = match key {
            "filename" => &mut file.name,
            "filetype" => &mut file.declared_type,
            _ => continue,
        };
        let text = String::from_utf8(value).map_err(|_| {
            wrong(
                &METADATA,
                &format!("the value of {key} must be UTF-8 in Base64"),
            )
        })?;
        *field = Some(text);
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(metadata: &str) -> String {
        match parse(metadata) {
            Err(Problem::Other { detail, .. }) => detail.into(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn name_and_type_are_found_among_others() {
        let file =
            parse("relativePath bnVsbA==,filename R3LDtsOfZS50eHQ=, filetype dGV4dC9wbGFpbg==,x");
        let file = file.unwrap();
        assert_eq!(file.name.as_deref(), Some("Größe.txt"));
        assert_eq!(file.declared_type.as_deref(), Some("text/plain"));
        assert!(parse("").unwrap().name.is_none());
    }

    #[test]
    fn errors_name_the_key() {
        assert!(detail("filename %%%").contains("the value of filename must be Base64"));
        assert!(detail("filename /w==").contains("filename must be UTF-8"));
        assert!(detail("a YQ==,b,a YQ==").contains("the key a is there twice"));
        assert!(detail("a YQ==,,").contains("a key is empty"));
        assert!(detail(&"a".repeat(MAX_BYTES + 1)).contains("8192"));
    }
}
