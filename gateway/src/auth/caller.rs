//! The identity that a verified JWT or file token stands for.

/// A caller whose credential was verified and who belongs to this gateway's organization.
///
/// Only `auth` makes one from a credential; every rule below the API takes it as proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The subject claim: who it is, unique within the issuer.
    pub subject: String,
    /// The organization claim; always the organization that this gateway serves.
    pub organization: String,
    /// Whether the roles claim names the organization's admin role.
    pub admin: bool,
}

/// The longest subject that is accepted, in bytes. OpenID Connect allows 255; it has to fit into an
/// index of the catalogue.
const MAX_SUBJECT_BYTES: usize = 1024;

impl Caller {
    /// Whether a caller can be called so: a name that says something, of at most 1024 bytes and
    /// without control characters, which PostgreSQL and logs do not take.
    pub fn is_subject(name: &str) -> bool {
        !name.is_empty() && name.len() <= MAX_SUBJECT_BYTES && !name.contains(char::is_control)
    }
}
