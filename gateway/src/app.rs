//! Puts the layers together: the only place that knows all of them.

mod database_url;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::api::{Delivery, LocationStream, Origins, Pace, RateLimit, Readiness, State};
use crate::auth::jwks::{FetchError, Jwks, Location};
use crate::auth::{
    FileTokens, KeySource, Playback, SharedSecret, SharedSecretError, SigningKeys,
    SigningKeysError, Verifier, VerifierSettings,
};
use crate::catalog::{self, Catalog, CatalogError};
use crate::causes::causes;
use crate::config::{
    self, Backends, Config, CorsOrigins, Database, DatabaseAddress, KeysFrom, Video,
};
use crate::files::{Files, Settings, Studio, Tools};
use crate::store::{Keys, Store, StoreSettings};
use crate::telemetry::Metrics;
use crate::webhooks::{Sender, SenderError, WebhookSecret, WebhookSecretError};
use crate::worker;

/// How often the database is tried at the start before the process gives up: half a minute, then
/// Kubernetes begins anew.
const CATALOG_ATTEMPTS: u32 = 10;

/// Room in an upload's body for boundaries and part headers, per file.
const FORM_OVERHEAD_BYTES: u64 = 64 * 1024;

/// An application that can't be put together.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A file with a secret can't be read.
    #[error("failed to read {path}")]
    Secret {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The secret shared with the issuer can't be used.
    #[error("failed to load the shared secret")]
    SharedSecret(#[source] SharedSecretError),
    /// The database can't be opened or brought up to date.
    #[error("failed to open the catalogue")]
    Catalog(#[source] CatalogError),
    /// The object store can't be called.
    #[error("failed to prepare for calls to the object store")]
    Store(#[source] std::io::Error),
    /// The keys of file tokens can't be used.
    #[error("failed to load the keys of file tokens")]
    SigningKeys(#[source] SigningKeysError),
    /// The issuer's keys can't be asked for.
    #[error("failed to prepare for the issuer's keys")]
    Jwks(#[source] FetchError),
    /// The secret that events are signed with can't be used.
    #[error("failed to load the webhook's secret")]
    WebhookSecret(#[source] WebhookSecretError),
    /// Events can't be sent.
    #[error("failed to prepare for the webhook")]
    Webhook(#[source] SenderError),
}

/// The layers of a running gateway.
pub struct App {
    /// The rows.
    pub catalog: Catalog,
    /// The bytes.
    pub store: Store,
    /// The service layer on both.
    pub files: Files,
}

impl App {
    /// Opens the database, brings it up to date, and puts the service layer on it.
    ///
    /// `keys` are those of the object store: files in a pod, a pair in memory for `gateway dev`.
    ///
    /// # Errors
    /// [`AppError`] when the database can't be had, after some patience with it.
    pub async fn open(backends: &Backends, keys: Keys, video: bool) -> Result<Self, AppError> {
        let events = backends.webhook.as_ref().map(|webhook| webhook.events);
        let catalog = open_catalog(&backends.database).await?;
        let catalog = catalog.telling(events.unwrap_or_default());
        let settings = StoreSettings {
            endpoint: backends.store.endpoint.clone(),
            region: backends.store.region.clone(),
            bucket: backends.store.bucket.clone(),
            path_style: backends.store.path_style,
            credentials: keys,
        };
        let store = Store::connect(settings, Metrics::new()).map_err(AppError::Store)?;
        let settings = Settings {
            organization: backends.organization.clone(),
            max_file_bytes: backends.uploads.max_file_bytes,
            max_files: backends.uploads.max_files,
            types: backends.uploads.types.clone(),
            quota: backends.quota,
            uploads_in_flight: backends.uploads.in_flight,
            upload_memory_bytes: backends.uploads.memory_bytes,
            uploads_unfinished: backends.uploads.max_unfinished,
            uploads_expire: backends.uploads.expire,
            uploads_max_age: backends.uploads.max_age,
            locations: backends.access.locations,
            video,
        };
        let files = Files::new(catalog.clone(), store.clone(), settings);
        Ok(Self {
            catalog,
            store,
            files,
        })
    }

    /// How a worker works, as it is configured; without ffmpeg it works on no videos.
    pub fn worker(video: &Video) -> worker::Settings {
        let studio = Tools::find(video.limits.clone()).map(|tools| Studio {
            tools,
            wanted: video.wanted.clone(),
            scratch: video.scratch.clone(),
        });
        worker::Settings {
            studio,
            concurrency: video.concurrency,
            lease: video.lease,
            max_attempts: video.max_attempts,
            ..worker::Settings::default()
        }
    }

    /// What sends events, if they are to be sent.
    ///
    /// # Errors
    /// [`AppError`] when the secret can't be loaded.
    pub async fn webhook(backends: &Backends) -> Result<Option<Sender>, AppError> {
        let Some(webhook) = &backends.webhook else {
            return Ok(None);
        };
        let secret = WebhookSecret::open(&webhook.secret_file)
            .await
            .map_err(AppError::WebhookSecret)?;
        Sender::new(webhook.url.clone(), secret, webhook.private_addresses)
            .map(Some)
            .map_err(AppError::Webhook)
    }

    /// What the HTTP layer needs.
    ///
    /// # Errors
    /// [`AppError`] when a key can't be loaded.
    pub async fn state(&self, config: &Config) -> Result<State, AppError> {
        let keys = SigningKeys::open(&config.tokens.keys_file)
            .await
            .map_err(AppError::SigningKeys)?;
        let (keys, organization) = (Arc::new(keys), &config.backends.organization);
        let tokens = FileTokens::new(keys.clone(), organization.clone(), config.tokens.lifetime);
        let playback = Playback::new(keys, organization.clone(), config.tokens.playback);
        let uploads = &config.backends.uploads;
        let max_files = u64::from(uploads.max_files);
        let form_overhead_bytes = FORM_OVERHEAD_BYTES.saturating_mul(max_files);
        let max_upload_bytes = uploads
            .max_file_bytes
            .saturating_mul(max_files)
            .saturating_add(form_overhead_bytes);
        Ok(State {
            files: self.files.clone(),
            verifier: Arc::new(verifier(config).await?),
            tokens: Arc::new(tokens),
            playback: Arc::new(playback),
            delivery: match config.backends.access.delivery {
                config::Delivery::Proxy => Delivery::Proxy,
                config::Delivery::Redirect => Delivery::Redirect,
            },
            max_upload_bytes,
            pace: Pace {
                bytes: config.server.body_min_bytes,
                within: config.server.body_patience,
            },
            readiness: Readiness::default(),
            max_clock_skew: config.server.max_clock_skew,
            stopping: CancellationToken::new(),
            form_overhead_bytes,
            rate: Arc::new(RateLimit::per_minute(config.server.requests_per_minute)),
            origins: origins(&config.cors),
            location_stream: location_stream(config.backends.access.location_stream),
        })
    }
}

fn origins(configured: &CorsOrigins) -> Origins {
    match configured {
        CorsOrigins::Off => Origins::Off,
        CorsOrigins::Any => Origins::Any,
        CorsOrigins::Exact(origins) => Origins::Exact(origins.clone()),
    }
}

fn location_stream(configured: config::LocationStream) -> LocationStream {
    LocationStream {
        on: configured.on,
        deprecated: configured.deprecated,
        sunset: configured.sunset,
    }
}

/// Opens the database and brings it up to date. One that is not there yet is waited for a while.
///
/// # Errors
/// [`AppError::Secret`] without its URL, [`AppError::Catalog`] when it can't be had.
pub async fn open_catalog(database: &Database) -> Result<Catalog, AppError> {
    let mut pause = Duration::from_millis(250);
    for _ in 1..CATALOG_ATTEMPTS {
        match try_catalog(database).await {
            Err(AppError::Catalog(error)) => {
                warn!(error = causes(&error), "the database can't be had yet");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
            outcome => return outcome,
        }
    }
    try_catalog(database).await
}

async fn try_catalog(database: &Database) -> Result<Catalog, AppError> {
    let url = match &database.address {
        DatabaseAddress::Sqlite(path) => format!("sqlite://{}", path.display()),
        DatabaseAddress::PostgresFile(path) => database_url::read(path).await?,
    };
    let settings = catalog::Settings {
        url: url.clone(),
        max_connections: database.max_connections,
    };
    let catalog = Catalog::connect(settings)
        .await
        .map_err(AppError::Catalog)?;
    catalog.migrate().await.map_err(AppError::Catalog)?;
    if let DatabaseAddress::PostgresFile(path) = &database.address {
        database_url::follow(path.clone(), url, catalog.clone());
    }
    Ok(catalog)
}

async fn verifier(config: &Config) -> Result<Verifier, AppError> {
    let auth = &config.auth;
    let jwks = |location| {
        let jwks = Jwks::new(location).map_err(AppError::Jwks)?;
        Ok::<_, AppError>(KeySource::Jwks(Arc::new(jwks)))
    };
    let keys = match &auth.keys {
        KeysFrom::Discovery => jwks(Location::Discovered {
            issuer: auth.issuer.clone(),
        })?,
        KeysFrom::Jwks(url) => jwks(Location::Url(url.clone()))?,
        KeysFrom::SecretFile(path) => {
            let secret = SharedSecret::open(path).await;
            KeySource::Secret(secret.map_err(AppError::SharedSecret)?)
        }
    };
    let settings = VerifierSettings {
        organization: config.backends.organization.clone(),
        issuer: auth.issuer.clone(),
        audience: auth.audience.clone(),
        algorithms: auth.algorithms.clone(),
        claims: auth.claims.clone(),
    };
    Ok(Verifier::new(settings, keys))
}
