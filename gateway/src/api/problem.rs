//! What a failed request is told: always JSON, in one of two shapes.
//!
//! 422 is FastAPI's `HTTPValidationError`, because the contract promises it:
//! `{"detail": [{"loc": ["query", "token"], "msg": "Field required", "type": "missing"}]}`.
//! Everything else is `{"detail": "…", "code": "…", "request_id": "…"}`.
//!
//! A [`Problem`] travels inside a [`poem::Error`] and becomes a body in [`super::envelope`], which
//! knows the request's id.

use std::borrow::Cow;

use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::{Value, json};

/// One wrong field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where it is: the part of the request, then the way to the field.
    pub loc: Vec<Step>,
    /// What is wrong with it, for people.
    pub msg: Cow<'static, str>,
    /// What is wrong with it, for programs; pydantic's name where it has one.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// One step of the way to a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Step {
    /// The name of a part or field.
    Name(Cow<'static, str>),
    /// A place in a list or text.
    Index(usize),
}

impl FieldError {
    /// An error at `loc`.
    pub fn new(
        loc: &[&'static str],
        msg: impl Into<Cow<'static, str>>,
        kind: &'static str,
    ) -> Self {
        Self {
            loc: loc.iter().map(|name| Step::Name((*name).into())).collect(),
            msg: msg.into(),
            kind,
        }
    }

    /// A multipart form that can't be read, and why.
    pub fn malformed_form(why: &str) -> Self {
        let msg = format!("The form could not be read: {why}");
        Self::new(&["body"], msg, "multipart_malformed")
    }

    /// A required field that is absent.
    pub fn missing(loc: &[&'static str]) -> Self {
        Self::new(loc, "Field required", "missing")
    }
}

/// A request that was refused or failed.
#[derive(Debug, Clone)]
pub enum Problem {
    /// 422: the request itself is wrong, field by field.
    Fields(Vec<FieldError>),
    /// Any other status.
    Other {
        /// The status.
        status: StatusCode,
        /// A stable name for programs.
        code: &'static str,
        /// What happened, for people; nothing that is not theirs to know.
        detail: Cow<'static, str>,
        /// Headers that the status calls for.
        headers: Vec<(HeaderName, HeaderValue)>,
        /// More of the body.
        members: Vec<(&'static str, Value)>,
    },
}

impl Problem {
    /// A problem without headers of its own.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Other {
            status,
            code,
            detail: detail.into(),
            headers: Vec::new(),
            members: Vec::new(),
        }
    }

    /// The same problem with one more member of its body. 422 has none: its form is the contract's.
    #[must_use]
    pub fn member(mut self, name: &'static str, value: Value) -> Self {
        if let Self::Other { members, .. } = &mut self {
            members.push((name, value));
        }
        self
    }

    /// The same problem with the limit that was in the way, by its name in the configuration.
    #[must_use]
    pub fn limit(self, name: &str, value: impl Into<Value>) -> Self {
        self.member("limit", json!({ "name": name, "value": value.into() }))
    }

    /// Its stable name: that of the first wrong field, or its own.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Fields(fields) => fields.first().map_or("invalid", |field| field.kind),
            Self::Other { code, .. } => code,
        }
    }

    /// What happened, for people.
    pub fn detail(&self) -> String {
        match self {
            Self::Fields(fields) => {
                let messages: Vec<&str> = fields.iter().map(|field| field.msg.as_ref()).collect();
                messages.join("; ")
            }
            Self::Other { detail, .. } => detail.clone().into_owned(),
        }
    }

    /// The same problem with one more header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if let Self::Other { headers, .. } = &mut self {
            headers.push((name, value));
        }
        self
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Fields(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Other { status, .. } => *status,
        }
    }

    /// Its body.
    pub fn body(&self, request_id: &str) -> Value {
        match self {
            Self::Fields(fields) => json!({ "detail": fields }),
            Self::Other {
                code,
                detail,
                members,
                ..
            } => {
                let mut body = json!({
                    "detail": detail,
                    "code": code,
                    "request_id": request_id,
                });
                for (name, value) in members {
                    body[*name] = value.clone();
                }
                body
            }
        }
    }
}

impl From<FieldError> for Problem {
    fn from(field: FieldError) -> Self {
        Self::Fields(vec![field])
    }
}

impl From<Problem> for poem::Error {
    fn from(problem: Problem) -> Self {
        let mut error = Self::from_status(problem.status());
        error.set_data(problem);
        error
    }
}
