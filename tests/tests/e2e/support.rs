//! The cluster under test, and waiting.

use std::path::Path;
use std::time::{Duration, Instant};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use testbed::journey::{Gateway, RunFile, Samples};
use testbed::run::Access;

pub fn run() -> RunFile {
    let path = std::env::var("FGW_TEST_RUN").expect(
        "FGW_TEST_RUN is not set: run the tests with `make test`, or `make run` and then \
         FGW_TEST_RUN=$PWD/target/run.json",
    );
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap()
}

pub fn gateway(organization: &str) -> Gateway {
    run()
        .gateways
        .into_iter()
        .find(|gateway| gateway.organization == organization)
        .unwrap()
}

pub fn access() -> Access {
    Access {
        kubectl: std::env::var_os("FGW_TEST_KUBECTL")
            .unwrap_or_else(|| "kubectl".into())
            .into(),
        helm: std::env::var_os("FGW_TEST_HELM")
            .unwrap_or_else(|| "helm".into())
            .into(),
        kubeconfig: run().kubeconfig,
        context: None,
    }
}

pub fn samples() -> Samples {
    Samples::make(&testbed::cache::folder("samples")).unwrap()
}

/// kubectl's standard output, or what it said instead.
pub fn kubectl(arguments: &[&str]) -> Result<String, String> {
    let output = access().kubectl(arguments).output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Upgrades the release to a chart with further values over those that it has.
///
/// # Panics
/// Helm fails, or the operator does not become available.
pub fn upgrade(chart: &Path, values: &[&str]) {
    let chart = chart.display().to_string();
    let mut helm = access().helm(&[
        "upgrade",
        "filegateway",
        &chart,
        "--namespace=filegateway-system",
        "--reset-then-reuse-values",
        "--wait",
        "--timeout=180s",
    ]);
    for value in values {
        helm.args(["--set", value]);
    }
    let output = helm.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
}

/// The names of the pods of a namespace that fit `selector`, are ready and not on their way out.
pub fn ready_pods(namespace: &str, selector: &str) -> Vec<String> {
    let pods = kubectl(&["get", "pods", "-n", namespace, "-l", selector, "-o", "json"]);
    let pods: Value = serde_json::from_str(&pods.unwrap_or_default()).unwrap_or_default();
    let stays = |pod: &&Value| {
        let ready = &pod["status"]["containerStatuses"][0]["ready"];
        *ready == true && pod["metadata"]["deletionTimestamp"].is_null()
    };
    let all = pods["items"].as_array().into_iter().flatten();
    let names = all
        .filter(stays)
        .filter_map(|pod| pod["metadata"]["name"].as_str());
    names.map(str::to_owned).collect()
}

pub fn object(kind: &str, namespace: &str, name: &str) -> Option<Value> {
    access().get(kind, namespace, name).unwrap()
}

/// Asks until `probe` answers, every 200 ms, `limit` at most.
pub async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(
            started.elapsed() < limit,
            "{what}: not within {} s",
            limit.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

pub fn secret(namespace: &str, name: &str, key: &str) -> String {
    let secret = object("secret", namespace, name).unwrap_or_else(|| panic!("{namespace}/{name}"));
    let value = secret["data"][key]
        .as_str()
        .unwrap_or_else(|| panic!("{name} has no {key}"));
    String::from_utf8(STANDARD.decode(value).unwrap()).unwrap()
}

/// The cluster's S3 server with the keys of a Secret.
pub fn s3(namespace: &str, name: &str) -> aws_sdk_s3::Client {
    let key = |key| secret(namespace, name, key);
    s3_with(&key("access-key-id"), &key("secret-access-key"))
}

/// The cluster's S3 server with a key.
pub fn s3_with(id: &str, key: &str) -> aws_sdk_s3::Client {
    let service = object("service", "storage", "s3").unwrap();
    let address = service["spec"]["clusterIP"].as_str().unwrap();
    let credentials = Credentials::new(id, key, None, None, "cluster");
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(format!("http://{address}:7070"))
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .force_path_style(true)
        .build();
    aws_sdk_s3::Client::from_conf(config)
}
