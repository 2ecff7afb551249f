//! The form of an upload, read as it arrives.
//!
//! poem-openapi's own upload type writes whole files to disk, and poem's `Multipart` copies the body
//! through a buffer of 4 KiB; this hands the connection's frames to the same parser (`multer`).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, TryStreamExt};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::paced::{Paced, Unclaimed};
use crate::api::problem::{FieldError, Problem, Step};
use crate::api::schemas;
use crate::api::state::State;
use crate::files::{BodyError, NewFile};

/// The name of the parts that carry files.
const FIELD: &str = "files";

/// How much of other parts is read over, headers included, before the request is refused: enough for
/// the odd field of a form, not for a film under a wrong name.
const MAX_IGNORED_BYTES: usize = 1024 * 1024;

/// What an ignored part counts for besides its bytes.
const IGNORED_PART_BYTES: usize = 512;

/// The longest boundary (RFC 2046, 5.1.1).
const MAX_BOUNDARY: usize = 70;

/// An upload's form, not read yet.
pub(super) struct UploadForm {
    /// The body's length in bytes, if the client told it.
    pub(super) length: Option<u64>,
    content_type: Option<String>,
    body: BoxStream<'static, io::Result<Bytes>>,
}

impl<'a> ApiExtractor<'a> for UploadForm {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        schemas::register_upload(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType {
                content_type: "multipart/form-data",
                schema: schemas::upload(),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let received = State::of(request)?.metrics().received_bytes.clone();
        let frames = body.take()?.into_bytes_stream();
        let frames = frames.inspect_ok(move |frame| {
            received.inc_by(frame.len() as u64);
        });
        Ok(Self {
            length: request
                .header(CONTENT_LENGTH)
                .and_then(|length| length.parse().ok()),
            content_type: request.header(CONTENT_TYPE).map(str::to_owned),
            body: Box::pin(frames),
        })
    }
}

impl UploadForm {
    /// Begins to read it.
    ///
    /// # Errors
    /// 422 when the request carries no form, or one whose boundary is missing or illegal.
    pub(super) fn parts(self) -> Result<Parts, Problem> {
        let content_type = self.content_type.as_deref().unwrap_or_default();
        if !is_form(content_type) {
            return Err(FieldError::missing(&["body", FIELD]).into());
        }
        let boundary = multer::parse_boundary(content_type)
            .ok()
            .filter(|boundary| (1..=MAX_BOUNDARY).contains(&boundary.len()))
            // Of two, what is before may have taken the other.
            .filter(|_| boundaries(content_type) == 1)
            .ok_or_else(|| FieldError::malformed_form("its Content-Type has no legal boundary"))?;
        let unclaimed = Unclaimed::default();
        let body = Paced::new(self.body, unclaimed.clone());
        Ok(Parts {
            multipart: multer::Multipart::new(body, boundary),
            unclaimed,
            ignored: 0,
        })
    }
}

/// How many boundaries a media type names.
fn boundaries(content_type: &str) -> usize {
    let media_type = content_type.parse::<mime::Mime>();
    media_type.map_or(0, |media_type| {
        let names = media_type.params().map(|(name, _)| name);
        names.filter(|name| *name == mime::BOUNDARY).count()
    })
}

fn is_form(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("multipart/form-data")
}

/// The parts that carry files, one after the other.
pub(super) struct Parts {
    multipart: multer::Multipart<'static>,
    unclaimed: Unclaimed,
    ignored: usize,
}

/// One file of a form.
pub(super) struct Part {
    /// What its headers say.
    pub(super) file: NewFile,
    /// Its bytes.
    pub(super) body: PartBody,
}

impl Parts {
    /// The next part named `files`. Parts of other names are read over, as FastAPI does. The part
    /// before must have been read to its end.
    ///
    /// # Errors
    /// 422 when the form is malformed, breaks off, or has too much else in it.
    pub(super) async fn next(&mut self) -> Result<Option<Part>, Problem> {
        loop {
            let field = self
                .multipart
                .next_field()
                .await
                .map_err(|error| FieldError::malformed_form(&words(&error)))?;
            self.unclaimed.claim();
            match field {
                None => return Ok(None),
                Some(field) if field.name() == Some(FIELD) => {
                    let file = NewFile {
                        name: field.file_name().map(str::to_owned),
                        declared_type: field.content_type().map(ToString::to_string),
                    };
                    let unclaimed = self.unclaimed.clone();
                    let body = PartBody { field, unclaimed };
                    return Ok(Some(Part { file, body }));
                }
                Some(field) => self.read_over(field).await?,
            }
        }
    }

    async fn read_over(&mut self, mut field: multer::Field<'static>) -> Result<(), Problem> {
        self.ignored += IGNORED_PART_BYTES;
        while let Some(chunk) = field
            .chunk()
            .await
            .map_err(|error| FieldError::malformed_form(&words(&error)))?
        {
            self.unclaimed.claim();
            self.ignored += chunk.len();
            if self.ignored > MAX_IGNORED_BYTES {
                let mut error = FieldError::new(
                    &["body"],
                    "Extra inputs are not permitted: files go into parts named `files`",
                    "extra_forbidden",
                );
                let name = field.name().unwrap_or_default().to_owned();
                error.loc.push(Step::Name(name.into()));
                return Err(error.into());
            }
        }
        Ok(())
    }
}

/// The bytes of one part.
pub(super) struct PartBody {
    field: multer::Field<'static>,
    unclaimed: Unclaimed,
}

impl Stream for PartBody {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.field).poll_next(context);
        if let Poll::Ready(Some(Ok(_))) = &polled {
            self.unclaimed.claim();
        }
        polled.map_err(|error| BodyError {
            message: words(&error),
        })
    }
}

/// What is wrong with a form, without a word of the form itself.
fn words(error: &multer::Error) -> String {
    match error {
        multer::Error::IncompleteFieldData { .. }
        | multer::Error::IncompleteStream
        | multer::Error::IncompleteHeaders => "it breaks off before its last boundary".into(),
        multer::Error::ReadHeaderFailed(_)
        | multer::Error::DecodeHeaderName { .. }
        | multer::Error::DecodeHeaderValue { .. } => "a part has malformed headers".into(),
        multer::Error::StreamReadFailed(_) => {
            "the connection broke off, or a part has no end of headers".into()
        }
        _ => "it is malformed".into(),
    }
}
