//! Which media types are taken.

use std::fmt;
use std::str::FromStr;

use mime::Mime;

/// `type/subtype`, or `type/*` for all of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypePattern {
    kind: String,
    subtype: Option<String>,
}

/// Text that is no pattern of media types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is neither type/subtype nor type/*")]
pub struct NoTypePattern;

/// Which types are taken: what an upload's bytes show counts, not what it claims.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypeRules {
    /// Only these, unless empty.
    pub allowed: Vec<TypePattern>,
    /// Not these, even if allowed.
    pub denied: Vec<TypePattern>,
}

/// The rule that a type breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeRule {
    /// It is not on the list of those allowed.
    Allowed(Vec<TypePattern>),
    /// It is on the list of those denied.
    Denied(Vec<TypePattern>),
}

impl TypeRules {
    /// Holds a type against the rules.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub(super) fn admit(&self, content_type: &str) -> Result<(), TypeRule> {
        let matches = |patterns: &[TypePattern]| patterns.iter().any(|p| p.matches(content_type));
        if matches(&self.denied) {
            return Err(TypeRule::Denied(self.denied.clone()));
        }
        if !self.allowed.is_empty() && !matches(&self.allowed) {
            return Err(TypeRule::Allowed(self.allowed.clone()));
        }
        Ok(())
    }
}

impl TypePattern {
    fn matches(&self, content_type: &str) -> bool {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let Some((kind, subtype)) = essence.split_once('/') else {
            return false;
        };
        kind.eq_ignore_ascii_case(&self.kind)
            && self
                .subtype
                .as_ref()
                .is_none_or(|wanted| subtype.eq_ignore_ascii_case(wanted))
    }
}

impl FromStr for TypePattern {
    type Err = NoTypePattern;

    fn from_str(text: &str) -> Result<Self, NoTypePattern> {
        let (kind, subtype) = text.split_once('/').ok_or(NoTypePattern)?;
        let any = subtype == "*";
        // The library's grammar of names; the star is ours.
        let sample = format!("{kind}/{}", if any { "x" } else { subtype });
        let sample = sample.parse::<Mime>().map_err(|_| NoTypePattern)?;
        if subtype.is_empty()
            || sample.params().next().is_some()
            || kind == "*"
            || subtype.contains('*') && !any
        {
            return Err(NoTypePattern);
        }
        Ok(Self {
            kind: kind.to_ascii_lowercase(),
            subtype: (!any).then(|| subtype.to_ascii_lowercase()),
        })
    }
}

impl fmt::Display for TypePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}/{}",
            self.kind,
            self.subtype.as_deref().unwrap_or("*")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(text: &[&str]) -> Vec<TypePattern> {
        text.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn denied_wins_over_allowed() {
        let rules = TypeRules {
            allowed: patterns(&["image/*", "application/pdf"]),
            denied: patterns(&["image/svg+xml"]),
        };
        assert_eq!(rules.admit("image/png"), Ok(()));
        assert_eq!(rules.admit("Application/PDF; v=1"), Ok(()));
        assert!(matches!(
            rules.admit("image/svg+xml"),
            Err(TypeRule::Denied(_))
        ));
        assert!(matches!(
            rules.admit("text/html"),
            Err(TypeRule::Allowed(_))
        ));
        assert_eq!(TypeRules::default().admit("text/html"), Ok(()));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "", "image", "*/*", "image/", "/png", "image/p*", "a/b;c=d", "a b/c",
        ] {
            assert_eq!(text.parse::<TypePattern>(), Err(NoTypePattern), "{text}");
        }
        assert_eq!(patterns(&["Image/*"])[0].to_string(), "image/*");
    }
}
