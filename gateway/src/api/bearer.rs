//! The caller of a request, from its `Authorization` header.

use http::header::AUTHORIZATION;
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::problem::Problem;
use super::state::State;
use crate::auth::{AuthError, Caller};

/// A caller who is signed in and belongs to the organization. Decided before anything else of the
/// request is looked at, so that a stranger learns nothing, not even which fields are wrong.
pub struct Bearer(pub Caller);

impl<'a> ApiExtractor<'a> for Bearer {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_security_scheme(
            "Bearer",
            MetaSecurityScheme {
                ty: "http",
                description: Some("A JWT of the organization's issuer."),
                name: None,
                key_in: None,
                scheme: Some("bearer"),
                bearer_format: Some("JWT"),
                flows: None,
                openid_connect_url: None,
            },
        );
    }

    fn security_schemes() -> Vec<&'static str> {
        vec!["Bearer"]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let state = State::of(request)?;
        let caller = async { state.verifier.verify(token(request)?).await };
        let caller = caller.await.map_err(Problem::from)?;
        state.rate.count(&caller)?;
        Ok(Self(caller))
    }
}

fn token(request: &Request) -> Result<&str, AuthError> {
    let mut headers = request.headers().get_all(AUTHORIZATION).iter();
    let header = headers.next().ok_or(AuthError::Missing)?;
    if headers.next().is_some() {
        return Err(AuthError::Invalid(
            "there are several Authorization headers",
        ));
    }
    let header = header
        .to_str()
        .map_err(|_| AuthError::Invalid("the Authorization header is no text"))?;
    match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(AuthError::Missing),
    }
}
