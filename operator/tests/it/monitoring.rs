//! The chart's alert rules and dashboards: right for Prometheus, and about metrics that there are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::backends::{s3_admin, variable};
use crate::bed::Bed;
use crate::chart::{chart, helm};

const ALERTS: &str = include_str!("../../../charts/filegateway/files/alerts.yaml");
const DASHBOARDS: [&str; 2] = [
    include_str!("../../../charts/filegateway/files/dashboards/operator.json"),
    include_str!("../../../charts/filegateway/files/dashboards/gateways.json"),
];

fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .expect("promtool is on the PATH under `testbed exec`");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complaints}");
}

fn alert_names(text: &str, key: &str) -> BTreeSet<String> {
    let lines = text.lines();
    lines
        .filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix(key))
        .map(|name| name.trim().to_string())
        .collect()
}

#[test]
fn promtool_takes_the_rules_and_each_fires_when_it_should() {
    promtool(&["check", "rules", "../charts/filegateway/files/alerts.yaml"]);
    promtool(&["test", "rules", "tests/alerts.yaml"]);
    let alerts = alert_names(ALERTS, "alert:");
    assert!(alerts.len() >= 10, "{alerts:?}");
    let tested = alert_names(include_str!("../alerts.yaml"), "alertname:");
    assert_eq!(alerts, tested, "each alert has a test");
    let headings = alert_names(include_str!("../../../docs/runbook.md"), "## ");
    assert_eq!(
        alerts, headings,
        "each alert has its section in the runbook"
    );
}

#[test]
fn the_chart_brings_rules_and_dashboards_only_when_asked() {
    let chart = chart();
    let plain = helm(&["template", "fgw", &chart]);
    assert!(!plain.contains("PrometheusRule") && !plain.contains("grafana_dashboard"));
    let asked = helm(&[
        "template",
        "fgw",
        &chart,
        "--set",
        "metrics.prometheusRule.enabled=true,metrics.prometheusRule.labels.release=prometheus",
        "--set",
        "metrics.dashboards.enabled=true,metrics.dashboards.namespace=grafana",
    ]);
    let documents: Vec<Value> = serde_saphyr::from_multiple(&asked).unwrap();
    let of_kind = |kind: &str| documents.iter().find(|one| one["kind"] == kind).unwrap();
    let rule = of_kind("PrometheusRule");
    assert_eq!(rule["metadata"]["labels"]["release"], "prometheus");
    let groups: Value = serde_saphyr::from_str(ALERTS).unwrap();
    assert_eq!(
        rule["spec"], groups,
        "Helm leaves Prometheus' templates alone"
    );
    let dashboards = of_kind("ConfigMap");
    assert_eq!(dashboards["metadata"]["namespace"], "grafana");
    assert_eq!(dashboards["metadata"]["labels"]["grafana_dashboard"], "1");
    for (name, text) in [("operator", DASHBOARDS[0]), ("gateways", DASHBOARDS[1])] {
        let shipped = dashboards["data"][format!("filegateway-{name}.json")].as_str();
        let shipped: Value = serde_json::from_str(shipped.unwrap()).unwrap();
        assert_eq!(shipped, serde_json::from_str::<Value>(text).unwrap());
    }
}

/// The anchor that a heading of Markdown gets.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace(' ', "-")
}

#[test]
fn each_alert_leads_to_its_section_of_the_runbook() {
    let asked = helm(&[
        "template",
        "fgw",
        &chart(),
        "--set",
        "metrics.prometheusRule.enabled=true",
        "--set",
        "metrics.prometheusRule.runbookUrl=https://wiki.example.com/runbook",
    ]);
    let documents: Vec<Value> = serde_saphyr::from_multiple(&asked).unwrap();
    let rule = documents.iter().find(|one| one["kind"] == "PrometheusRule");
    let mut rules = rule.unwrap()["spec"].clone();
    let headings = alert_names(include_str!("../../../docs/runbook.md"), "## ");
    let anchors: BTreeSet<String> = headings.iter().map(|heading| anchor(heading)).collect();
    let mut seen = BTreeSet::new();
    for group in rules["groups"].as_array_mut().unwrap() {
        for alert in group["rules"].as_array_mut().unwrap() {
            let annotations = alert["annotations"].as_object_mut().unwrap();
            let url = annotations.remove("runbook_url").unwrap();
            let (page, section) = url.as_str().unwrap().split_once('#').unwrap();
            assert_eq!(page, "https://wiki.example.com/runbook");
            assert!(anchors.contains(section), "{section}");
            assert!(seen.insert(section.to_string()), "{section} twice");
        }
    }
    assert_eq!(seen, anchors);
    let shipped: Value = serde_saphyr::from_str(ALERTS).unwrap();
    assert_eq!(rules, shipped, "nothing else is changed");
}

