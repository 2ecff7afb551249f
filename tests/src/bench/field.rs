//! The servers side by side: the gateway and its rivals, on one S3 server, with one file to read.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use aws_sdk_s3::Client as S3;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::presigning::PresigningConfig;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Client;
use serde_json::{Value, json};

use super::subject::Subject;
use super::uploads;
use crate::error::IoContext;
use crate::journey::identity::{AUDIENCE, ISSUER, Issuer};
use crate::process::Server;
use crate::servers::{Servers, free_port, http, nginx};
use crate::{Error, Result, secret};

const LIMIT: Duration = Duration::from_secs(30);

/// How long the S3 server is to honour the address that nginx passes on.
const SIGNED_FOR: Duration = Duration::from_secs(3600);

const ORGANIZATION: &str = "acme";
const FILM: &str = "film.bin";

/// All of them, up.
pub struct Field {
    /// What has the film; the gateway first.
    pub readers: Vec<Subject>,
    /// What takes tus uploads; the gateway first.
    pub tus: Vec<Subject>,
    /// What takes forms; the gateway first.
    pub forms: Vec<Subject>,
    servers: Vec<Server>,
}

/// Starts one after the other.
struct Start<'a> {
    among: &'a Servers,
    /// The folder with the rivals' programs.
    programs: &'a Path,
    /// Where each makes a folder of its own. nginx's user may pass through it.
    folder: PathBuf,
    s3: S3,
    store: u32,
    client: Client,
    servers: Vec<Server>,
}

impl Field {
    /// Starts them, and gives the film to each.
    ///
    /// # Errors
    /// One does not come up, or does not take the film.
    pub async fn start(among: &Servers, programs: &Path, film: &'static [u8]) -> Result<Self> {
        let files = PathBuf::from(among.variable("FGW_TEST_ORACLES_FOLDER")?);
        let path = files.join(FILM);
        std::fs::write(&path, film).at("write", &path)?;
        let mut start = Start {
            among,
            programs,
            folder: files.parent().unwrap_or(&files).join("bench"),
            s3: s3(among)?,
            store: among.pid("versitygw-s3")?,
            client: Client::builder().no_proxy().build()?,
            servers: Vec::new(),
        };
        std::fs::create_dir_all(&start.folder).at("create", &start.folder)?;

        let gateway = start.gateway().await?;
        let answer = uploads::form(&gateway.at("/v1/files"), film).await?;
        let answer: Value = answer.json().await?;
        let id = text(&answer["files"][0]["id"])?;
        let key = text(&answer["files"][0]["location"])?;
        let signed = start.signed("gateway", key).await?;

        let pocketbase = start
            .pocketbase("PocketBase, S3", Some("pocketbase"))
            .await?;
        let answer = uploads::form(&pocketbase, film).await?;
        let answer: Value = answer.json().await?;
        let (record, name) = (text(&answer["id"])?, text(&answer["files"])?);
        let pocketbase_film = format!("/api/files/bench/{record}/{name}");

        let (nginx_s3, nginx_file) = start.nginx(&files, &signed).await?;
        let oracle = among.variable("FGW_TEST_ORACLES_GO")?;
        let go = start.subject(
            "Go ServeContent, a file",
            oracle,
            among.pid("servecontent")?,
        );
        let readers = vec![
            gateway.at(&format!("/v1/files/{id}")),
            nginx_s3,
            pocketbase.at(&pocketbase_film),
            signed,
            go.at(&format!("/{FILM}")),
            nginx_file,
        ];
        let tus = vec![gateway.at("/v1/uploads"), start.tusd().await?];
        let local = start.pocketbase("PocketBase, its disk", None).await?;
        let forms = vec![gateway.at("/v1/files"), pocketbase, local];
        Ok(Self {
            readers,
            tus,
            forms,
            servers: start.servers,
        })
    }

    /// Ends them.
    ///
    /// # Errors
    /// One can't be waited for.
    pub async fn stop(mut self) -> Result<()> {
        while let Some(server) = self.servers.pop() {
            server.stop().await?;
        }
        Ok(())
    }
}

