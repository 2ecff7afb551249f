//! Traces of passes, as a receiver of OTLP gets them.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command};

use serde_json::{Value, json};

use crate::backends::variable;
use crate::bed::{Bed, SYSTEM};
use crate::receiver::{Exported, Receiver};

/// The program, killed when the test ends before it.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_is_a_trace_with_the_gateways_name_and_its_calls() {
    let bed = Bed::new("traces").await;
    bed.apply_class(json!({})).await;
    bed.create("files", json!({})).await.unwrap();
    let receiver = Receiver::start().await;
    let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.log", bed.namespace));
    let child = Command::new(env!("CARGO_BIN_EXE_operator"))
        .arg("run")
        .env("KUBECONFIG", variable("FGW_TEST_KUBECONFIG"))
        .env("FILEGATEWAY_OPERATOR_NAMESPACE", SYSTEM)
        .env("FILEGATEWAY_GATEWAY_IMAGE", "filegateway/gateway:test")
        .env("FILEGATEWAY_WATCH_NAMESPACES", &bed.namespace)
        .env("FILEGATEWAY_LEASE_NAME", format!("lease-{}", bed.namespace))
        .env("FILEGATEWAY_HEALTH_LISTEN", "127.0.0.1:0")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint)
        .env("OTEL_BSP_SCHEDULE_DELAY", "100")
        .stdout(File::create(&log).unwrap())
        .spawn();
    let _process = Process(child.unwrap());

    let named = |span: &Exported| {
        span.name == "reconcile FileGateway"
            && span.is("k8s.namespace.name", &bed.namespace)
            && span.is("filegateway.name", "files")
    };
    // The pass that makes everything.
    let pass = receiver
        .until("a pass with its calls", |spans| {
            let mut passes = spans.iter().filter(|span| named(span));
            let of = |pass: &Exported, name: &str| {
                spans
                    .iter()
                    .any(|span| span.name == name && span.parent == pass.id)
            };
            let calls = ["S3.CreateBucket", "IAM.CreateUser", "create the database"];
            let pass = passes.find(|pass| calls.iter().all(|call| of(pass, call)));
            pass.cloned()
        })
        .await;
    assert_eq!(pass.parent, "");
    assert!(pass.attributes.contains_key("filegateway.outcome"));
    assert_eq!(pass.resource["service.name"], "filegateway-operator");
    for span in receiver.spans() {
        let root = span.name.starts_with("reconcile FileGateway");
        assert_eq!(span.parent.is_empty(), root, "{span:?}");
    }

    // The lines of that pass have the names and the ids.
    let logged = std::fs::read_to_string(&log).unwrap();
    let told = logged
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["span"]["trace_id"] == pass.trace.as_str())
        .collect::<Vec<_>>();
    assert!(!told.is_empty(), "no line has {}: {logged}", pass.trace);
    for line in told {
        assert_eq!(line["span"]["span_id"], pass.id.as_str(), "{line}");
        assert_eq!(line["span"]["object.namespace"], bed.namespace.as_str());
        assert_eq!(line["span"]["object.name"], "files", "{line}");
    }
}
