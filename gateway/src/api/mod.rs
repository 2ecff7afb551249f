//! HTTP: parse, authorize, answer. No rule about files is made here.

mod allow;
mod bearer;
mod carry;
pub mod conditions;
mod content_coding;
mod cors;
mod deprecation;
mod documented;
mod download;
mod envelope;
mod error;
mod files;
mod health;
mod metrics;
mod pace;
mod pages;
mod params;
mod problem;
pub mod ranges;
mod rate_limit;
mod readiness;
mod schemas;
mod state;
mod uploads;

use std::sync::Arc;

use poem::middleware::CatchPanic;
use poem::web::Redirect;
use poem::{Endpoint, EndpointExt, Response, Route, get, handler};
use poem_openapi::{LicenseObject, OpenApi, OpenApiService};

use allow::Allowed;
use cors::Cors;
pub use cors::Origins;
use deprecation::Deprecated;
pub use deprecation::LocationStream;
use envelope::Envelope;
pub use metrics::metrics;
pub use pace::Pace;
pub use pages::Page;
pub use rate_limit::RateLimit;
pub use readiness::Readiness;
pub use state::{Delivery, State};

const TITLE: &str = "FileGateway";
const DESCRIPTION: &str = "Upload, read, stream and delete the files of one organization.\n\n\
    Callers sign in with a JWT of the organization's issuer (`Authorization: Bearer`). Where no \
    header can be set, as in `<video src>`, a file token rides in the query instead.";

/// The whole application: the operations, their document, Swagger UI, the probes, and `pages`. Without
/// one at `/`, that leads to Swagger UI.
pub fn application(state: State, pages: &[Page]) -> impl Endpoint<Output = Response> + 'static {
    let mut paths = vec!["/", "/docs", "/healthz", "/openapi.json", "/readyz"];
    paths.extend(pages.iter().map(|page| page.path));
    let allowed = Allowed::of_api(&operations(), &paths);
    let service = service(operations());
    let pace = state.pace;
    let metrics = state.metrics().clone();
    let cors = Cors {
        origins: state.origins.clone(),
    };
    let deprecated = Deprecated {
        stream: state.location_stream.clone(),
    };
    let mut route = Route::new();
    for page in pages {
        route = route.at(page.path, get(pages::endpoint(*page)));
    }
    if pages.iter().all(|page| page.path != "/") {
        route = route.at("/", get(home));
    }
    route
        .at("/healthz", get(health::healthz))
        .at("/readyz", get(health::readyz))
        .at("/openapi.json", get(service.spec_endpoint()))
        .nest("/docs", get(service.swagger_ui()))
        .nest_no_strip("/v1", service)
        .data(state)
        .with(CatchPanic::new())
        .map_to_response()
        .with(deprecated)
        .with(cors)
        .with(Envelope {
            allowed: Arc::new(allowed),
            pace,
            metrics,
        })
        .with(uploads::Protocol)
}

fn operations() -> impl OpenApi {
    (files::api(), uploads::api())
}

/// The OpenAPI document, with a newline at its end.
pub fn document() -> String {
    let mut document = service(operations()).spec();
    document.push('\n');
    document
}

fn service<A: OpenApi>(api: A) -> OpenApiService<A, ()> {
    OpenApiService::new(api, TITLE, env!("CARGO_PKG_VERSION"))
        .description(DESCRIPTION)
        .license(LicenseObject::new("Apache-2.0"))
}

#[handler]
fn home() -> Redirect {
    Redirect::temporary("/docs")
}
