//! `POST /v1/files/location`.

use http::header::CONTENT_TYPE;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, OpenApi};
use serde_json::Value;

use super::Tag;
use crate::api::bearer::Bearer;
use crate::api::documented::{Download, Failure, Reading};
use crate::api::download::{Freshness, download};
use crate::api::problem::{FieldError, Problem, Step};
use crate::api::schemas;
use crate::api::state::State;

/// The largest body that is read, in bytes; a location has at most 1024 (an S3 key's limit).
const MAX_BODY_BYTES: usize = 64 * 1024;

pub(super) struct LocationApi;

#[OpenApi]
impl LocationApi {
    /// Get File By Location
    ///
    /// Streams a file directly from S3 given its full location key. The location must be one of a
    /// file of the caller's organization.
    #[oai(
        path = "/v1/files/location",
        method = "post",
        tag = "Tag::Files",
        operation_id = "get_file_by_location_v1_files_location_post"
    )]
    async fn post(
        &self,
        request: &Request,
        caller: Bearer,
        body: GetFile,
    ) -> Result<Download, Failure<Reading>> {
        let state = State::of(request)?;
        let location = body.location().await?;
        let file = state.files.find_by_location(&caller.0, &location).await?;
        download(state, request, &file, Freshness::AskAgain).await
    }
}

/// `{"location": "…"}`, not read yet: who is calling comes first.
struct GetFile {
    is_json: bool,
    body: poem::Body,
}

impl<'a> ApiExtractor<'a> for GetFile {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        schemas::register_get_file(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType {
                content_type: "application/json",
                schema: schemas::get_file(),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let content_type = request.headers().get(CONTENT_TYPE);
        Ok(Self {
            is_json: content_type.is_none_or(|value| value.to_str().is_ok_and(is_json)),
            body: body.take()?,
        })
    }
}

impl GetFile {
    async fn location(self) -> Result<String, Problem> {
        let body = self.body.into_bytes_limit(MAX_BODY_BYTES).await;
        let body = body.map_err(|_| invalid("the body breaks off or is too large", 0))?;
        if body.is_empty() {
            return Err(FieldError::missing(&["body"]).into());
        }
        if !self.is_json {
            return Err(not_an_object());
        }
        let body: Value = serde_json::from_slice(&body)
            .map_err(|error| invalid("JSON decode error", offset(&body, &error)))?;
        let Value::Object(mut fields) = body else {
            return Err(not_an_object());
        };
        match fields.remove("location") {
            Some(Value::String(location)) => Ok(location),
            Some(_) => Err(FieldError::new(
                &["body", "location"],
                "Input should be a valid string",
                "string_type",
            )
            .into()),
            None => Err(FieldError::missing(&["body", "location"]).into()),
        }
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn not_an_object() -> Problem {
    FieldError::new(
        &["body"],
        "Input should be a valid dictionary or object to extract fields from",
        "model_attributes_type",
    )
    .into()
}

fn invalid(message: &'static str, at: usize) -> Problem {
    let mut error = FieldError::new(&["body"], message, "json_invalid");
    error.loc.push(Step::Index(at));
    error.into()
}

/// Where in the text the parser stopped, in bytes.
fn offset(text: &[u8], error: &serde_json::Error) -> usize {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    before + error.column().saturating_sub(1)
}
