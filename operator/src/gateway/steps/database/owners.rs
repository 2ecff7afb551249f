//! Whose a role or a database is, as its comment says.

use crds::conditions::reason;

use super::super::StepError;
use crate::meta::{OWNER_MARK, Owner};
use crate::names;
use crate::remote::postgres::{Database, Role};

/// The database's owner and the second role, as found.
pub(super) type Roles<'a> = [(&'a str, Option<Role>); 2];

pub(super) fn role_of<'a>(roles: &'a Roles<'_>, name: &str) -> Option<&'a Role> {
    let mut all = roles.iter();
    all.find(|(role, _)| *role == name)?.1.as_ref()
}

pub(super) fn refuse_foreign(
    owner: &Owner,
    name: &str,
    roles: &Roles<'_>,
    database: Option<&Database>,
) -> Result<(), StepError> {
    let foreign = |role: &Option<Role>| {
        let mut role = role.iter();
        role.any(|role| !marked(owner, role.comment.as_deref()))
    };
    let role = roles[0].1.as_ref();
    let (what, name) = if let Some((name, _)) = roles.iter().find(|(_, role)| foreign(role)) {
        ("role", *name)
    } else if database.is_some_and(|found| !ours(owner, name, role, found)) {
        ("database", name)
    } else {
        return Ok(());
    };
    Err(StepError::Refused {
        reason: reason::DATABASE_OWNED_BY_OTHER,
        message: format!(
            "{what} {name} exists on the PostgreSQL server and its comment does not say \
             {OWNER_MARK}={}: rename or drop it, or make this FileGateway anew",
            owner.uid
        ),
    })
}

pub(super) fn ours(owner: &Owner, name: &str, role: Option<&Role>, database: &Database) -> bool {
    let role_is_ours = role.is_some_and(|role| marked(owner, role.comment.as_deref()));
    match &database.comment {
        Some(comment) => marked(owner, Some(comment)),
        None => role_is_ours && database.owner == name,
    }
}

pub(super) fn marked(owner: &Owner, comment: Option<&str>) -> bool {
    comment
        .and_then(|text| text.split_whitespace().next())
        .and_then(|word| word.strip_prefix(OWNER_MARK)?.strip_prefix('='))
        .is_some_and(|uid| uid == owner.uid)
}

pub(super) fn comment(owner: &Owner) -> String {
    format!(
        "{OWNER_MARK}={} FileGateway {}/{}",
        owner.uid, owner.namespace, owner.name
    )
}

pub(super) fn second_role(owner: &Owner) -> String {
    names::second_role(&owner.namespace, &owner.name, &owner.uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(uid: &str) -> Owner {
        Owner {
            namespace: "acme".into(),
            name: "files".into(),
            uid: uid.into(),
        }
    }

    #[test]
    fn only_the_own_mark_counts() {
        let comment = comment(&owner("u-1"));
        assert!(marked(&owner("u-1"), Some(&comment)));
        assert!(!marked(&owner("u-10"), Some(&comment)));
        assert!(!marked(&owner("u"), Some(&comment)));
        assert!(!marked(&owner("u-1"), Some("")));
        assert!(!marked(&owner("u-1"), None));
    }

    #[test]
    fn an_unmarked_database_is_ours_only_with_our_role() {
        let found = Database {
            comment: None,
            owner: "db".into(),
            open_to_public: true,
        };
        let role = |uid: &str| Role {
            comment: Some(comment(&owner(uid))),
            can_log_in: true,
        };
        assert!(ours(&owner("u"), "db", Some(&role("u")), &found));
        assert!(!ours(&owner("u"), "db", Some(&role("other")), &found));
        assert!(!ours(&owner("u"), "db", None, &found));
    }
}
