//! `POST /v1/files`.

mod answer;
mod form;
mod key;
mod paced;

use chrono::Utc;
use futures_util::StreamExt;
use http::StatusCode;
use poem::Request;
use poem_openapi::OpenApi;

use super::Tag;
use crate::api::bearer::Bearer;
use crate::api::content_coding::require_identity;
use crate::api::documented::{Failure, Writing};
use crate::api::params::{Fields, Header, Query};
use crate::api::problem::{FieldError, Problem};
use crate::api::state::State;
use crate::auth::Caller;
use crate::files::{Earlier, FilesError, Fingerprint, KeyHold, Repeat, UploadBatch};
use crate::telemetry::metrics::InFlight;
use answer::{Answer, Refused, Uploaded, undone};
use form::{PartBody, UploadForm};

pub(super) struct UploadApi;

#[OpenApi]
impl UploadApi {
    /// Upload Files Route
    ///
    /// Handles multiple file uploads: one part named `files` per file. Either all files of a
    /// request are stored or none, unless `atomic=false`. Of a form that breaks off none is, ever.
    #[oai(
        path = "/v1/files",
        method = "post",
        tag = "Tag::Files",
        operation_id = "upload_files_route_v1_files_post"
    )]
    async fn post(
        &self,
        request: &Request,
        caller: Bearer,
        /// `false` keeps the files that can be stored when others are refused; `outcomes` tells which.
        atomic: Query<Option<bool>>,
        /// A name of the client's for this request: when it is repeated under the same name within a
        /// day, it is answered as before and nothing is stored twice.
        #[oai(
            name = "idempotency-key",
            validator(
                pattern = r#"^([!#-\[\]-~]([ !#-\[\]-~]{0,253}[!#-\[\]-~])?|"[ !#-\[\]-~]{1,255}")$"#
            )
        )]
        key: Header<Option<String>>,
        form: UploadForm,
    ) -> Result<Answer, Failure<Writing>> {
        let state = State::of(request)?;
        let mut fields = Fields::default();
        let atomic = fields.take(atomic.0);
        let key = fields.take(key.0.and_then(key::parse));
        let (Some(atomic), Some(key)) = (atomic, key) else {
            return Err(fields.problem().into());
        };
        require_identity(request)?;
        let _at_work = InFlight::new(&state.metrics().uploads);
        if form
            .length
            .is_some_and(|length| length > state.max_upload_bytes)
        {
            return Err(too_large(state).into());
        }
        let key = match key {
            None => None,
            Some(key) => match state.files.begin_repeatable(&caller.0, key).await? {
                Repeat::First(hold) => Some(*hold),
                Repeat::Again(earlier) => return Ok(replay(earlier, form).await?),
            },
        };
        let atomic = atomic.unwrap_or(true);
        Ok(store(state, &caller.0, key, form, atomic).await?)
    }
}

async fn store(
    state: &State,
    caller: &Caller,
    key: Option<KeyHold>,
    form: UploadForm,
    atomic: bool,
) -> Result<Answer, Problem> {
    let mut batch = state.files.begin_upload(caller, key)?;
    match fill(state, &mut batch, form, atomic).await {
        Ok(refused) => {
            let now = Utc::now();
            let text = Uploaded::new(batch.records(now), &refused).text();
            batch.commit(now, &text).await?;
            Ok(Answer {
                text,
                replayed: false,
            })
        }
        Err(problem) => {
            batch.abort().await;
            Err(problem)
        }
    }
}

/// Stores every file of a form; gives back those that were refused, if the others are to be kept.
async fn fill(
    state: &State,
    batch: &mut UploadBatch,
    form: UploadForm,
    atomic: bool,
) -> Result<Vec<Refused>, Problem> {
    // A form is longer than its files by its boundaries and headers, never shorter.
    let sure = form
        .length
        .map_or(0, |length| length.saturating_sub(state.form_overhead_bytes));
    // Of a request that may end up with fewer files, no length is sure.
    batch.expect(if atomic { sure } else { 0 }).await?;
    let mut parts = form.parts()?;
    let mut refused = Vec::new();
    let mut read_over = 0;
    let mut stored = 0;
    for index in 0.. {
        let problem = match parts.next().await {
            Ok(None) => break,
            Ok(Some(mut part)) => match batch.add(part.file, &mut part.body).await {
                Ok(()) => {
                    stored += 1;
                    continue;
                }
                Err(error) if is_of_one_file(&error) && !atomic => {
                    batch.leave_out().await;
                    refused.push(Refused {
                        index,
                        problem: error.into(),
                    });
                    read_over += read_to_end(&mut part.body, state.max_upload_bytes).await;
                    if read_over > state.max_upload_bytes {
                        return Err(too_large(state));
                    }
                    continue;
                }
                Err(error) => Problem::from(error),
            },
            Err(problem) => problem,
        };
        // Nothing of a form is kept that was not read to its end, also where files may be left out: its
        // client may be told of an error or of nothing at all, and will send the whole form again.
        refused.push(Refused { index, problem });
        return Err(failed(refused));
    }
    match stored == 0 && !refused.is_empty() {
        true => Err(failed(refused)),
        false => Ok(refused),
    }
}

/// Whether the other files of the request may be fine.
fn is_of_one_file(error: &FilesError) -> bool {
    matches!(
        error,
        FilesError::TooLarge { .. }
            | FilesError::TypeNotAllowed { .. }
            | FilesError::QuotaExceeded(_)
    )
}

async fn read_to_end(body: &mut PartBody, limit: u64) -> u64 {
    let mut length = 0;
    while let Some(Ok(frame)) = body.next().await {
        length += frame.len() as u64;
        if length > limit {
            break;
        }
    }
    length
}

/// The last refusal, which ended the request, with what became of each file.
fn failed(mut refused: Vec<Refused>) -> Problem {
    let outcomes = undone(&refused);
    let Some(last) = refused.pop() else {
        return FilesError::NoFiles.into();
    };
    last.problem.member("outcomes", outcomes)
}

fn too_large(state: &State) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "request_too_large",
        "The request is longer than the allowed number of the largest allowed files",
    )
    .limit("uploads.maxRequestBytes", state.max_upload_bytes)
}

/// Answers a repeated request as the first was, once it is known to be the same.
async fn replay(earlier: Earlier, form: UploadForm) -> Result<Answer, Problem> {
    let mut parts = form.parts()?;
    let mut fingerprint = Fingerprint::default();
    while let Some(part) = parts.next().await? {
        let read = fingerprint.read(part.body).await;
        read.map_err(|error| FieldError::malformed_form(&error.message))?;
    }
    if !earlier.is_repeated_by(&fingerprint) {
        return Err(key::reused().into());
    }
    Ok(Answer {
        text: earlier.answer,
        replayed: true,
    })
}
