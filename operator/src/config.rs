//! The operator's configuration, read once at start; nothing else reads the environment.

use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;

use crate::watched::Watched;

/// What the operator is told from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `FILEGATEWAY_OPERATOR_NAMESPACE`, required: where the operator runs, and where the Secrets
    /// that classes name live.
    pub operator_namespace: String,
    /// `FILEGATEWAY_GATEWAY_IMAGE`, required: the image of gateway pods whose class names none.
    pub gateway_image: String,
    /// `FILEGATEWAY_WATCH_NAMESPACES`: the only namespaces whose FileGateways are looked after, separated
    /// by commas. Default: every namespace.
    pub watched: Watched,
    /// `FILEGATEWAY_POD_NAME`: this process's name as a candidate for leadership, unlike that of any
    /// other process that runs. Default: random.
    pub pod_name: String,
    /// `FILEGATEWAY_LEASE_NAME`: the Lease in the operator's namespace that one of several operators
    /// holds. Default: `filegateway-operator`.
    pub lease_name: String,
    /// `FILEGATEWAY_LEASE_SECONDS`: how long others wait for a leader that says nothing, 3 or more.
    /// Default: 15.
    pub lease_duration: Duration,
    /// `FILEGATEWAY_HEALTH_LISTEN`: where `/healthz`, `/readyz` and `/metrics` answer. Default:
    /// `0.0.0.0:8081`.
    pub health_listen: SocketAddr,
    /// `FILEGATEWAY_RESYNC_SECONDS`: how often a settled gateway is checked against the outside
    /// world, give or take a tenth. Default: 600.
    pub resync: Duration,
    /// `FILEGATEWAY_SECRET_DELAY_SECONDS`: how long a pod may take to see that a Secret it mounts has
    /// changed. A rotation waits so long before it relies on it. The kubelet looks once a minute, give
    /// or take half of it, and where it does not watch Secrets its cache is a minute old. Default: 180.
    pub secret_delay: Duration,
    /// `FILEGATEWAY_SILENCE_SECONDS`: how long a connection to the API server may say nothing before it
    /// is given up, 90 or more: a watch of what never changes says something once a minute. Default: 150.
    pub silence: Duration,
    /// `FILEGATEWAY_LOG`: a tracing filter. Default: `info`.
    pub log: String,
}

/// A variable that is missing or makes no sense.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A required variable is not there.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// A variable can't be read as what it should be.
    #[error("{name} is {value:?}: {expected}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// What it says.
        value: String,
        /// What it should say.
        expected: &'static str,
    },
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// Names the first variable that is missing or wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads variables through `lookup`; an empty value counts as absent.
    ///
    /// # Errors
    /// Names the first variable that is missing or wrong.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let optional = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let required = |name: &'static str| optional(name).ok_or(ConfigError::Missing(name));
        Ok(Self {
            operator_namespace: required("FILEGATEWAY_OPERATOR_NAMESPACE")?,
            gateway_image: required("FILEGATEWAY_GATEWAY_IMAGE")?,
            watched: watched(
                optional("FILEGATEWAY_WATCH_NAMESPACES"),
                optional(FORMER_NAME),
            )?,
            pod_name: optional("FILEGATEWAY_POD_NAME")
                .unwrap_or_else(|| format!("operator-{:016x}", rand::random::<u64>())),
            lease_name: optional("FILEGATEWAY_LEASE_NAME")
                .unwrap_or_else(|| "filegateway-operator".into()),
            lease_duration: lease_duration(optional("FILEGATEWAY_LEASE_SECONDS"))?,
            health_listen: parsed(
                "FILEGATEWAY_HEALTH_LISTEN",
                optional("FILEGATEWAY_HEALTH_LISTEN"),
                SocketAddr::from(([0, 0, 0, 0], 8081)),
                "write an address and a port, as in 0.0.0.0:8081",
            )?,
            resync: Duration::from_secs(
                parsed(
                    "FILEGATEWAY_RESYNC_SECONDS",
                    optional("FILEGATEWAY_RESYNC_SECONDS"),
                    std::num::NonZeroU32::new(600).unwrap_or(std::num::NonZeroU32::MIN),
                    "write a whole number of seconds, 1 or more",
                )?
                .get()
                .into(),
            ),
            secret_delay: Duration::from_secs(
                parsed::<u16>(
                    "FILEGATEWAY_SECRET_DELAY_SECONDS",
                    optional("FILEGATEWAY_SECRET_DELAY_SECONDS"),
                    180,
                    "write a whole number of seconds, at most 65535",
                )?
                .into(),
            ),
            silence: silence(optional("FILEGATEWAY_SILENCE_SECONDS"))?,
            log: optional("FILEGATEWAY_LOG").unwrap_or_else(|| "info".into()),
        })
    }
}

impl Config {
    /// This operator as other ones know it: whoever holds its Lease.
    pub fn operator(&self) -> String {
        format!("{}/{}", self.operator_namespace, self.lease_name)
    }

