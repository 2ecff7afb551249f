//! Who may do what: the one place where it is decided.
//!
//! | | owner | admin | other member |
//! | --- | --- | --- | --- |
//! | read by id | yes | yes | only when the file's visibility is `organization` |
//! | read by location | yes | yes | yes, unless `access.locations` is `Owner` (then as by id) |
//! | delete, change, revoke its tokens | yes | yes | no |
//! | revoke a caller's own tokens | yes | yes | yes |
//! | revoke somebody else's tokens | no | yes | no |
//! | see and continue an unfinished upload | yes | no | no |
//! | end an unfinished upload | yes | yes | no |
//!
//! Anyone outside the organization never becomes a [`Caller`], so there is no column for them.

use super::Caller;

/// Who besides its owner and the admins may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Visibility {
    /// Nobody else.
    #[default]
    Private,
    /// Every member of the organization.
    Organization,
}

/// Who may read a file by its location (the contract's deprecated way).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LocationAccess {
    /// Every member: membership is the check, as in the replaced service.
    #[default]
    Members,
    /// The same callers who may read it by id.
    Owner,
}

/// What a rule needs to know of a file.
#[derive(Debug, Clone, Copy)]
pub struct Protected<'a> {
    /// The subject that uploaded it.
    pub owner: &'a str,
    /// The organization that it belongs to.
    pub organization: &'a str,
    /// Who else may read it.
    pub visibility: Visibility,
}

/// Whether `caller` may read the file by its id, with a header or a file token.
pub fn may_read(caller: &Caller, file: Protected<'_>) -> bool {
    may_change(caller, file)
        || (same_organization(caller, file) && file.visibility == Visibility::Organization)
}

/// Whether `caller` may read the file by its location.
pub fn may_read_by_location(caller: &Caller, file: Protected<'_>, access: LocationAccess) -> bool {
    match access {
        LocationAccess::Members => same_organization(caller, file),
        LocationAccess::Owner => may_read(caller, file),
    }
}

/// Whether `caller` may revoke the file tokens of `subject`.
pub fn may_revoke(caller: &Caller, subject: &str) -> bool {
    caller.admin || caller.subject == subject
}

/// Whether `caller` may delete or change the file, or revoke the tokens that open it.
pub fn may_change(caller: &Caller, file: Protected<'_>) -> bool {
    same_organization(caller, file) && (caller.admin || caller.subject == file.owner)
}

/// Whether `caller` may see an upload in pieces and go on with it. Ending one is [`may_change`].
pub fn may_continue(caller: &Caller, file: Protected<'_>) -> bool {
    same_organization(caller, file) && caller.subject == file.owner
}

fn same_organization(caller: &Caller, file: Protected<'_>) -> bool {
    caller.organization == file.organization
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(subject: &str, admin: bool) -> Caller {
        Caller {
            subject: subject.into(),
            organization: "acme".into(),
            admin,
        }
    }

    fn file(visibility: Visibility) -> Protected<'static> {
        Protected {
            owner: "ana",
            organization: "acme",
            visibility,
        }
    }

    macro_rules! cells {
        ($($name:ident: $decision:expr => $expected:expr;)*) => {
            $(#[test] fn $name() { assert_eq!($decision, $expected); })*
        };
    }

    use LocationAccess::{Members, Owner};
    use Visibility::{Organization, Private};

    cells! {
        owner_reads_private_by_id: may_read(&caller("ana", false), file(Private)) => true;
        admin_reads_private_by_id: may_read(&caller("bo", true), file(Private)) => true;
        member_does_not_read_private_by_id: may_read(&caller("bo", false), file(Private)) => false;
        member_reads_organization_file_by_id: may_read(&caller("bo", false), file(Organization)) => true;
        owner_reads_by_location: may_read_by_location(&caller("ana", false), file(Private), Members) => true;
        admin_reads_by_location: may_read_by_location(&caller("bo", true), file(Private), Members) => true;
        member_reads_by_location: may_read_by_location(&caller("bo", false), file(Private), Members) => true;
        owner_reads_by_tightened_location: may_read_by_location(&caller("ana", false), file(Private), Owner) => true;
        admin_reads_by_tightened_location: may_read_by_location(&caller("bo", true), file(Private), Owner) => true;
        member_does_not_read_by_tightened_location: may_read_by_location(&caller("bo", false), file(Private), Owner) => false;
        member_reads_organization_file_by_tightened_location: may_read_by_location(&caller("bo", false), file(Organization), Owner) => true;
        owner_changes: may_change(&caller("ana", false), file(Organization)) => true;
        admin_changes: may_change(&caller("bo", true), file(Organization)) => true;
        member_does_not_change: may_change(&caller("bo", false), file(Organization)) => false;
        caller_revokes_own_tokens: may_revoke(&caller("ana", false), "ana") => true;
        admin_revokes_own_tokens: may_revoke(&caller("bo", true), "bo") => true;
        admin_revokes_tokens_of_others: may_revoke(&caller("bo", true), "ana") => true;
        member_does_not_revoke_tokens_of_others: may_revoke(&caller("bo", false), "ana") => false;
        owner_continues: may_continue(&caller("ana", false), file(Private)) => true;
        admin_does_not_continue: may_continue(&caller("bo", true), file(Organization)) => false;
        member_does_not_continue: may_continue(&caller("bo", false), file(Organization)) => false;
    }

    fn stranger(admin: bool) -> Caller {
        Caller {
            subject: "ana".into(),
            organization: "globex".into(),
            admin,
        }
    }

    cells! {
        stranger_does_not_read_by_id: may_read(&stranger(true), file(Organization)) => false;
        stranger_does_not_read_by_location: may_read_by_location(&stranger(true), file(Organization), Members) => false;
        stranger_does_not_continue: may_continue(&stranger(true), file(Organization)) => false;
        stranger_does_not_change: may_change(&stranger(true), file(Organization)) => false;
    }
}
