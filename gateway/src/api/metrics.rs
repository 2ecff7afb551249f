//! `/metrics`, an application of its own on a port of its own: who may read files has no business
//! with it, and who scrapes it has no credentials.

use http::header::CONTENT_TYPE;
use poem::web::Data;
use poem::{Endpoint, EndpointExt, Response, Route, get, handler};

use crate::telemetry::Metrics;
use crate::telemetry::metrics::CONTENT_TYPE as OPENMETRICS;

/// An application that answers `GET /metrics` and nothing else.
pub fn metrics(metrics: Metrics) -> impl Endpoint<Output = Response> + 'static {
    Route::new()
        .at("/metrics", get(text))
        .data(metrics)
        .map_to_response()
}

#[handler]
fn text(Data(metrics): Data<&Metrics>) -> Response {
    Response::builder()
        .header(CONTENT_TYPE, OPENMETRICS)
        .body(metrics.text())
}
