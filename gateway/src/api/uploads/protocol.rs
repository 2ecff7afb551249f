//! What is tus's own on its routes: a method in a header, and the version in every answer.

use http::Method;
use http::header::HeaderValue;
use poem::{Endpoint, Middleware, Request, Response, Result};

use super::headers::{METHOD_OVERRIDE, RESUMABLE, VERSION};

const ROOT: &str = "/v1/uploads";

/// Wraps the application. Outside of everything else, so that the log has the method that counts.
pub struct Protocol;

impl<E: Endpoint<Output = Response>> Middleware<E> for Protocol {
    type Output = Speaking<E>;

    fn transform(&self, endpoint: E) -> Self::Output {
        Speaking(endpoint)
    }
}

/// An endpoint that speaks tus.
pub struct Speaking<E>(E);

impl<E: Endpoint<Output = Response>> Endpoint for Speaking<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        if !is_ours(request.uri().path()) {
            return self.0.call(request).await;
        }
        if let Some(method) = overriding(&request) {
            request.set_method(method);
        }
        let mut response = self.0.call(request).await?;
        let version = HeaderValue::from_static(VERSION);
        response.headers_mut().insert(RESUMABLE, version);
        Ok(response)
    }
}

fn is_ours(path: &str) -> bool {
    path.strip_prefix(ROOT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The method that a client means which can send no other than POST.
fn overriding(request: &Request) -> Option<Method> {
    if request.method() != Method::POST {
        return None;
    }
    let meant = request.header(METHOD_OVERRIDE)?;
    [Method::PATCH, Method::DELETE, Method::HEAD, Method::OPTIONS]
        .into_iter()
        .find(|method| method.as_str() == meant)
}
