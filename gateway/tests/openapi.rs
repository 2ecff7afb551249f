//! The checked-in document is the one that the gateway serves, and keeps the contract's names.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;

use serde_json::{Value, json};

const CHECKED_IN: &str = include_str!("../openapi.json");

fn document() -> Value {
    serde_json::from_str(&gateway::api::document()).unwrap()
}

/// Calls `check` with the path, the method and the description of each operation.
fn each_operation(document: &Value, check: impl Fn(&str, &str, &Value)) {
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            check(path, method, operation);
        }
    }
}

#[test]
fn the_checked_in_document_is_current() {
    assert!(
        gateway::api::document() == CHECKED_IN,
        "gateway/openapi.json is out of date: run `make generate`, or \
         `cargo run -p gateway -- openapi > gateway/openapi.json`"
    );
}

#[test]
fn every_operation_of_the_contract_is_there() {
    let document = document();
    let operations: BTreeSet<(&str, &str)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, operations)| {
            let methods = operations.as_object().unwrap().keys();
            methods.map(|method| (path.as_str(), method.as_str()))
        })
        .collect();
    let expected = BTreeSet::from([
        ("/v1/files", "post"),
        ("/v1/files/location", "post"),
        ("/v1/files/stream", "get"),
        ("/v1/files/stream", "head"),
        ("/v1/files/stream/{file_id}", "get"),
        ("/v1/files/stream/{file_id}", "head"),
        ("/v1/files/token", "delete"),
        ("/v1/files/token", "get"),
        ("/v1/files/token", "post"),
        ("/v1/files/{file_id}", "delete"),
        ("/v1/files/{file_id}", "get"),
        ("/v1/files/{file_id}", "head"),
        ("/v1/files/{file_id}/events", "get"),
        ("/v1/files/{file_id}/hls/master.m3u8", "get"),
        ("/v1/files/{file_id}/hls/{rendition}/{name}", "get"),
        ("/v1/files/{file_id}/metadata", "get"),
        ("/v1/files/{file_id}/poster", "get"),
        ("/v1/files/{file_id}/retry", "post"),
        ("/v1/files/{file_id}/thumbnails.vtt", "get"),
        ("/v1/files/{file_id}/thumbnails/{name}", "get"),
        ("/v1/uploads", "options"),
        ("/v1/uploads", "post"),
        ("/v1/uploads/{upload_id}", "delete"),
        ("/v1/uploads/{upload_id}", "head"),
        ("/v1/uploads/{upload_id}", "options"),
        ("/v1/uploads/{upload_id}", "patch"),
    ]);
    assert_eq!(operations, expected);
}

#[test]
fn parameters_have_the_contracts_names_and_places() {
    let document = document();
    let token = ("token", "query", true);
    let range = ("range", "header", false);
    let file_id = ("file_id", "path", true);
    for (path, method, expected) in [
        (
            "/v1/files/stream/{file_id}",
            "get",
            vec![file_id, token, range, ("variant", "query", false)],
        ),
        (
            "/v1/files/stream",
            "get",
            vec![("location", "query", true), token, range],
        ),
        ("/v1/files/{file_id}", "delete", vec![file_id]),
        ("/v1/files/token", "get", vec![("file_id", "query", false)]),
    ] {
        let parameters = &document["paths"][path][method]["parameters"];
        let found: Vec<_> = parameters
            .as_array()
            .unwrap()
            .iter()
            .map(|parameter| {
                (
                    parameter["name"].as_str().unwrap(),
                    parameter["in"].as_str().unwrap(),
                    parameter["required"].as_bool().unwrap(),
                )
            })
            .collect();
        assert_eq!(found, expected, "{method} {path}");
    }
}

#[test]
fn bodies_have_the_contracts_schemas() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let upload = &document["paths"]["/v1/files"]["post"]["requestBody"];
    assert_eq!(
        upload["content"]["multipart/form-data"]["schema"]["$ref"],
        "#/components/schemas/Body_upload_files_route_v1_files_post"
    );
    assert_eq!(upload["required"], true);
    let form = &schemas["Body_upload_files_route_v1_files_post"];
    assert_eq!(form["required"], json!(["files"]));
    assert_eq!(form["properties"]["files"]["type"], "array");
    assert_eq!(form["properties"]["files"]["items"]["format"], "binary");

    let location = &document["paths"]["/v1/files/location"]["post"]["requestBody"];
    assert_eq!(
        location["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/GetFile"
    );
    assert_eq!(schemas["GetFile"]["required"], json!(["location"]));
    assert_eq!(
        schemas["GetFile"]["properties"]["location"]["type"],
        "string"
    );
}

#[test]
fn answers_have_the_contracts_schemas() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    assert_eq!(
        schemas["HTTPValidationError"]["properties"]["detail"]["items"]["$ref"],
        "#/components/schemas/ValidationError"
    );
    assert_eq!(
        schemas["ValidationError"]["required"],
        json!(["loc", "msg", "type"])
    );
    each_operation(&document, |path, method, operation| {
        // Beyond the contract.
        if (path, method) == ("/v1/files/token", "delete") || path.starts_with("/v1/uploads") {
            return;
        }
        let responses = &operation["responses"];
        assert_eq!(
            responses["200"]["description"], "Successful Response",
            "{method} {path}"
        );
        assert_eq!(
            responses["404"]["description"], "Not found",
            "{method} {path}"
        );
        assert_eq!(
            responses["422"]["content"]["application/json"]["schema"]["$ref"],
            "#/components/schemas/HTTPValidationError",
            "{method} {path}"
        );
    });
}

#[test]
fn only_streaming_by_location_is_deprecated() {
    each_operation(&document(), |path, method, operation| {
        let deprecated = operation["deprecated"] == true;
        assert_eq!(deprecated, path == "/v1/files/stream", "{method} {path}");
    });
}

#[test]
fn operations_without_a_token_in_the_query_need_bearer() {
    let document = document();
    let scheme = &document["components"]["securitySchemes"]["Bearer"];
    assert_eq!(scheme["type"], "http");
    assert_eq!(scheme["scheme"], "bearer");
    each_operation(&document, |path, method, operation| {
        let signed_in = operation["security"] == json!([{"Bearer": []}]);
        let with_token = ["/stream", "/hls/", "/poster", "/thumbnails", "/events"];
        let open = with_token.iter().any(|part| path.contains(part)) || method == "options";
        assert_eq!(signed_in, !open, "{method} {path}");
    });
}
