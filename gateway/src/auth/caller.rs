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