    /// `kube`, told to give up connections that have gone silent: of a peer that vanished without a word
    /// nothing else tells. kube's own limit for watches is longer than theirs at the API server, five
    /// minutes; for answers to other requests it has none.
    pub fn connection(&self, mut kube: kube::Config) -> kube::Config {
        kube.read_timeout = Some(self.silence);
        // Counted from a request, not from the end of the one before it on the same connection.
        kube.reset_reader_on_write = true;
        kube
    }
}

/// What one namespace was named by. Whoever still sets it must not get an operator of all namespaces.
const FORMER_NAME: &str = "FILEGATEWAY_WATCH_NAMESPACE";

fn watched(value: Option<String>, former: Option<String>) -> Result<Watched, ConfigError> {
    if let Some(value) = former {
        return Err(ConfigError::Invalid {
            name: FORMER_NAME,
            value,
            expected: "set FILEGATEWAY_WATCH_NAMESPACES instead, which may name several",
        });
    }
    let Some(value) = value else {
        return Ok(Watched::default());
    };
    Watched::parse(&value).map_err(|_| ConfigError::Invalid {
        name: "FILEGATEWAY_WATCH_NAMESPACES",
        value,
        expected: "write names of namespaces with commas between them, as in acme,beta",
    })
}

/// Longer than the pause between two bookmarks of a watch, which is a minute.
fn silence(value: Option<String>) -> Result<Duration, ConfigError> {
    const NAME: &str = "FILEGATEWAY_SILENCE_SECONDS";
    const EXPECTED: &str = "write a whole number of seconds, from 90 to 65535";
    let seconds: u16 = parsed(NAME, value, 150, EXPECTED)?;
    if seconds >= 90 {
        return Ok(Duration::from_secs(seconds.into()));
    }
    Err(ConfigError::Invalid {
        name: NAME,
        value: seconds.to_string(),
        expected: EXPECTED,
    })
}

/// Long enough to be renewed several times, and written as whole seconds.
fn lease_duration(value: Option<String>) -> Result<Duration, ConfigError> {
    const NAME: &str = "FILEGATEWAY_LEASE_SECONDS";
    const EXPECTED: &str = "write a whole number of seconds, from 3 to 3600";
    let seconds: u16 = parsed(NAME, value, 15, EXPECTED)?;
    if (3..=3600).contains(&seconds) {
        return Ok(Duration::from_secs(seconds.into()));
    }
    Err(ConfigError::Invalid {
        name: NAME,
        value: seconds.to_string(),
        expected: EXPECTED,
    })
}

fn parsed<T: std::str::FromStr>(
    name: &'static str,
    value: Option<String>,
    default: T,
    expected: &'static str,
) -> Result<T, ConfigError> {
    match value {
        None => Ok(default),
        Some(value) => value.parse().map_err(|_| ConfigError::Invalid {
            name,
            value,
            expected,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_lookup(|name| {
            set.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_string())
        })
    }

    const REQUIRED: [(&str, &str); 2] = [
        ("FILEGATEWAY_OPERATOR_NAMESPACE", "system"),
        ("FILEGATEWAY_GATEWAY_IMAGE", "filegateway/gateway:1"),
    ];

    #[test]
    fn defaults_fill_what_is_not_set() {
        let config = read(&REQUIRED).unwrap();
        assert_eq!(config.resync, Duration::from_secs(600));
        assert_eq!(config.health_listen.to_string(), "0.0.0.0:8081");
        assert!(config.watched.is_everything());
        assert_eq!(config.lease_duration, Duration::from_secs(15));
        assert_eq!(config.silence, Duration::from_secs(150));
        assert_ne!(config.pod_name, read(&REQUIRED).unwrap().pod_name);
    }

    #[test]
    fn each_variable_is_documented() {
        let document = include_str!("../../docs/operator.md");
        let asked = std::sync::Mutex::new(Vec::new());
        let read = Config::from_lookup(|name| {
            asked.lock().unwrap().push(name.to_string());
            let mut required = REQUIRED.iter();
            required
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_string())
        });
        assert!(read.is_ok());
        for name in asked.into_inner().unwrap() {
            assert!(document.contains(&format!("| `{name}` |")), "{name}");
        }
    }

    #[test]
    fn a_missing_or_wrong_variable_is_named() {
        assert_eq!(
            read(&REQUIRED[..1]),
            Err(ConfigError::Missing("FILEGATEWAY_GATEWAY_IMAGE"))
        );
        for (name, value) in [
            ("FILEGATEWAY_RESYNC_SECONDS", "0"),
            ("FILEGATEWAY_LEASE_SECONDS", "2"),
            ("FILEGATEWAY_LEASE_SECONDS", "soon"),
            ("FILEGATEWAY_SILENCE_SECONDS", "60"),
            ("FILEGATEWAY_WATCH_NAMESPACES", "acme,Beta"),
            ("FILEGATEWAY_WATCH_NAMESPACE", "acme"),
        ] {
            let mut set = REQUIRED.to_vec();
            set.push((name, value));
            let error = read(&set).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{name} is \"{value}\":")),
                "{error}"
            );
        }
    }
}
