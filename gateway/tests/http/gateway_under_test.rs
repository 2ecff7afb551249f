//! A gateway that listens on a port of its own, and the requests that tests send it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gateway::app::App;
use gateway::config::Config;
use gateway::files::Files;
use gateway::store::Keys;
use gateway::telemetry::Metrics;
use gateway::{api, server};
use reqwest::{Client, Method, RequestBuilder, redirect};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::issuer::{AUDIENCE, ISSUER, ORGANIZATION, SECRET};
use crate::worlds::{Variables, World};

pub(crate) struct Gateway {
    pub(crate) world: Arc<World>,
    pub(crate) url: String,
    pub(crate) folder: Arc<TempDir>,
    pub(crate) files: Files,
    pub(crate) metrics: Metrics,
    http: Client,
    running: Mutex<Option<Running>>,
}

struct Running {
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Gateway {
    /// Starts a gateway by its variables, as `gateway serve` does. Those of `changes` win; an empty
    /// one is left out.
    pub(crate) async fn start(
        world: Arc<World>,
        folder: Arc<TempDir>,
        changes: Variables<'_>,
    ) -> Self {
        let variables = variables(&world, &folder, changes);
        let config = Config::read(&|name| variables.get(name).cloned()).unwrap();
        let keys = Keys::Folder(config.backends.store.credentials.clone());
        let listener = server::listen(config.server.listen).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = App::open(&config.backends, keys, false).await.unwrap();
        let state = app.state(&config).await.unwrap();
        let files = app.files.clone();
        let metrics = app.files.metrics().clone();
        let (stop, stopped) = oneshot::channel();
        let (limits, stopping) = (config.server.limits, state.stopping.clone());
        let server = tokio::spawn(async move {
            let stopped = async {
                stopped.await.ok();
            };
            let application = api::application(state, &[]);
            server::run(listener, application, limits, stopped, stopping)
                .await
                .unwrap();
            app.files.settle().await;
            app.catalog.close().await;
        });
        Self {
            world,
            url,
            folder,
            files,
            metrics,
            http: Client::builder()
                .redirect(redirect::Policy::none())
                .build()
                .unwrap(),
            running: Mutex::new(Some(Running { stop, server })),
        }
    }

    pub(crate) async fn stop(&self) {
        let running = self.running.lock().unwrap().take();
        if let Some(running) = running {
            running.stop.send(()).ok();
            running.server.await.unwrap();
        }
    }

    /// A request to a path, which may have a query.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    pub(crate) fn head(&self, path: &str) -> RequestBuilder {
        self.request(Method::HEAD, path)
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }
}

fn variables(world: &World, folder: &TempDir, changes: Variables<'_>) -> HashMap<String, String> {
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("secret"), format!("{SECRET}\n")).unwrap();
    let key = json!({"kid": "first", "secret": STANDARD.encode([1; 32])});
    std::fs::write(path("keys.json"), json!({"current": key}).to_string()).unwrap();
    let mut variables: HashMap<String, String> = [
        ("ORGANIZATION", ORGANIZATION.to_owned()),
        ("LISTEN", "127.0.0.1:0".to_owned()),
        ("STORE_ENDPOINT", world.endpoint.clone()),
        ("STORE_BUCKET", world.name.clone()),
        ("STORE_CREDENTIALS_DIR", path("s3")),
        ("DATABASE_MAX_CONNECTIONS", "4".to_owned()),
        ("AUTH_ISSUER", ISSUER.to_owned()),
        ("AUTH_AUDIENCE", AUDIENCE.to_owned()),
        ("AUTH_SECRET_FILE", path("secret")),
        ("TOKENS_KEYS_FILE", path("keys.json")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if world.database_url.starts_with("sqlite") {
        variables.insert("DATABASE_URL".to_owned(), world.database_url.clone());
    } else {
        std::fs::write(path("database-url"), &world.database_url).unwrap();
        variables.insert("DATABASE_URL_FILE".to_owned(), path("database-url"));
    }
    for (name, value) in changes {
        variables.insert((*name).to_owned(), (*value).to_owned());
    }
    variables
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (format!("FILEGATEWAY_{name}"), value))
        .collect()
}