#[test]
fn dashboards_have_expressions_that_prometheus_can_read() {
    for text in DASHBOARDS {
        let dashboard: Value = serde_json::from_str(text).unwrap();
        let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
        let mut ids = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
            assert!(!panel["description"].as_str().unwrap().is_empty());
            for target in panel["targets"].as_array().unwrap() {
                let expression = target["expr"].as_str().unwrap();
                let expression = expression.replace("$__rate_interval", "5m");
                let number = rules.lines().count();
                let rule = json!({"record": format!("panel:{number}"), "expr": expression});
                rules.push_str(&format!("      - {rule}\n"));
            }
        }
        let file = std::env::temp_dir().join(format!("fgw-{:08x}.yaml", rand::random::<u32>()));
        std::fs::write(&file, rules).unwrap();
        promtool(&["check", "rules", &file.display().to_string()]);
        std::fs::remove_file(file).unwrap();
    }
}

/// Names of metrics that a text speaks of.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| word.starts_with("filegateway_"));
    names.map(str::to_string).collect()
}

/// Names of samples in an exposition.
fn samples(exposition: &str) -> BTreeSet<String> {
    let lines = exposition.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split(['{', ' ']).next())
        .map(str::to_string)
        .collect()
}

#[tokio::test]
async fn every_metric_that_is_named_is_exposed() {
    let (bed, operator) = Bed::with_operator("exposed").await;
    // Something fails, something is settled, and calls are made.
    bed.s3.cut();
    bed.create("files", json!({})).await.unwrap();
    bed.condition("files", "BucketReady", "False", "BackendUnreachable")
        .await;
    bed.s3.mend();
    bed.ready("files").await;
    let (_, text) = operator.get("/metrics").await.unwrap();
    let mut exposed = samples(&text);
    operator.stop().await;

    let gateway = Gateway::start(&bed).await;
    let named: BTreeSet<String> = metrics_in(ALERTS)
        .into_iter()
        .chain(DASHBOARDS.iter().flat_map(|text| metrics_in(text)))
        .collect();
    assert!(named.len() > 20, "{named:?}");
    // Some are there once a video was worked on, and once jobs were counted.
    let deadline = Instant::now() + Duration::from_secs(40);
    loop {
        exposed.extend(gateway.metrics().await.unwrap_or_default());
        let missing: Vec<_> = named.difference(&exposed).collect();
        if missing.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "nobody exposes {missing:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// A real gateway and a worker beside it, told to work on a film that is none.
struct Gateway {
    processes: Vec<Child>,
    folder: PathBuf,
    metrics: [String; 2],
}

impl Gateway {
    async fn start(bed: &Bed) -> Self {
        let folder = std::env::temp_dir().join(&bed.namespace);
        std::fs::create_dir_all(&folder).unwrap();
        let bucket = format!("g-{}", bed.namespace);
        let created = s3_admin().create_bucket().bucket(&bucket).send().await;
        created.unwrap();
        let path = |name: &str| folder.join(name).display().to_string();
        let keys = json!({"current": {"kid": "a",
            "secret": base64::engine::general_purpose::STANDARD.encode([7; 32])}});
        for (name, text) in [
            ("access-key-id", variable("FGW_TEST_S3_ACCESS_KEY")),
            ("secret-access-key", variable("FGW_TEST_S3_SECRET_KEY")),
            ("jwt-secret", "s".repeat(32)),
            ("keys.json", keys.to_string()),
            (
                "webhook-secret",
                format!(
                    "whsec_{}",
                    base64::engine::general_purpose::STANDARD.encode([7; 32])
                ),
            ),
        ] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let [listen, metrics, of_worker, nobody] = [free(), free(), free(), free()];
        let program = Path::new(env!("CARGO_BIN_EXE_operator")).parent();
        let program = program.unwrap().join("gateway");
        let start = |command: &str, metrics: &str| {
            Command::new(&program)
                .arg(command)
                .env("FILEGATEWAY_ORGANIZATION", "acme")
                .env("FILEGATEWAY_LISTEN", &listen)
                .env(
                    "FILEGATEWAY_STORE_ENDPOINT",
                    variable("FGW_TEST_S3_ENDPOINT"),
                )
                .env("FILEGATEWAY_STORE_BUCKET", &bucket)
                .env("FILEGATEWAY_STORE_CREDENTIALS_DIR", path(""))
                .env(
                    "FILEGATEWAY_DATABASE_URL",
                    format!("sqlite://{}", path("catalog.db")),
                )
                .env("FILEGATEWAY_AUTH_ISSUER", "issuer")
                .env("FILEGATEWAY_AUTH_AUDIENCE", "files")
                .env("FILEGATEWAY_AUTH_SECRET_FILE", path("jwt-secret"))
                .env("FILEGATEWAY_TOKENS_KEYS_FILE", path("keys.json"))
                .env("FILEGATEWAY_METRICS_LISTEN", metrics)
                // Nobody takes the events in, which is counted too.
                .env("FILEGATEWAY_WEBHOOK_URL", format!("http://{nobody}"))
                .env("FILEGATEWAY_WEBHOOK_SECRET_FILE", path("webhook-secret"))
                .env("FILEGATEWAY_WEBHOOK_PRIVATE_ADDRESSES", "true")
                // A request to what is gone is counted without a file.
                .env("FILEGATEWAY_ACCESS_LOCATION_STREAM", "Off")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("the gateway is built: cargo build -p gateway")
        };
        let mut gateway = Self {
            processes: vec![start("serve", &metrics)],
            folder: folder.clone(),
            metrics: [metrics, of_worker.clone()],
        };
        let address = format!("http://{listen}");
        bed.until("the gateway is ready", async || {
            let request = http::Request::get("/readyz").body(Vec::new()).unwrap();
            (ask(&address, None, request).await? == 200).then_some(())
        })
        .await;
        gateway.processes.push(start("worker", &of_worker));
        let film = b"--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.mp4\"\r\n\
            Content-Type: video/mp4\r\n\r\n\0\0\0\x18ftypmp42\0\0\0\0mp42isom\r\n--b--\r\n";
        let upload = http::Request::post("/v1/files")
            .header("Content-Type", "multipart/form-data; boundary=b")
            .body(film.to_vec())
            .unwrap();
        assert_eq!(ask(&address, Some(jwt()), upload).await, Some(200));
        let gone = http::Request::get("/v1/files/stream?location=a&token=b")
            .body(Vec::new())
            .unwrap();
        assert_eq!(ask(&address, None, gone).await, Some(410));
        gateway
    }

    async fn metrics(&self) -> Option<BTreeSet<String>> {
        let mut all = BTreeSet::new();
        for address in &self.metrics {
            let address = format!("http://{address}");
            let client = kube::Client::try_from(kube::Config::new(address.parse().unwrap()));
            let request = http::Request::get("/metrics").body(Vec::new()).unwrap();
            all.extend(samples(&client.unwrap().request_text(request).await.ok()?));
        }
        Some(all)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        for process in &mut self.processes {
            process.kill().ok();
            process.wait().ok();
        }
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// The status of an answer; none without one.
async fn ask(address: &str, jwt: Option<String>, request: http::Request<Vec<u8>>) -> Option<u16> {
    let mut config = kube::Config::new(address.parse().unwrap());
    config.auth_info.token = jwt.map(Into::into);
    let client = kube::Client::try_from(config).unwrap();
    let request = request.map(kube::client::Body::from);
    let answer = client.send(request).await.ok()?;
    Some(answer.status().as_u16())
}

fn free() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A JWT (RFC 7519) of a member, signed with the shared secret.
fn jwt() -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let expires = k8s_openapi::jiff::Timestamp::now().as_second() + 600;
    let head = part(json!({"alg": "HS256", "typ": "JWT"}));
    let claims = part(
        json!({"iss": "issuer", "aud": "files", "org": "acme", "sub": "member",
        "exp": expires}),
    );
    let signed = format!("{head}.{claims}");
    let mut mac = Hmac::<Sha256>::new_from_slice("s".repeat(32).as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{signed}.{signature}")
}
