//! The operator's configuration, read once at start; nothing else reads the environment.

use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;

/// What the operator is told from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `FILEGATEWAY_OPERATOR_NAMESPACE`, required: where the operator runs, and where the Secrets
    /// that classes name live.
    pub operator_namespace: String,
    /// `FILEGATEWAY_GATEWAY_IMAGE`, required: the image of gateway pods whose class names none.
    pub gateway_image: String,
    /// `FILEGATEWAY_WATCH_NAMESPACE`: the only namespace whose FileGateways are looked after.
    /// Default: every namespace.
    pub watch_namespace: Option<String>,
    /// `FILEGATEWAY_HEALTH_LISTEN`: where `/healthz` and `/readyz` answer. Default: `0.0.0.0:8081`.
    pub health_listen: SocketAddr,
    /// `FILEGATEWAY_RESYNC_SECONDS`: how often a settled gateway is checked against the outside
    /// world, give or take a tenth. Default: 600.
    pub resync: Duration,
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
            watch_namespace: optional("FILEGATEWAY_WATCH_NAMESPACE"),
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
            log: optional("FILEGATEWAY_LOG").unwrap_or_else(|| "info".into()),
        })
    }
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
        assert_eq!(config.watch_namespace, None);
    }

    #[test]
    fn a_missing_or_wrong_variable_is_named() {
        assert_eq!(
            read(&REQUIRED[..1]),
            Err(ConfigError::Missing("FILEGATEWAY_GATEWAY_IMAGE"))
        );
        let mut set = REQUIRED.to_vec();
        set.push(("FILEGATEWAY_RESYNC_SECONDS", "0"));
        let error = read(&set).unwrap_err().to_string();
        assert!(
            error.starts_with("FILEGATEWAY_RESYNC_SECONDS is \"0\":"),
            "{error}"
        );
    }
}
