//! Parameters of the path, the query and the header.
//!
//! poem-openapi's own extractors give up at the first wrong one, with a 400. These note what is
//! wrong and leave it to the handler to put all of it into one 422, after it has found out who is
//! calling.

use std::borrow::Cow;

use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaParamIn, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, Enum, ExtractParamOptions};
use url::form_urlencoded;
use uuid::Uuid;

use super::problem::{FieldError, Problem};

/// A type that a parameter may have.
pub trait Parameter: Type + Sized {
    /// The value that `text` stands for, `None` standing for an absent parameter.
    ///
    /// # Errors
    /// What is wrong, and pydantic's name for it.
    fn parse(text: Option<Cow<'_, str>>) -> Result<Self, Wrong>;
}

/// What is wrong with a parameter, and a name for it.
type Wrong = (&'static str, &'static str);

/// The text of a parameter, `None` for an absent one.
type Found<'a> = Result<Option<Cow<'a, str>>, Wrong>;

const REPEATED: Wrong = ("Field should be given once", "repeated");

const MISSING: Wrong = ("Field required", "missing");

impl Parameter for String {
    fn parse(text: Option<Cow<'_, str>>) -> Result<Self, Wrong> {
        text.map(Cow::into_owned).ok_or(MISSING)
    }
}

impl Parameter for u64 {
    fn parse(text: Option<Cow<'_, str>>) -> Result<Self, Wrong> {
        text.ok_or(MISSING)?
            .parse()
            .map_err(|_| ("Input should be a valid integer", "int_parsing"))
    }
}

impl Parameter for Uuid {
    fn parse(text: Option<Cow<'_, str>>) -> Result<Self, Wrong> {
        Self::parse_str(&text.ok_or(MISSING)?)
            .map_err(|_| ("Input should be a valid UUID", "uuid_parsing"))
    }
}

impl Parameter for bool {
    fn parse(text: Option<Cow<'_, str>>) -> Result<Self, (&'static str, &'static str)> {
        // What FastAPI's clients may send.
        match text.ok_or(MISSING)?.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(("Input should be a valid boolean", "bool_parsing")),
        }
    }
}

/// Which form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "lowercase")]
pub enum Variant {
    /// As it was uploaded.
    Original,
}

impl Parameter for Variant {
    fn parse(text: Option<Cow<'_, str>>) -> Result<Self, Wrong> {
        match text.ok_or(MISSING)?.as_ref() {
            "original" => Ok(Self::Original),
            _ => Err(("Input should be 'original'", "enum")),
        }
    }
}

impl<T: Parameter> Parameter for Option<T> {
    fn parse(text: Option<Cow<'_, str>>) -> Result<Self, Wrong> {
        text.map(|text| T::parse(Some(text))).transpose()
    }
}

macro_rules! parameter {
    ($(#[$docs:meta])* $name:ident, $place:literal, $meta:ident, $text:expr) => {
        $(#[$docs])*
        pub struct $name<T>(pub Result<T, FieldError>);

        impl<'a, T: Parameter> ApiExtractor<'a> for $name<T> {
            const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
            const PARAM_IS_REQUIRED: bool = T::IS_REQUIRED;

            type ParamType = T;
            type ParamRawType = T::RawValueType;

            fn register(registry: &mut Registry) {
                T::register(registry);
            }

            fn param_in() -> Option<MetaParamIn> {
                Some(MetaParamIn::$meta)
            }

            fn param_schema_ref() -> Option<MetaSchemaRef> {
                Some(T::schema_ref())
            }

            async fn from_request(
                request: &'a Request,
                _body: &mut RequestBody,
                options: ExtractParamOptions<T>,
            ) -> Result<Self> {
                let text: fn(&'a Request, &str) -> Found<'a> = $text;
                // poem-openapi numbers the parameters of a path and does not tell their names.
                let name = match options.name {
                    "param0" => "file_id",
                    name => name,
                };
                let value = text(request, options.name).and_then(T::parse);
                Ok(Self(value.map_err(|(message, kind)| {
                    FieldError::new(&[$place, name], message, kind)
                })))
            }
        }
    };
}

parameter! {
    /// A segment of the path. (poem-openapi knows it by this name.)
    Path, "path", Path,
    |request, name| Ok(request.raw_path_param(name).map(Cow::Borrowed))
}

parameter! {
    /// A parameter of the query. One that is there twice is wrong: of two tokens, a proxy in front
    /// might have looked at the other.
    Query, "query", Query,
    |request, name| {
        let mut found =
            form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
                .filter(|(found, _)| found == name)
                .map(|(_, value)| value);
        let value = found.next();
        match found.next() {
            Some(_) => Err(REPEATED),
            None => Ok(value),
        }
    }
}

parameter! {
    /// A header.
    Header, "header", Header,
    |request, name| Ok(request.header(name).map(Cow::Borrowed))
}

/// Collects what is wrong with a request's fields.
#[derive(Default)]
pub struct Fields(Vec<FieldError>);

impl Fields {
    /// The value, or `None` and a note of what is wrong with it.
    pub fn take<T>(&mut self, field: Result<T, FieldError>) -> Option<T> {
        field.map_err(|error| self.0.push(error)).ok()
    }

    /// Whether nothing is wrong so far.
    pub fn is_fine(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything that is wrong, as one problem.
    pub fn problem(self) -> Problem {
        Problem::Fields(self.0)
    }
}
