//! The bytes of a piece, as the connection gives them.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::headers::PIECE;
use crate::api::schemas;
use crate::api::state::State;
use crate::files::BodyError;

/// A body that was not looked at yet, and whether the document says that there has to be one.
pub(super) struct PieceBody<const REQUIRED: bool>(
    pub(super) BoxStream<'static, Result<Bytes, BodyError>>,
);

impl<'a, const REQUIRED: bool> ApiExtractor<'a> for PieceBody<REQUIRED> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(_registry: &mut Registry) {}

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType {
                content_type: PIECE,
                schema: schemas::binary(),
            }],
            required: REQUIRED,
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
        let frames = frames.map_err(|_| BodyError {
            message: "the connection was lost".into(),
        });
        Ok(Self(frames.boxed()))
    }
}
