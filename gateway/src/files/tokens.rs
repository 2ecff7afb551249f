//! Reading with a file token, and revoking file tokens.

use crate::auth::{Caller, ReadGrant, policy};
use crate::catalog::{Epoch, RevocableRow};

use super::convert::record;
use super::{FileId, FileRecord, Files, FilesError};

/// A file that a token opens.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The file.
    pub file: FileRecord,
    /// How many revocations a token must have seen to open it.
    pub least_epoch: Epoch,
}

impl Files {
    /// How many revocations the organization has seen; a new file token has to say so.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub async fn token_epoch(&self) -> Result<Epoch, FilesError> {
        let organization = &self.settings.organization;
        Ok(self.catalog.token_clock(organization).await?)
    }

    /// The file with this id, if the holder of `grant` may read it.
    ///
    /// # Errors
    /// [`FilesError::TokenRevoked`] when the grant was revoked, [`FilesError::NotFound`] as
    /// [`Files::find`] has it, and when the grant is for another file.
    pub async fn open(&self, grant: &ReadGrant, id: FileId) -> Result<Opened, FilesError> {
        if grant.file.is_some_and(|file| file != id) {
            return Err(FilesError::NotFound);
        }
        let (organization, subject) = (&self.settings.organization, &grant.caller.subject);
        let row = self.catalog.find_revocable(id, organization, subject);
        self.opened(grant, row.await?, |file| {
            policy::may_read(&grant.caller, file.protected())
        })
        .await
    }

    /// The same by the file's location, as [`Files::find_by_location`] has it.
    ///
    /// # Errors
    /// As [`Files::open`].
    pub async fn open_by_location(
        &self,
        grant: &ReadGrant,
        location: &str,
    ) -> Result<Opened, FilesError> {
        let (organization, subject) = (&self.settings.organization, &grant.caller.subject);
        let access = self.settings.locations;
        let row = self
            .catalog
            .find_revocable_by_location(location, organization, subject);
        self.opened(grant, row.await?, |file| {
            policy::may_read_by_location(&grant.caller, file.protected(), access)
                && grant.file.is_none_or(|bound| bound == file.id)
        })
        .await
    }

    /// Whoever's tokens were revoked hears so of every file, there or not; that a file's were, only
    /// those who may read it.
    async fn opened(
        &self,
        grant: &ReadGrant,
        row: Option<RevocableRow>,
        may_read: impl Fn(&FileRecord) -> bool,
    ) -> Result<Opened, FilesError> {
        let subject_epoch = match &row {
            Some(row) => row.subject_epoch,
            None => {
                let organization = &self.settings.organization;
                let subject = &grant.caller.subject;
                self.catalog.subject_epoch(organization, subject).await?
            }
        };
        if grant.epoch < subject_epoch {
            return Err(FilesError::TokenRevoked);
        }
        let row = row.ok_or(FilesError::NotFound)?;
        let file = record(row.file)
            .filter(may_read)
            .ok_or(FilesError::NotFound)?;
        if grant.epoch < row.file_epoch {
            return Err(FilesError::TokenRevoked);
        }
        Ok(Opened {
            file,
            least_epoch: subject_epoch.max(row.file_epoch),
        })
    }

    /// Ends every file token that was made for `subject` until now.
    ///
    /// # Errors
    /// [`FilesError::AdminOnly`] when they are somebody else's and the caller is no admin.
    pub async fn revoke_tokens_of(&self, caller: &Caller, subject: &str) -> Result<(), FilesError> {
        if !policy::may_revoke(caller, subject) {
            return Err(FilesError::AdminOnly);
        }
        let organization = &self.settings.organization;
        Ok(self.catalog.revoke_subject(organization, subject).await?)
    }

    /// Keeps every file token that was made until now, for whomever, from opening this file.
    ///
    /// # Errors
    /// [`FilesError::NotFound`] when it is not there, or not the caller's to change.
    pub async fn revoke_tokens_for(&self, caller: &Caller, id: FileId) -> Result<(), FilesError> {
        self.catalog
            .find(id)
            .await?
            .and_then(record)
            .filter(|file| policy::may_change(caller, file.protected()))
            .ok_or(FilesError::NotFound)?;
        let organization = &self.settings.organization;
        if self.catalog.revoke_file(organization, id).await? {
            Ok(())
        } else {
            Err(FilesError::NotFound)
        }
    }
}
