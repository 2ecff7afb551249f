//! Keys that a token is exchanged for, at a real STS server: a MinIO that trusts an issuer of the test's.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use gateway::store::{Keys, Store, StoreSettings, WebIdentity};
use gateway::telemetry::Metrics;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use poem::endpoint::make_sync;
use poem::listener::{Acceptor, Listener, TcpListener as Listening};
use poem::{Response, Route, Server};
use serde_json::json;
use url::Url;

const AUDIENCE: &str = "files-of-acme";
/// How long MinIO lets temporary keys live.
const LIFE: Duration = Duration::from_secs(8);

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

struct Issuer {
    key: EncodingKey,
    url: String,
    asked: Arc<Mutex<u32>>,
}

impl Issuer {
    async fn start() -> Self {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EncodingKey::from_ec_der(der.as_ref());
        let jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = json!("one");
        jwk["alg"] = json!("ES256");
        jwk["use"] = json!("sig");
        let acceptor = Listening::bind("127.0.0.1:0")
            .into_acceptor()
            .await
            .unwrap();
        let address = acceptor.local_addr()[0].to_string();
        let url = format!("http://{}", address.trim_start_matches("socket://"));
        let asked = Arc::new(Mutex::new(0));
        let document = json!({
            "issuer": url,
            "jwks_uri": format!("{url}/keys"),
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
        });
        let keys = json!({"keys": [jwk]});
        let counted = asked.clone();
        let routes = Route::new()
            .at(
                "/.well-known/openid-configuration",
                make_sync(move |_| Response::builder().body(document.to_string())),
            )
            .at(
                "/keys",
                make_sync(move |_| {
                    *counted.lock().unwrap() += 1;
                    Response::builder().body(keys.to_string())
                }),
            );
        tokio::spawn(Server::new_with_acceptor(acceptor).run(routes));
        Self { key, url, asked }
    }

    /// A token as Kubernetes makes one for a ServiceAccount.
    fn token(&self, audience: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let claims = json!({
            "iss": self.url,
            "sub": "system:serviceaccount:acme:files",
            "aud": [audience],
            "iat": now.as_secs(),
            "exp": now.as_secs() + 3600,
        });
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("one".into());
        encode(&header, &claims, &self.key).unwrap()
    }
}

/// A MinIO whose one role may read and write everything, and the ARN of that role.
async fn minio(issuer: &Issuer, folder: &Path) -> (Running, Url, String) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let configuration = format!("{}/.well-known/openid-configuration", issuer.url);
    let child = Command::new("minio")
        .args(["server", "--quiet", "--address", &address])
        .arg(folder.join("data"))
        .env("MINIO_ROOT_USER", "administrator")
        .env("MINIO_ROOT_PASSWORD", "of-the-test-alone")
        .env("MINIO_BROWSER", "off")
        .env("MINIO_UPDATE", "off")
        .env("MINIO_STS_DURATION", format!("{}s", LIFE.as_secs()))
        .env("MINIO_IDENTITY_OPENID_CONFIG_URL", configuration)
        .env("MINIO_IDENTITY_OPENID_CLIENT_ID", AUDIENCE)
        .env("MINIO_IDENTITY_OPENID_ROLE_POLICY", "readwrite")
        .env("HOME", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("minio is on the PATH under `testbed exec`");
    let running = Running(child);
    let endpoint = Url::parse(&format!("http://{address}")).unwrap();
    let ready = endpoint.join("minio/health/ready").unwrap();
    for _ in 0..150 {
        let answer = reqwest::get(ready.clone()).await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // So MinIO names its only role.
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, AUDIENCE.as_bytes());
    let role = URL_SAFE_NO_PAD.encode(hash.as_ref());
    (running, endpoint, format!("arn:minio:iam:::role/{role}"))
}

fn store(endpoint: &Url, role_arn: &str, token: &Path) -> Store {
    let identity = WebIdentity {
        token_file: token.to_owned(),
        role_arn: role_arn.to_owned(),
        endpoint: Some(endpoint.clone()),
    };
    let settings = StoreSettings {
        endpoint: Some(endpoint.clone()),
        region: "us-east-1".into(),
        bucket: "acme".into(),
        path_style: true,
        credentials: Keys::WebIdentity(identity),
    };
    Store::connect(settings, Metrics::new()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_opens_the_bucket_and_what_it_opens_is_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::start().await;
    let (_running, endpoint, role) = minio(&issuer, folder.path()).await;
    let admin = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint.as_str())
        .force_path_style(true)
        .credentials_provider(Credentials::new(
            "administrator",
            "of-the-test-alone",
            None,
            None,
            "test",
        ))
        .build();
    let admin = Client::from_conf(admin);
    admin.create_bucket().bucket("acme").send().await.unwrap();

    let token = folder.path().join("token");
    std::fs::write(&token, format!("{}\n", issuer.token(AUDIENCE))).unwrap();
    let gateway = store(&endpoint, &role, &token);
    let put = async |store: &Store, key: &str| {
        let body = Bytes::from_static(b"hello");
        store.put_object(key, "text/plain", body).await
    };
    put(&gateway, "first").await.unwrap();
    assert!(*issuer.asked.lock().unwrap() > 0, "MinIO checks the token");
    let stored = admin.get_object().bucket("acme").key("first");
    let stored = stored.send().await.unwrap().body.collect().await.unwrap();
    assert_eq!(stored.to_vec(), b"hello");

    // Nobody's token opens nothing, and is not shown.
    let wrong = folder.path().join("wrong");
    for other in ["not-a-token".to_owned(), issuer.token("somebody-else")] {
        std::fs::write(&wrong, &other).unwrap();
        let refused = put(&store(&endpoint, &role, &wrong), "wrong").await;
        let error = format!("{:?}", refused.unwrap_err());
        assert!(!error.contains(&other), "{error}");
    }
    let elsewhere = "arn:minio:iam:::role/of-somebody-else";
    let refused = put(&store(&endpoint, elsewhere, &token), "wrong").await;
    refused.unwrap_err();

    // The keys have ended by then, more than once. The token in the file is another one meanwhile, as the
    // kubelet does it, and for a moment none at all: what is there goes on.
    let end = tokio::time::Instant::now() + 2 * LIFE + LIFE / 2;
    let mut round = 0;
    while tokio::time::Instant::now() < end {
        round += 1;
        match round % 4 {
            0 => std::fs::write(&token, issuer.token(AUDIENCE)).unwrap(),
            1 => std::fs::write(&token, "").unwrap(),
            _ => {}
        }
        put(&gateway, &format!("round-{round}")).await.unwrap();
        let pause = if round % 4 == 1 { 100 } else { 400 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if round % 4 == 1 {
            std::fs::write(&token, issuer.token(AUDIENCE)).unwrap();
        }
    }
    let list = admin.list_objects_v2().bucket("acme").send().await.unwrap();
    assert_eq!(list.contents().len(), round + 1);
}
