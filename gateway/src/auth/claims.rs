//! From the claims of a verified JWT to a caller.

use serde_json::{Map, Value};

use super::{AuthError, Caller};

/// Where the issuer puts what the gateway needs to know.
///
/// A name with dots is looked up whole first (`https://example.com/org` is one claim), then as a
/// path into objects (`realm_access.roles`).
#[derive(Debug, Clone)]
pub struct ClaimNames {
    /// The claim that says who the caller is; a string.
    pub subject: String,
    /// The claim that says for which organization; a string or a list of strings.
    pub organization: String,
    /// The claim that lists roles; a list of strings or one string of words.
    pub roles: String,
    /// The role that makes an admin of the organization.
    pub admin_role: String,
}

impl ClaimNames {
    /// The caller whom `claims` describe, if they belong to `organization`.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] without a subject, [`AuthError::OtherOrganization`] when the
    /// organization claim is absent or names another one.
    pub fn caller(
        &self,
        claims: &Map<String, Value>,
        organization: &str,
    ) -> Result<Caller, AuthError> {
        let subject = lookup(claims, &self.subject)
            .and_then(Value::as_str)
            .filter(|subject| Caller::is_subject(subject))
            .ok_or(AuthError::Invalid("it names no subject that can be used"))?;
        if !lookup(claims, &self.organization)
            .is_some_and(|claim| words(claim, false).any(|word| word == organization))
        {
            return Err(AuthError::OtherOrganization);
        }
        let admin = lookup(claims, &self.roles)
            .is_some_and(|claim| words(claim, true).any(|role| role == self.admin_role));
        Ok(Caller {
            subject: subject.to_owned(),
            organization: organization.to_owned(),
            admin,
        })
    }
}

fn lookup<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let (first, rest) = name.split_once('.')?;
    lookup(claims.get(first)?.as_object()?, rest)
}

/// The strings of a list; or one string, cut at spaces when `split` (as OAuth's `scope` is).
fn words(claim: &Value, split: bool) -> Box<dyn Iterator<Item = &str> + '_> {
    match claim {
        Value::String(text) if split => Box::new(text.split_whitespace()),
        Value::String(text) => Box::new(std::iter::once(text.as_str())),
        Value::Array(items) => Box::new(items.iter().filter_map(Value::as_str)),
        _ => Box::new(std::iter::empty()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names() -> ClaimNames {
        ClaimNames {
            subject: "sub".into(),
            organization: "org".into(),
            roles: "realm_access.roles".into(),
            admin_role: "admin".into(),
        }
    }

    fn caller(names: &ClaimNames, claims: Value) -> Result<Caller, AuthError> {
        names.caller(claims.as_object().unwrap(), "acme")
    }

    #[test]
    fn dotted_name_goes_into_objects() {
        let claims = json!({"sub": "ana", "org": "acme", "realm_access": {"roles": ["admin"]}});
        assert!(caller(&names(), claims).unwrap().admin);
    }

    #[test]
    fn whole_name_wins_over_the_path() {
        let mut names = names();
        names.organization = "https://example.com/org".into();
        let claims = json!({"sub": "ana", "https://example.com/org": "acme"});
        assert_eq!(caller(&names, claims).unwrap().organization, "acme");
    }

    #[test]
    fn list_of_organizations_may_contain_ours() {
        let claims = json!({"sub": "ana", "org": ["globex", "acme"]});
        assert!(caller(&names(), claims).is_ok());
    }

    #[test]
    fn organization_of_several_words_is_not_split() {
        let claims = json!({"sub": "ana", "org": "globex acme"});
        assert!(matches!(
            caller(&names(), claims),
            Err(AuthError::OtherOrganization)
        ));
    }

    #[test]
    fn absent_organization_is_another_one() {
        let claims = json!({"sub": "ana"});
        assert!(matches!(
            caller(&names(), claims),
            Err(AuthError::OtherOrganization)
        ));
    }

    #[test]
    fn subject_must_be_a_string_that_says_something() {
        for claims in [
            json!({"org": "acme"}),
            json!({"sub": "", "org": "acme"}),
            json!({"sub": 7, "org": "acme"}),
            json!({"sub": "a\0na", "org": "acme"}),
            json!({"sub": "a".repeat(1025), "org": "acme"}),
        ] {
            assert!(matches!(
                caller(&names(), claims),
                Err(AuthError::Invalid(_))
            ));
        }
    }

    #[test]
    fn role_is_compared_whole() {
        let claims =
            json!({"sub": "ana", "org": "acme", "realm_access": {"roles": ["administrator"]}});
        assert!(!caller(&names(), claims).unwrap().admin);
        let claims =
            json!({"sub": "ana", "org": "acme", "realm_access": {"roles": "viewer admin"}});
        assert!(caller(&names(), claims).unwrap().admin);
    }
}
