//! Schemas of the document that no type of ours parses or prints: the contract's names and shapes,
//! written out.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};

const ERROR: &str = "Error";
const HTTP_VALIDATION_ERROR: &str = "HTTPValidationError";
const VALIDATION_ERROR: &str = "ValidationError";
const GET_FILE: &str = "GetFile";
const UPLOAD: &str = "Body_upload_files_route_v1_files_post";

/// Raw bytes.
pub fn binary() -> MetaSchemaRef {
    inline(MetaSchema::new_with_format("string", "binary"))
}

/// The body of every failure but 422.
pub fn error() -> MetaSchemaRef {
    MetaSchemaRef::Reference(ERROR.to_owned())
}

/// The body of 422.
pub fn validation_error() -> MetaSchemaRef {
    MetaSchemaRef::Reference(HTTP_VALIDATION_ERROR.to_owned())
}

/// The body of `POST /v1/files/location`.
pub fn get_file() -> MetaSchemaRef {
    MetaSchemaRef::Reference(GET_FILE.to_owned())
}

/// The form of `POST /v1/files`.
pub fn upload() -> MetaSchemaRef {
    MetaSchemaRef::Reference(UPLOAD.to_owned())
}

/// Registers the schemas of failures.
pub fn register_errors(registry: &mut Registry) {
    let limit = MetaSchema {
        description: Some("The limit that was in the way."),
        properties: vec![
            (
                "name",
                described("string", "Its name in the configuration."),
            ),
            ("value", inline(MetaSchema::ANY)),
        ],
        required: vec!["name", "value"],
        ..MetaSchema::new("object")
    };
    register_with(
        registry,
        ERROR,
        "Why a request failed.",
        vec![
            ("detail", described("string", "What happened, for people.")),
            (
                "code",
                described("string", "What happened, for programs: a stable name."),
            ),
            (
                "request_id",
                described("string", "The request's id, which the logs have too."),
            ),
        ],
        vec![
            ("limit", inline(limit)),
            (
                "outcomes",
                list(
                    "What became of each file of an upload.",
                    MetaSchemaRef::Reference("Outcome".to_owned()),
                ),
            ),
        ],
    );
    let step = MetaSchema {
        any_of: vec![
            inline(MetaSchema::new("string")),
            inline(MetaSchema::new("integer")),
        ],
        ..MetaSchema::ANY
    };
    register(
        registry,
        VALIDATION_ERROR,
        "One wrong field.",
        vec![
            ("loc", list("Where it is.", inline(step))),
            (
                "msg",
                described("string", "What is wrong with it, for people."),
            ),
            (
                "type",
                described("string", "What is wrong with it, for programs."),
            ),
        ],
    );
    register(
        registry,
        HTTP_VALIDATION_ERROR,
        "Which fields of a request are wrong.",
        vec![(
            "detail",
            list(
                "One entry per wrong field.",
                MetaSchemaRef::Reference(VALIDATION_ERROR.to_owned()),
            ),
        )],
    );
}

/// Registers [`get_file`].
pub fn register_get_file(registry: &mut Registry) {
    register(
        registry,
        GET_FILE,
        "Which file.",
        vec![(
            "location",
            described("string", "The file's full key, as its upload answered it."),
        )],
    );
}

/// Registers [`upload`].
pub fn register_upload(registry: &mut Registry) {
    register(
        registry,
        UPLOAD,
        "The files, each a part named `files`.",
        vec![(
            "files",
            list("One part per file.", binary()).merge(MetaSchema {
                min_items: Some(1),
                ..MetaSchema::ANY
            }),
        )],
    );
}

type Properties = Vec<(&'static str, MetaSchemaRef)>;

fn register(
    registry: &mut Registry,
    name: &'static str,
    description: &'static str,
    properties: Properties,
) {
    register_with(registry, name, description, properties, Vec::new());
}

fn register_with(
    registry: &mut Registry,
    name: &'static str,
    description: &'static str,
    required: Properties,
    optional: Properties,
) {
    registry.create_schema::<(), _>(name.to_owned(), |_| MetaSchema {
        title: Some(name.to_owned()),
        description: Some(description),
        required: required.iter().map(|(name, _)| *name).collect(),
        properties: [required, optional].concat(),
        ..MetaSchema::new("object")
    });
}

fn described(ty: &'static str, description: &'static str) -> MetaSchemaRef {
    inline(MetaSchema {
        description: Some(description),
        ..MetaSchema::new(ty)
    })
}

fn list(description: &'static str, items: MetaSchemaRef) -> MetaSchemaRef {
    inline(MetaSchema {
        description: Some(description),
        items: Some(Box::new(items)),
        ..MetaSchema::new("array")
    })
}

fn inline(schema: MetaSchema) -> MetaSchemaRef {
    MetaSchemaRef::Inline(Box::new(schema))
}
