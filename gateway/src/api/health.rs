//! `/healthz`: the process answers. `/readyz`: so does all that it depends on.

use http::StatusCode;
use http::header::CACHE_CONTROL;
use poem::{Request, Response, handler};
use serde_json::json;

use super::state::State;

/// Whether the process is alive; says nothing of what it depends on, since no restart mends that.
#[handler]
pub fn healthz() -> Response {
    answer(StatusCode::OK, &json!({"status": "ok"}))
}

/// Whether requests can be served, and if not, which dependency is down.
#[handler]
pub async fn readyz(request: &Request) -> poem::Result<Response> {
    let state = State::of(request)?;
    if state.stopping.is_cancelled() {
        let body = json!({"status": "stopping"});
        return Ok(answer(StatusCode::SERVICE_UNAVAILABLE, &body));
    }
    let report = state.readiness.report(state).await;
    let status = if report.is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Ok(answer(status, &report.body()))
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Response {
    Response::builder()
        .status(status)
        .content_type("application/json")
        .header(CACHE_CONTROL, "no-store")
        .body(body.to_string())
}
