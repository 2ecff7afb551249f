//! The checked-in YAML and the reference page are what the types generate, and every field of it is described.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::Path;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn checked_in_yaml_equals_the_types() {
    for folder in ["crds/yaml", "charts/filegateway/files/crds"] {
        for (name, definition) in crds::definitions() {
            let path = workspace().join(folder).join(name);
            let found = std::fs::read_to_string(&path).unwrap_or_default();
            let wanted = crds::to_yaml(&definition).unwrap();
            assert!(
                found == wanted,
                "{} is out of date: run `make generate`",
                path.display()
            );
        }
    }
}

#[test]
fn the_reference_page_equals_the_types() {
    let path = workspace().join("docs/reference.md");
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == crds::reference_page(),
        "docs/reference.md is out of date: run `make generate`"
    );
}

#[test]
fn the_charts_readme_equals_its_values() {
    let chart = workspace().join("charts/filegateway");
    let values = std::fs::read_to_string(chart.join("values.yaml")).unwrap();
    let found = std::fs::read_to_string(chart.join("README.md")).unwrap_or_default();
    assert!(
        found == crds::values_page(&values),
        "charts/filegateway/README.md is out of date: run `make generate`"
    );
}

#[test]
fn every_field_is_described() {
    for (name, definition) in crds::definitions() {
        for version in &definition.spec.versions {
            let schema = version
                .schema
                .as_ref()
                .unwrap()
                .open_api_v3_schema
                .as_ref()
                .unwrap();
            assert_described(name, schema);
        }
    }
}

fn assert_described(path: &str, schema: &JSONSchemaProps) {
    for (name, property) in schema.properties.iter().flatten() {
        let path = format!("{path}: {name}");
        let root = path.matches(": ").count() == 1;
        assert!(
            property.description.is_some() || (root && name == "status"),
            "{path} has no description: add a doc comment to its field"
        );
        assert_described(&path, property);
    }
}