impl Start<'_> {
    /// The program beside this one, on PostgreSQL, as it comes.
    async fn gateway(&mut self) -> Result<Subject> {
        let program = std::env::current_exe().at("find", "this program")?;
        let program = program.with_file_name("gateway");
        let folder = self.make("gateway")?;
        let (access, secret) = self.keys()?;
        let issuer = Issuer::random();
        let signing = json!({"current": {"kid": "a", "secret": STANDARD.encode([7; 32])}});
        for (name, text) in [
            ("access-key-id", access),
            ("secret-access-key", secret),
            (
                "database-url",
                self.among.variable("FGW_TEST_POSTGRES_URL")?,
            ),
            ("jwt-secret", issuer.secret()),
            ("keys.json", &signing.to_string()),
        ] {
            secret::write(&folder.join(name), text)?;
        }
        self.bucket("gateway").await?;
        let (listen, origin) = address()?;
        let mut command = Command::new(program);
        command
            .arg("serve")
            .env("FILEGATEWAY_ORGANIZATION", ORGANIZATION)
            .env("FILEGATEWAY_LISTEN", listen)
            .env("FILEGATEWAY_METRICS_LISTEN", "Off")
            .env(
                "FILEGATEWAY_STORE_ENDPOINT",
                self.among.variable("FGW_TEST_S3_ENDPOINT")?,
            )
            .env("FILEGATEWAY_STORE_BUCKET", "gateway")
            .env("FILEGATEWAY_STORE_CREDENTIALS_DIR", &folder)
            .env("FILEGATEWAY_DATABASE_URL_FILE", folder.join("database-url"))
            .env("FILEGATEWAY_AUTH_ISSUER", ISSUER)
            .env("FILEGATEWAY_AUTH_AUDIENCE", AUDIENCE)
            .env("FILEGATEWAY_AUTH_SECRET_FILE", folder.join("jwt-secret"))
            .env("FILEGATEWAY_TOKENS_KEYS_FILE", folder.join("keys.json"));
        let gateway = self.server("gateway", command, &origin, "/readyz").await?;
        let token = issuer.token(ORGANIZATION, "ana", &[])?;
        Ok(Subject {
            authorization: Some(format!("Bearer {token}")),
            ..self.subject("gateway", &origin, gateway)
        })
    }

    /// Two servers of one nginx: the film from S3, and from a file.
    async fn nginx(&mut self, files: &Path, signed: &Subject) -> Result<(Subject, Subject)> {
        let folder = self.make("nginx")?;
        let ((_, s3), (_, file)) = (address()?, address()?);
        let listen = |origin: &str| origin.trim_start_matches("http://").to_owned();
        let servers = format!(
            "sendfile on;\n\
             upstream store {{ server {store}; keepalive 64; keepalive_requests 1000000; }}\n\
             server {{\n\
                 listen {s3};\n\
                 access_log {folder}/access.log;\n\
                 location = /{FILM} {{\n\
                     proxy_pass http://store{path};\n\
                     proxy_http_version 1.1;\n\
                     proxy_set_header Connection \"\";\n\
                     proxy_set_header Host {store};\n\
                     proxy_max_temp_file_size 0;\n\
                 }}\n\
             }}\n\
             server {{ listen {file}; access_log {folder}/access.log; root {files}; }}\n",
            folder = folder.display(),
            store = listen(&signed.origin),
            path = signed.path,
            s3 = listen(&s3),
            file = listen(&file),
            files = files.display(),
        );
        let command = nginx::command(&folder, 2, &servers)?;
        let group = self.server("nginx", command, &file, "/").await?;
        let of = |name, origin: &str| self.subject(name, origin, group).at(&format!("/{FILM}"));
        Ok((of("nginx, S3", &s3), of("nginx, a file", &file)))
    }

    async fn pocketbase(&mut self, name: &'static str, bucket: Option<&str>) -> Result<Subject> {
        let (listen, origin) = address()?;
        let server = bucket.map_or("pocketbase-local", |_| "pocketbase");
        let mut command = Command::new(self.programs.join("pocketbase"));
        command.args(["serve", "--http", &listen, "--dir"]);
        command.arg(self.make(server)?);
        if let Some(bucket) = bucket {
            self.bucket(bucket).await?;
            let (access, secret) = self.keys()?;
            command
                .env("S3_ENDPOINT", self.among.variable("FGW_TEST_S3_ENDPOINT")?)
                .env("S3_BUCKET", bucket)
                .env("AWS_ACCESS_KEY_ID", access)
                .env("AWS_SECRET_ACCESS_KEY", secret);
        }
        let group = self.server(server, command, &origin, "/api/health").await?;
        let subject = self.subject(name, &origin, group);
        Ok(subject.at("/api/collections/bench/records"))
    }

    async fn tusd(&mut self) -> Result<Subject> {
        self.bucket("tusd").await?;
        let (listen, origin) = address()?;
        let (access, secret) = self.keys()?;
        let port = listen.rsplit(':').next().unwrap_or_default();
        let endpoint = self.among.variable("FGW_TEST_S3_ENDPOINT")?;
        let mut command = Command::new(self.programs.join("tusd"));
        command
            .args(["-host", "127.0.0.1", "-port", port, "-base-path", "/files/"])
            .args(["-s3-bucket", "tusd", "-s3-endpoint", endpoint])
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", access)
            .env("AWS_SECRET_ACCESS_KEY", secret);
        let group = self.server("tusd", command, &origin, "/").await?;
        Ok(self.subject("tusd", &origin, group).at("/files/"))
    }

    /// An object at the S3 server itself, at an address that needs no signature.
    async fn signed(&self, bucket: &str, key: &str) -> Result<Subject> {
        let config = PresigningConfig::expires_in(SIGNED_FOR).map_err(unexpected)?;
        let get = self.s3.get_object().bucket(bucket).key(key);
        let signed = get.presigned(config).await.map_err(unexpected)?;
        let origin = self.among.variable("FGW_TEST_S3_ENDPOINT")?;
        let path = signed.uri().strip_prefix(origin).unwrap_or_default();
        Ok(self.subject("the S3 server", origin, self.store).at(path))
    }

    async fn bucket(&self, name: &str) -> Result<()> {
        let create = self.s3.create_bucket().bucket(name).send().await;
        create.map(drop).map_err(unexpected)
    }

    /// Starts one that answers at `probe` once it is up: its process group.
    async fn server(
        &mut self,
        name: &str,
        command: Command,
        origin: &str,
        probe: &str,
    ) -> Result<u32> {
        let mut server = Server::start(name, command, &self.folder)?;
        let (client, url) = (http::client()?, format!("{origin}{probe}"));
        let up = async || match name {
            "gateway" => http::succeeds(&client, &url).await,
            _ => http::answers(&client, &url).await,
        };
        server.ready(LIMIT, up).await?;
        let group = server.pid();
        self.servers.push(server);
        Ok(group)
    }

    fn subject(&self, name: &'static str, origin: &str, group: u32) -> Subject {
        Subject {
            name,
            origin: origin.to_owned(),
            path: "/".to_owned(),
            authorization: None,
            group,
            store: self.store,
            client: self.client.clone(),
        }
    }

    fn make(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder).at("create", &folder)?;
        Ok(folder)
    }

    fn keys(&self) -> Result<(&str, &str)> {
        let access = self.among.variable("FGW_TEST_S3_ACCESS_KEY")?;
        Ok((access, self.among.variable("FGW_TEST_S3_SECRET_KEY")?))
    }
}

fn s3(among: &Servers) -> Result<S3> {
    let access = among.variable("FGW_TEST_S3_ACCESS_KEY")?;
    let secret = among.variable("FGW_TEST_S3_SECRET_KEY")?;
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(among.variable("FGW_TEST_S3_ENDPOINT")?)
        .force_path_style(true)
        .credentials_provider(Credentials::new(access, secret, None, None, "bench"));
    Ok(S3::from_conf(config.build()))
}

/// An address that nothing listens on, without and with its scheme.
fn address() -> Result<(String, String)> {
    let address = format!("127.0.0.1:{}", free_port()?);
    let origin = format!("http://{address}");
    Ok((address, origin))
}

fn text(value: &Value) -> Result<&str> {
    let text = value.as_str();
    text.ok_or_else(|| Error::Unexpected("an upload's answer names no file".to_owned()))
}

fn unexpected(error: impl std::error::Error) -> Error {
    Error::Unexpected(format!("S3: {error}"))
}
