//! What the chart makes of five sets of values: as it was the last time somebody looked at it, and right
//! by the schemas of the running API server.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

use crate::bed::Bed;
use crate::chart::{chart, helm};

const VALUES: [&str; 5] = ["default", "small", "full", "namespaced", "observed"];

/// The chart's documents for `tests/chart/{values}.yaml`.
fn rendered(values: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/chart/{values}.yaml"));
    let file = file.display().to_string();
    helm(&[
        "template",
        "filegateway",
        &chart(),
        "--namespace",
        "filegateway-system",
        "--values",
        &file,
    ])
}

/// Without what is generated and plain elsewhere.
fn interesting(documents: &str) -> String {
    let dull = [
        "kind: CustomResourceDefinition",
        "kind: PrometheusRule",
        "dashboards.yaml",
    ];
    let kept = documents.split("\n---\n");
    let kept = kept.filter(|one| !dull.iter().any(|word| one.contains(word)));
    kept.collect::<Vec<_>>().join("\n---\n")
}

#[test]
fn documents_are_those_of_the_last_look() {
    for values in VALUES {
        insta::assert_snapshot!(format!("chart_{values}"), interesting(&rendered(values)));
    }
}

#[tokio::test]
async fn documents_are_right_by_the_running_servers_schemas() {
    // Its definitions are there.
    let bed = Bed::new("schemas").await;
    let folder = schemas(&bed).await;
    let location = format!(
        "{}/{{{{ .ResourceKind }}}}-{{{{ .Group }}}}-{{{{ .ResourceAPIVersion }}}}.json",
        folder.display()
    );
    // Other projects' kinds, which this server does not have.
    let check = |documents: &str| {
        let mut child = Command::new("kubeconform")
            .args(["-strict", "-summary", "-schema-location", &location])
            .args(["-skip", "ServiceMonitor,PrometheusRule"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubeconform is on the PATH under `testbed exec`");
        let mut input = child.stdin.take().unwrap();
        let documents = documents.to_string();
        let writer = std::thread::spawn(move || input.write_all(documents.as_bytes()).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), text)
    };
    for values in VALUES {
        let (right, said) = check(&rendered(values));
        assert!(right, "{values}: {said}");
        assert!(said.contains("Invalid: 0, Errors: 0"), "{values}: {said}");
    }
    // It does refuse others.
    let wrong = rendered("full");
    for (field, other) in [
        ("replicas: 2", "replicas: two"),
        ("priorityClassName:", "priorityClass:"),
        ("versioning: Enabled", "versioning: Always"),
    ] {
        assert!(wrong.contains(field), "{field}");
        let (right, said) = check(&wrong.replace(field, other));
        assert!(!right, "{other}: {said}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// A folder with a JSON schema per kind, made of the server's own OpenAPI document.
async fn schemas(bed: &Bed) -> PathBuf {
    let request = http::Request::get("/openapi/v2").body(Vec::new()).unwrap();
    let document: Value = bed.client.request(request).await.unwrap();
    let definitions = document["definitions"].as_object().unwrap();
    let strict: Map<String, Value> = definitions
        .iter()
        .map(|(name, schema)| (name.clone(), strict(schema.clone())))
        .collect();
    let folder = std::env::temp_dir().join(&bed.namespace);
    std::fs::create_dir_all(&folder).unwrap();
    let mut written = BTreeMap::new();
    for (name, schema) in definitions {
        let kinds = schema["x-kubernetes-group-version-kind"].as_array();
        for kind in kinds.into_iter().flatten() {
            let word = |field: &str| kind[field].as_str().unwrap().to_lowercase();
            // kubeconform calls the core group by its version alone.
            let group = match word("group") {
                group if group.is_empty() => "v1".to_string(),
                group => group,
            };
            let file = format!("{}-{group}-{}.json", word("kind"), word("version"));
            written.insert(file, name);
        }
    }
    for (file, name) in written {
        let wanted = [
            "deployment",
            "service",
            "role",
            "cluster",
            "pod-",
            "poddis",
            "configmap",
            "custom",
            "filegateway",
            "validating",
        ];
        if wanted.iter().any(|start| file.starts_with(start)) {
            let schema = json!({"$ref": format!("#/definitions/{name}"), "definitions": strict});
            std::fs::write(folder.join(file), schema.to_string()).unwrap();
        }
    }
    folder
}

/// Fields that the server does not know are wrong; a number or a word is either.
fn strict(mut schema: Value) -> Value {
    if schema["format"] == "int-or-string" {
        return json!({"type": ["string", "integer"]});
    }
    if let Some(fields) = schema.as_object_mut() {
        let closed = fields.contains_key("properties")
            && !fields.contains_key("additionalProperties")
            && fields.get("x-kubernetes-preserve-unknown-fields") != Some(&json!(true));
        if closed {
            fields.insert("additionalProperties".into(), false.into());
        }
        for (_, inner) in fields.iter_mut() {
            *inner = strict(inner.take());
        }
    } else if let Some(items) = schema.as_array_mut() {
        for inner in items {
            *inner = strict(inner.take());
        }
    }
    schema
}
