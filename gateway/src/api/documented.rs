//! What the document says of answers: which statuses an operation has, and their schemas.

use std::marker::PhantomData;

use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry};
use poem_openapi::types::ToJSON;

use super::problem::Problem;
use super::schemas;

const JSON: &str = "application/json";

/// A success with a JSON body.
pub struct Success<T>(pub T);

impl<T: ToJSON + Send> IntoResponse for Success<T> {
    fn into_response(self) -> Response {
        let body = self.0.to_json().unwrap_or_default().to_string();
        Response::builder()
            .content_type(JSON)
            .header(http::header::CACHE_CONTROL, "private, no-store")
            .body(body)
    }
}

impl<T: ToJSON + Send> ApiResponse for Success<T> {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![response(200, "Successful Response", JSON, T::schema_ref())],
        }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// A success that has nothing to say.
pub struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        Response::builder()
            .status(http::StatusCode::NO_CONTENT)
            .finish()
    }
}

impl ApiResponse for NoContent {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![empty(204, "Done")],
        }
    }

    fn register(_registry: &mut Registry) {}
}

/// The bytes of a file, or word that the client has them already.
pub struct Download(pub Response);

impl IntoResponse for Download {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for Download {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![
                response(200, "Successful Response", "*/*", schemas::binary()),
                response(206, "The requested part", "*/*", schemas::binary()),
                empty(304, "Not modified"),
                empty(
                    307,
                    "The bytes are to be had elsewhere (`delivery: Redirect`)",
                ),
            ],
        }
    }

    fn register(_registry: &mut Registry) {}
}

/// Server-Sent Events, each a `T`; or word that there will be none.
pub struct Events<T>(Response, PhantomData<fn() -> T>);

impl<T> Events<T> {
    /// An answer that is a stream of them.
    pub fn of(response: Response) -> Self {
        Self(response, PhantomData)
    }

    /// There is nothing more to be told: an `EventSource` does not come back after that.
    pub fn over() -> Self {
        Self::of(NoContent.into_response())
    }
}

impl<T: Send> IntoResponse for Events<T> {
    fn into_response(self) -> Response {
        self.0
    }
}

impl<T: ToJSON + Send> ApiResponse for Events<T> {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![
                response(
                    200,
                    "Successful Response",
                    "text/event-stream",
                    T::schema_ref(),
                ),
                empty(204, "Nothing more to be told"),
            ],
        }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// The statuses that an operation may fail with.
pub trait Statuses {
    /// Besides 401, 403, 429, 500 and 503, which every operation has.
    const OWN: &'static [u16];
}

/// Of an operation without a file id or a body.
pub struct Plain;

impl Statuses for Plain {
    const OWN: &'static [u16] = &[404, 422];
}

/// Of an operation that changes a file in a state of its own.
pub struct Changing;

impl Statuses for Changing {
    const OWN: &'static [u16] = &[404, 409, 422];
}

/// Of an operation that answers with a file's bytes.
pub struct Reading;

impl Statuses for Reading {
    const OWN: &'static [u16] = &[404, 412, 416, 422];
}

/// Of an operation that takes bytes.
pub struct Writing;

impl Statuses for Writing {
    const OWN: &'static [u16] = &[404, 409, 413, 415, 422, 507];
}

/// A failure of an operation with the statuses `S`.
pub struct Failure<S>(Problem, PhantomData<fn() -> S>);

impl<S, E: Into<Problem>> From<E> for Failure<S> {
    fn from(error: E) -> Self {
        Self(error.into(), PhantomData)
    }
}

impl<S> From<Failure<S>> for poem::Error {
    fn from(failure: Failure<S>) -> Self {
        failure.0.into()
    }
}

impl<S: Statuses> ApiResponse for Failure<S> {
    fn meta() -> MetaResponses {
        let mut statuses = [&[401, 403, 429], S::OWN, &[500, 503]].concat();
        statuses.sort_unstable();
        MetaResponses {
            responses: statuses.into_iter().map(failure).collect(),
        }
    }

    fn register(registry: &mut Registry) {
        schemas::register_errors(registry);
    }
}

fn failure(status: u16) -> MetaResponse {
    let description = match status {
        400 => "A header is missing or wrong",
        401 => "Not signed in, or the token is invalid, expired or revoked",
        403 => "The caller belongs to another organization, or may not do this",
        404 => "Not found",
        408 => "The body broke off; what arrived is kept",
        409 => {
            "The upload stands at another offset, a request with this idempotency key is being carried out, or the file is in another state"
        }
        410 => "The upload has expired",
        412 => "A condition of the request does not hold",
        413 => "A file is too large",
        415 => "The body or a file is of a type that is not taken",
        416 => "The file does not have the requested range",
        422 => return response(422, "Validation Error", JSON, schemas::validation_error()),
        423 => "Another request is at work on the upload",
        429 => "The caller makes too many requests, or has too many uploads at work or unfinished",
        460 => "The body does not have its checksum",
        507 => "A quota is used up",
        500 => "The gateway failed",
        _ => "A service that the gateway depends on is not there",
    };
    response(status, description, JSON, schemas::error())
}

fn response(
    status: u16,
    description: &'static str,
    content_type: &'static str,
    schema: MetaSchemaRef,
) -> MetaResponse {
    MetaResponse {
        content: vec![MetaMediaType {
            content_type,
            schema,
        }],
        ..empty(status, description)
    }
}

fn empty(status: u16, description: &'static str) -> MetaResponse {
    MetaResponse {
        description,
        status: Some(status),
        status_range: None,
        content: Vec::new(),
        headers: Vec::new(),
    }
}
