//! `kubectl fgw`, run as kubectl runs it.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Pod, ServiceAccount};
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::backends::variable;
use crate::bed::Bed;

/// The plugin by way of kubectl itself, which finds it on the `PATH`.
fn fgw(bed: &Bed, arguments: &[&str]) -> Command {
    let folder = Path::new(env!("CARGO_BIN_EXE_kubectl-fgw"))
        .parent()
        .unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut command = Command::new("kubectl");
    command
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("KUBECONFIG", variable("FGW_TEST_KUBECONFIG"))
        .env_remove("FILEGATEWAY_JWT")
        .arg("fgw")
        .args(arguments)
        .args(["--namespace", &bed.namespace])
        .stdin(Stdio::null());
    command
}

/// Exit code, output and complaints.
async fn run(mut command: Command) -> (i32, String, String) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let Output {
        status,
        stdout,
        stderr,
    } = output.await.unwrap();
    (
        status.code().unwrap(),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    )
}

#[tokio::test]
async fn status_shows_what_a_gateway_owns_and_what_is_wrong() {
    let (bed, _operator) = Bed::with_operator("tree").await;
    bed.create("files", json!({"bucket": {"publicAccess": "Blocked"}}))
        .await
        .unwrap();
    bed.condition("files", "WorkloadAvailable", "False", "RolloutInProgress")
        .await;
    let (code, text, complaints) = run(fgw(&bed, &["status", "files"])).await;
    assert_eq!(code, 3, "{text}{complaints}");
    assert!(text.contains("Ready False RolloutInProgress: "), "{text}");

    bed.ready("files").await;
    let (code, text, complaints) = run(fgw(&bed, &["status", "files"])).await;
    assert_eq!(code, 0, "{text}{complaints}");
    let status = bed.status("files").await;
    let bucket = status.bucket.unwrap();
    for line in [
        format!(
            "FileGateway {}/files: organization acme, class {}, http://files.{}.svc\n",
            bed.namespace, bed.class, bed.namespace
        ),
        "├─ conditions\n│  ├─ Ready True AllReady\n".into(),
        "│  ├─ BucketConfigured False PublicAccessBlockUnsupported: the S3 server at".into(),
        format!(
            "bucket {} at {}: True Created\n",
            bucket.name, bucket.endpoint
        ),
        format!("S3 user {}: True Issued\n", bucket.user.unwrap()),
        format!("database {} at ", status.database.unwrap().name),
        "   ├─ Deployment files: 1 of 1 ready\n".into(),
        "   ├─ Deployment files-worker: 1 of 1 ready\n".into(),
        "   ├─ Service files\n".into(),
        "   ├─ NetworkPolicy files\n".into(),
        "─ Secret files-s3\n".into(),
    ] {
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    for key in ["access-key-id", "secret-access-key"] {
        assert!(!text.contains(&bed.secret("files-s3").await[key]));
    }

    let (code, _, complaints) = run(fgw(&bed, &["status", "nothing"])).await;
    assert_eq!(code, 1);
    assert!(
        complaints.contains("there is no FileGateway nothing in namespace tree-"),
        "{complaints}"
    );
    let (code, _, complaints) = run(fgw(&bed, &["status"])).await;
    assert_eq!(code, 2);
    assert!(complaints.contains("kubectl fgw status"), "{complaints}");
}

#[tokio::test]
async fn rotate_asks_and_waits_for_the_answer() {
    let (bed, operator) = Bed::with_operator("turn").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    let before = bed.secret("files-s3").await["access-key-id"].clone();
    let (code, text, complaints) = run(fgw(&bed, &["rotate", "files", "all", "--wait"])).await;
    assert_eq!(code, 0, "{text}{complaints}");
    assert!(text.ends_with("issued\n"), "{text}");
    let rotations = bed.status("files").await.rotations.unwrap();
    let answered = rotations.signing_key.unwrap().request;
    assert!(answered.is_some());
    assert_eq!(rotations.access_key.unwrap().request, answered);
    assert_eq!(rotations.database_password.unwrap().request, answered);
    assert_ne!(bed.secret("files-s3").await["access-key-id"], before);

    // Nobody answers.
    operator.stop().await;
    let late = ["rotate", "files", "signing-key", "--wait", "--timeout", "2"];
    let (code, _, complaints) = run(fgw(&bed, &late)).await;
    assert_eq!(code, 1);
    assert!(
        complaints.contains("not all are issued after 2 s"),
        "{complaints}"
    );
    bed.create("small", json!({"database": {"type": "SQLite"}}))
        .await
        .unwrap();
    let (code, _, complaints) = run(fgw(&bed, &["rotate", "small", "database"])).await;
    assert_eq!(code, 1);
    assert!(
        complaints.contains("SQLite, which has no login"),
        "{complaints}"
    );
}

#[tokio::test]
async fn rotate_says_what_others_keep() {
    let bed = Bed::new("others").await;
    let role = "arn:aws:iam::1:role/{namespace}.{name}";
    bed.apply_class(json!({
        "credentials": {"type": "WebIdentity", "webIdentity": {"roleARN": role, "audience": "sts"}},
        "database": null,
    }))
    .await;
    let operator = bed.operator(Duration::from_secs(600)).await;
    bed.apply_secret(
        &bed.namespace,
        "own",
        json!({"url": "postgres://me:hidden@db.example.com/x"}),
    )
    .await;
    let own = json!({"type": "Secret", "secretRef": {"name": "own"}});
    bed.create("files", json!({"database": own})).await.unwrap();
    bed.condition("files", "CredentialsReady", "True", "WebIdentity")
        .await;
    for (what, why) in [
        ("s3", "Pods get temporary keys"),
        ("database", "Change the login at the server"),
    ] {
        let (code, text, complaints) =
            run(fgw(&bed, &["rotate", "files", "signing-key", what])).await;
        assert_eq!((code, text.as_str()), (1, ""), "{complaints}");
        assert!(complaints.contains(why), "{complaints}");
    }
    let gateway = bed.gateways().get("files").await.unwrap();
    assert_eq!(gateway.metadata.annotations, None, "nothing was asked for");
    let (code, text, complaints) = run(fgw(&bed, &["rotate", "files", "all", "--wait"])).await;
    assert_eq!(code, 0, "{text}{complaints}");
    for line in [
        "not replaced: the S3 access key: there is none.",
        "not replaced: the database login: its database is the one",
        "asked for a new one: the signing key\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("issued\n"), "{text}");

    // The key is a Secret's, whether it works or is still missing.
    bed.apply_class(json!({"credentials": {"type": "Secret"}, "database": null}))
        .await;
    bed.condition("files", "CredentialsReady", "False", "CredentialsNotFound")
        .await;
    let (code, _, complaints) = run(fgw(&bed, &["rotate", "files", "s3"])).await;
    assert_eq!(code, 1);
    assert!(
        complaints.contains("Have a new key written there"),
        "{complaints}"
    );
    operator.stop().await;
}

#[tokio::test]
async fn a_paused_gateway_is_left_alone_until_it_is_resumed() {
    let (bed, operator) = Bed::with_operator("paused").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    let (code, text, complaints) = run(fgw(&bed, &["pause", "files"])).await;
    assert_eq!(code, 0, "{text}{complaints}");
    bed.condition("files", "Paused", "True", "PausedByAnnotation")
        .await;
    bed.condition("files", "Ready", "True", "AllReady").await;
    bed.event("files", "Paused").await;

    operator.quiet().await;
    let writes = operator.writes();
    let children = bed.api::<ConfigMap>();
    children
        .delete("files-gateway", &DeleteParams::default())
        .await
        .unwrap();
    bed.patch(
        "files",
        json!({"spec": {"tokens": {"lifetimeSeconds": 60}}}),
    )
    .await
    .unwrap();
    operator.quiet().await;
    assert_eq!(operator.writes(), writes, "a paused gateway is not touched");
    assert!(children.get_opt("files-gateway").await.unwrap().is_none());
    let (_, text, _) = run(fgw(&bed, &["status", "files"])).await;
    assert!(text.lines().next().unwrap().ends_with(", PAUSED"), "{text}");

    // One that is paused from the beginning gets nothing, and says why.
    let mut early = bed.gateway("early", json!({}));
    early["metadata"]["annotations"] = json!({"filegateway.dev/paused": "true"});
    let early = serde_json::from_value(early).unwrap();
    bed.gateways()
        .create(&PostParams::default(), &early)
        .await
        .unwrap();
    bed.condition("early", "Ready", "False", "PausedByAnnotation")
        .await;
    assert!(bed.status("early").await.bucket.is_none());

    let (code, _, complaints) = run(fgw(&bed, &["resume", "files"])).await;
    assert_eq!(code, 0, "{complaints}");
    bed.event("files", "Resumed").await;
    bed.until("the ConfigMap is back", async || {
        children.get_opt("files-gateway").await.unwrap().map(drop)
    })
    .await;
    let conditions = bed.status("files").await.conditions;
    assert!(conditions.iter().all(|one| one.type_ != "Paused"));

    // A pause does not hold a deletion.
    bed.delete("early").await;
    bed.gone("early").await;
}

/// `gateway dev`: a real gateway without a cluster.
struct Dev {
    process: Child,
    announced: Value,
}

impl Dev {
    fn start(folder: &Path) -> Self {
        let programs = Path::new(env!("CARGO_BIN_EXE_kubectl-fgw")).parent();
        let program = programs.unwrap().join("gateway");
        assert!(
            program.exists(),
            "{} is missing: cargo build -p gateway",
            program.display()
        );
        let mut process = Command::new(program)
            .args(["dev", "--listen", "127.0.0.1:0", "--json", "--data"])
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = std::io::BufReader::new(process.stdout.take().unwrap());
        let announced = std::io::BufRead::lines(output)
            .find_map(|line| serde_json::from_str::<Value>(&line.unwrap()).ok())
            .unwrap();
        Self { process, announced }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[tokio::test]
async fn token_exchanges_a_jwt_and_shows_neither() {
    let bed = Bed::new("token").await;
    bed.create("files", json!({})).await.unwrap();
    let folder = std::env::temp_dir().join(&bed.namespace);
    let dev = Dev::start(&folder);
    let gateway = &dev.announced["gateways"][0];
    let address = gateway["url"].as_str().unwrap();
    let jwt = gateway["tokens"]["member"].as_str().unwrap().to_string();

    let mut command = fgw(&bed, &["token", "files", "--address", address]);
    command.env("FILEGATEWAY_JWT", &jwt);
    let (code, token, said) = run(command).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(token.lines().count(), 1, "{token}");
    assert!(said.starts_with("good until 2"), "{said}");
    assert!(!said.contains(&jwt));
    // It opens what the caller may read, and another one does not.
    let id = upload(address, &jwt).await;
    let stream = |token: &str| format!("/v1/files/stream/{id}?token={token}");
    assert_eq!(status_of(address, stream(token.trim())).await, 200);
    assert_eq!(status_of(address, stream("x")).await, 401);

    // From standard input, a wrong one.
    let mut command = fgw(&bed, &["token", "files", "--address", address]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"not-a-jwt\n").unwrap();
    drop(input);
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let output = output.await.unwrap();
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(complaints.contains("401"), "{complaints}");
    assert!(!complaints.contains("not-a-jwt"), "{complaints}");

    // None at all.
    let (code, _, complaints) = run(fgw(&bed, &["token", "files", "--address", address])).await;
    assert_eq!(code, 1);
    assert!(
        complaints.contains("no JWT: set FILEGATEWAY_JWT"),
        "{complaints}"
    );
    drop(dev);
    std::fs::remove_dir_all(folder).ok();
}

/// Stores a file; its id.
async fn upload(address: &str, jwt: &str) -> String {
    let mut config = kube::Config::new(address.parse().unwrap());
    config.auth_info.token = Some(jwt.to_string().into());
    let client = kube::Client::try_from(config).unwrap();
    let form = "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.txt\"\r\n\
        Content-Type: text/plain\r\n\r\nhello\r\n--b--\r\n";
    let request = http::Request::post("/v1/files")
        .header("Content-Type", "multipart/form-data; boundary=b")
        .body(form.as_bytes().to_vec());
    let stored: Value = client.request(request.unwrap()).await.unwrap();
    stored["files"][0]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{stored}"))
        .into()
}

/// The status of a GET.
async fn status_of(address: &str, path: String) -> u16 {
    let client = kube::Client::try_from(kube::Config::new(address.parse().unwrap())).unwrap();
    let request = http::Request::get(path).body(kube::client::Body::empty());
    let answer = client.send(request.unwrap()).await.unwrap();
    answer.status().as_u16()
}

#[tokio::test]
async fn logs_name_the_pod_and_say_when_there_are_none() {
    let bed = Bed::new("logs").await;
    bed.create("files", json!({})).await.unwrap();
    let (code, _, complaints) = run(fgw(&bed, &["logs", "files"])).await;
    assert_eq!(code, 1);
    assert!(complaints.contains("files has no pods"), "{complaints}");

    let account = serde_json::from_value(json!({"metadata": {"name": "pods"}})).unwrap();
    let accounts = bed.api::<ServiceAccount>();
    accounts
        .create(&PostParams::default(), &account)
        .await
        .unwrap();
    // Pods of a node that is gone: the API server can't get at their logs, and says so for each.
    for (name, component) in [("files-a", "gateway"), ("files-worker-b", "worker")] {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {
                "app.kubernetes.io/name": "filegateway",
                "app.kubernetes.io/instance": "files",
                "app.kubernetes.io/component": component,
            }},
            "spec": {"containers": [{"name": "gateway", "image": "i"}],
                "serviceAccountName": "pods", "nodeName": "gone", "automountServiceAccountToken": false},
        }))
        .unwrap();
        let pods = bed.api::<Pod>();
        pods.create(&PostParams::default(), &pod).await.unwrap();
    }
    let (code, _, complaints) = run(fgw(&bed, &["logs", "files"])).await;
    assert_eq!(code, 1);
    for pod in ["[files-a]", "[files-worker-b]", "logs of 2 of 2 pods"] {
        assert!(complaints.contains(pod), "{complaints}");
    }
    let only = ["logs", "files", "--component", "worker"];
    let (_, _, complaints) = run(fgw(&bed, &only)).await;
    assert!(!complaints.contains("[files-a]"), "{complaints}");

    // Following waits for pods that start.
    let mut child = fgw(&bed, &["logs", "files", "-f"]).spawn().unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
}
