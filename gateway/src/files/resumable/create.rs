//! Beginning.

use chrono::Utc;
use uuid::Uuid;

use super::super::media_type::decide;
use super::super::upload::Digest;
use super::super::{Files, FilesError, name};
use super::{NewUpload, ResumableUpload, part_size};
use crate::auth::Caller;
use crate::catalog::{Allowance, NewResumableRow, NewRow, Visibility};

impl Files {
    /// Begins an upload in pieces. One of no bytes is finished at once.
    ///
    /// # Errors
    /// [`FilesError::TooLarge`] when its length is beyond the limit, [`FilesError::QuotaExceeded`] when
    /// it does not fit into what is left, [`FilesError::TooManyUnfinished`].
    pub async fn create_resumable(
        &self,
        caller: &Caller,
        new: NewUpload,
    ) -> Result<ResumableUpload, FilesError> {
        let limit = self.settings.max_file_bytes;
        if new.length.is_some_and(|length| length > limit) {
            return Err(FilesError::TooLarge { index: 0, limit });
        }
        let content_type = decide(&[], new.file.declared_type.as_deref()).name;
        if new.length == Some(0) {
            self.admit(&content_type)?;
        }
        let id = Uuid::new_v4();
        let file = NewRow {
            id,
            organization: self.settings.organization.clone(),
            owner: caller.subject.clone(),
            name: name::clean(new.file.name.as_deref()),
            location: self.original(id),
            // Until the first bytes tell.
            content_type,
            visibility: Visibility::Private,
        };
        let upload = NewResumableRow {
            length: new.length,
            metadata: new.metadata,
            declared_type: new.file.declared_type,
            part_size: part_size(new.length.unwrap_or(limit)),
            digest: Digest::default().save(),
            expires_at: self.expiry(Utc::now()),
        };
        let allowance = Allowance {
            quota: self.settings.quota,
            unfinished: self.settings.uploads_unfinished,
        };
        self.catalog
            .insert_resumable(file, upload, allowance)
            .await?;
        let created = self.find_resumable(caller, id).await;
        if created.is_err() {
            // The client does not learn where it is.
            self.terminate_resumable(caller, id).await.ok();
        }
        created
    }

    /// Refuses a media type that is not taken.
    pub(super) fn admit(&self, content_type: &str) -> Result<(), FilesError> {
        let admitted = self.settings.types.admit(content_type);
        admitted.map_err(|rule| FilesError::TypeNotAllowed {
            index: 0,
            content_type: content_type.to_owned(),
            rule,
        })
    }
}
