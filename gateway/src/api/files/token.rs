//! `GET` and `POST /v1/files/token`.

use chrono::{DateTime, SubsecRound, Utc};
use poem::Request;
use poem_openapi::{Object, OpenApi};
use uuid::Uuid;

use super::Tag;
use crate::api::bearer::Bearer;
use crate::api::documented::{Failure, NoContent, Plain, Success};
use crate::api::params::{Fields, Query};
use crate::api::problem::FieldError;
use crate::api::state::State;
use crate::auth::Caller;

/// A file token.
#[derive(Object)]
struct FileToken {
    /// Goes into the query as `token`.
    token: String,
    /// When it ends.
    expires_at: DateTime<Utc>,
    /// In how many seconds it ends.
    expires_in: u64,
    /// When to ask for the next one.
    refresh_after: DateTime<Utc>,
    /// The only file that it is good for; absent: every file that you may read.
    #[oai(skip_serializing_if_is_none)]
    file_id: Option<Uuid>,
}

pub(super) struct TokenApi;

#[OpenApi]
impl TokenApi {
    /// Generate File Access Token
    ///
    /// Generates a short-lived (5 min) access token. Used by the frontend to construct authorized
    /// video stream URLs.
    #[oai(
        path = "/v1/files/token",
        method = "get",
        tag = "Tag::Files",
        operation_id = "generate_file_access_token_v1_files_token_get"
    )]
    async fn get(
        &self,
        request: &Request,
        caller: Bearer,
        /// Makes a token that is good for this file alone.
        file_id: Query<Option<Uuid>>,
    ) -> Result<Success<FileToken>, Failure<Plain>> {
        mint(State::of(request)?, &caller.0, file_id.0).await
    }

    /// Generate File Access Token
    ///
    /// The same as with `GET`, for clients that don't want the answer near any cache.
    #[oai(
        path = "/v1/files/token",
        method = "post",
        tag = "Tag::Files",
        operation_id = "generate_file_access_token_v1_files_token_post"
    )]
    async fn post(
        &self,
        request: &Request,
        caller: Bearer,
        /// Makes a token that is good for this file alone.
        file_id: Query<Option<Uuid>>,
    ) -> Result<Success<FileToken>, Failure<Plain>> {
        mint(State::of(request)?, &caller.0, file_id.0).await
    }

    /// Revoke File Access Tokens
    ///
    /// Ends file tokens, and the playback that they began, at once: all of your own; or all of
    /// another subject, which an admin may; or for one file, which its owner and admins may, the
    /// power of every token to open it. Tokens that are made afterwards are good.
    #[oai(
        path = "/v1/files/token",
        method = "delete",
        tag = "Tag::Files",
        operation_id = "revoke_file_access_tokens_v1_files_token_delete"
    )]
    async fn delete(
        &self,
        request: &Request,
        caller: Bearer,
        /// Whose tokens to end, in at most 1024 bytes; absent: your own.
        #[oai(validator(max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$"))]
        subject: Query<Option<String>>,
        /// The file that no token made until now shall open. Goes without `subject`.
        file_id: Query<Option<Uuid>>,
    ) -> Result<NoContent, Failure<Plain>> {
        let state = State::of(request)?;
        let mut fields = Fields::default();
        let subject = fields.take(subject.0.and_then(named));
        let file_id = fields.take(file_id.0);
        let (Some(subject), Some(file_id)) = (subject, file_id) else {
            return Err(fields.problem().into());
        };
        let (files, caller) = (&state.files, &caller.0);
        match (subject, file_id) {
            (None, None) => files.revoke_tokens_of(caller, &caller.subject).await?,
            (Some(subject), None) => files.revoke_tokens_of(caller, &subject).await?,
            (None, Some(id)) => files.revoke_tokens_for(caller, id).await?,
            (Some(_), Some(_)) => {
                let msg = "Goes without `subject`: revoke one or the other";
                return Err(FieldError::new(&["query", "file_id"], msg, "value_error").into());
            }
        }
        Ok(NoContent)
    }
}

/// A subject that somebody can have.
fn named(subject: Option<String>) -> Result<Option<String>, FieldError> {
    match subject {
        Some(subject) if !Caller::is_subject(&subject) => {
            let msg = "Subject should be 1 to 1024 bytes without control characters";
            Err(FieldError::new(&["query", "subject"], msg, "value_error"))
        }
        subject => Ok(subject),
    }
}

async fn mint(
    state: &State,
    caller: &Caller,
    file_id: Result<Option<Uuid>, FieldError>,
) -> Result<Success<FileToken>, Failure<Plain>> {
    let mut fields = Fields::default();
    let Some(file_id) = fields.take(file_id) else {
        return Err(fields.problem().into());
    };
    if let Some(id) = file_id {
        state.files.find(caller, id).await?;
    }
    let epoch = state.files.token_epoch().await?;
    let minted = state.tokens.mint(caller, file_id, epoch).await?;
    let expires_at = DateTime::<Utc>::from(minted.expires_at);
    let left = expires_at - Utc::now().trunc_subsecs(0);
    Ok(Success(FileToken {
        token: minted.token,
        expires_at,
        expires_in: u64::try_from(left.num_seconds()).unwrap_or(0),
        refresh_after: minted.refresh_after.into(),
        file_id,
    }))
}
