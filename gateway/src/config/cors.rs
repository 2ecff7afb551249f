//! Which web pages may call the gateway from the browser.

use url::Url;

use super::reader::Reader;

const ORIGINS: &str = "FILEGATEWAY_CORS_ORIGINS";

/// The origins (RFC 6454) whose pages may read the gateway's answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CorsOrigins {
    /// None but the gateway's own.
    #[default]
    Off,
    /// Every one, but never with the browser's own credentials (cookies).
    Any,
    /// These, spelled as browsers spell them, and with credentials.
    Exact(Vec<String>),
}

impl CorsOrigins {
    /// `FILEGATEWAY_CORS_ORIGINS`: exact origins separated by commas, or `*`; none by default.
    pub(super) fn from(reader: &mut Reader<'_>) -> Self {
        let Some(text) = reader.optional(ORIGINS) else {
            return Self::Off;
        };
        let items: Vec<_> = text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .collect();
        if items == ["*"] {
            return Self::Any;
        }
        let mut origins = Vec::new();
        for item in items {
            match origin(item) {
                Ok(origin) => origins.push(origin),
                Err(why) => reader.problem(ORIGINS, format!("{item:?} {why}")),
            }
        }
        Self::Exact(origins)
    }
}

/// The origin as a browser sends it, or what is wrong with `item`.
fn origin(item: &str) -> Result<String, String> {
    const EXAMPLE: &str = "an origin like https://app.example.com";
    if item == "*" {
        return Err("allows every origin, so it stands alone".to_owned());
    }
    if item.contains('*') {
        return Err(format!("has a wildcard: list each origin, {EXAMPLE}"));
    }
    let url = Url::parse(item).map_err(|_| format!("is not {EXAMPLE}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("is not {EXAMPLE}"));
    }
    let origin = url.origin().ascii_serialization();
    if item == origin {
        Ok(origin)
    } else {
        Err(format!("is no origin as browsers send it; {origin} is"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_what_browsers_send() {
        for good in [
            "https://app.example.com",
            "http://localhost:5173",
            "https://[::1]:8443",
        ] {
            assert_eq!(origin(good).as_deref(), Ok(good));
        }
        for bad in [
            "https://app.example.com/",
            "https://app.example.com/files",
            "https://App.example.com",
            "https://app.example.com:443",
            "https://user@app.example.com",
            "https://*.example.com",
            "app.example.com",
            "ftp://example.com",
            "file:///etc",
            "null",
            "*",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }
}
