//! The standard variables of OpenTelemetry, as far as they are about traces.
//! Source: <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/> and
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use opentelemetry_sdk::trace::Sampler;
use percent_encoding::percent_decode_str;
use url::Url;

/// Where spans go when `OTEL_TRACES_EXPORTER` asks for them and nothing says where to.
const LOCAL: &str = "http://localhost:4318";

/// How long one export may take, retries included.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A variable that makes no sense. It holds no value: what is in one may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {remedy}")]
pub struct SettingsError {
    /// The variable.
    pub variable: String,
    /// What to do about it.
    pub remedy: &'static str,
}

/// How traces are exported.
#[derive(Clone)]
pub struct Settings {
    /// Where to, path included.
    pub(crate) endpoint: Url,
    /// What is sent along. May be secret.
    pub(crate) headers: HashMap<String, String>,
    /// How long one export may take, retries included.
    pub(crate) timeout: Duration,
    /// A file with certificates that are trusted besides the system's.
    pub(crate) certificate: Option<PathBuf>,
    /// Which traces are exported.
    pub(crate) sampler: Sampler,
    /// What the program is called, if not as it calls itself.
    pub(crate) service: Option<String>,
    /// What else is said of the program.
    pub(crate) attributes: Vec<(String, String)>,
    /// How many spans may wait.
    pub(crate) queue: usize,
    /// How many spans are sent at once, at most.
    pub(crate) batch: usize,
    /// How long a span waits for others to be sent with.
    pub(crate) delay: Duration,
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("endpoint", &self.endpoint.as_str())
            .field("headers", &self.headers.len())
            .field("sampler", &self.sampler)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads the environment; nothing when it asks for no traces.
    ///
    /// # Errors
    /// Names the first variable that makes no sense.
    pub fn from_env() -> Result<Option<Self>, SettingsError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads variables through `lookup`; an empty value counts as absent.
    ///
    /// # Errors
    /// Names the first variable that makes no sense.
    pub fn from_lookup(
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, SettingsError> {
        let read = Reader(|name: &str| {
            let value = lookup(name)?.trim().to_owned();
            (!value.is_empty()).then_some(value)
        });
        if read.disabled()? {
            return Ok(None);
        }
        let exporter = read.exporter()?;
        let endpoint = match (exporter, read.endpoint()?) {
            (Exporter::None, _) | (Exporter::Unsaid, None) => return Ok(None),
            (_, Some(endpoint)) => endpoint,
            (Exporter::Otlp, None) => based("OTEL_TRACES_EXPORTER", LOCAL)?,
        };
        read.understood()?;
        let queue = read.positive("OTEL_BSP_MAX_QUEUE_SIZE", 2048)?;
        Ok(Some(Self {
            endpoint,
            headers: read.headers()?,
            timeout: read.milliseconds(&otlp("TIMEOUT"), TIMEOUT)?,
            certificate: read.otlp("CERTIFICATE").map(|(_, path)| path.into()),
            sampler: read.sampler()?,
            service: (read.0)("OTEL_SERVICE_NAME"),
            attributes: read.attributes()?,
            queue,
            batch: read
                .positive("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)?
                .min(queue),
            delay: read.milliseconds(
                &["OTEL_BSP_SCHEDULE_DELAY".to_owned()],
                Duration::from_secs(5),
            )?,
        }))
    }
}

/// What `OTEL_TRACES_EXPORTER` says.
enum Exporter {
    Unsaid,
    None,
    Otlp,
}

/// The names of a setting of the exporter: that for traces, which wins, and that for all signals.
fn otlp(setting: &str) -> [String; 2] {
    ["OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"].map(|prefix| format!("{prefix}{setting}"))
}

fn wrong(variable: &str, remedy: &'static str) -> SettingsError {
    SettingsError {
        variable: variable.to_owned(),
        remedy,
    }
}

/// Looks variables up; absent ones and empty ones alike are none.
struct Reader<F>(F);

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    /// The first of `names` that is set, with its value.
    fn first<'a>(&self, names: &'a [String]) -> Option<(&'a str, String)> {
        let set = |name: &'a String| Some((name.as_str(), (self.0)(name)?));
        names.iter().find_map(set)
    }

    fn otlp(&self, setting: &str) -> Option<(String, String)> {
        let names = otlp(setting);
        let (name, value) = self.first(&names)?;
        Some((name.to_owned(), value))
    }

    fn disabled(&self) -> Result<bool, SettingsError> {
        const NAME: &str = "OTEL_SDK_DISABLED";
        match (self.0)(NAME).map(|value| value.to_ascii_lowercase()) {
            None => Ok(false),
            Some(value) => value
                .parse()
                .map_err(|_| wrong(NAME, "write true or false")),
        }
    }

    fn exporter(&self) -> Result<Exporter, SettingsError> {
        const NAME: &str = "OTEL_TRACES_EXPORTER";
        match (self.0)(NAME).as_deref() {
            None => Ok(Exporter::Unsaid),
            Some("none") => Ok(Exporter::None),
            Some("otlp") => Ok(Exporter::Otlp),
            Some(_) => Err(wrong(
                NAME,
                "write otlp or none; other exporters are not built in",
            )),
        }
    }

    fn endpoint(&self) -> Result<Option<Url>, SettingsError> {
        let [traces, all] = otlp("ENDPOINT");
        if let Some(text) = (self.0)(&traces) {
            return address(&traces, &text).map(Some);
        }
        (self.0)(&all).map(|text| based(&all, &text)).transpose()
    }

    /// Whatever would be read by others and is not by us is said so, instead of doing something else.
    fn understood(&self) -> Result<(), SettingsError> {
        let others = [
            (
                "PROTOCOL",
                "http/protobuf",
                "write http/protobuf; gRPC and JSON are not built in (the receiver's port for HTTP is 4318 as a rule)",
            ),
            (
                "COMPRESSION",
                "none",
                "write none; compression is not built in",
            ),
            (
                "CLIENT_KEY",
                "",
                "leave it out; client certificates are not built in",
            ),
            (
                "CLIENT_CERTIFICATE",
                "",
                "leave it out; client certificates are not built in",
            ),
        ];
        for (setting, known, remedy) in others {
            if let Some((name, value)) = self.otlp(setting)
                && value != known
            {
                return Err(wrong(&name, remedy));
            }
        }
        Ok(())
    }

    fn headers(&self) -> Result<HashMap<String, String>, SettingsError> {
        const REMEDY: &str =
            "write name=value,name=value, with a comma in a value as %2C and a percent sign as %25";
        let Some((variable, text)) = self.otlp("HEADERS") else {
            return Ok(HashMap::new());
        };
        let pairs = pairs(&text).ok_or_else(|| wrong(&variable, REMEDY))?;
        let fits = |(name, value): &(String, String)| {
            HeaderName::from_str(name).is_ok() && HeaderValue::from_str(value).is_ok()
        };
        if !pairs.iter().all(fits) {
            return Err(wrong(&variable, REMEDY));
        }
        Ok(pairs.into_iter().collect())
    }

    fn attributes(&self) -> Result<Vec<(String, String)>, SettingsError> {
        const NAME: &str = "OTEL_RESOURCE_ATTRIBUTES";
        let text = (self.0)(NAME).unwrap_or_default();
        pairs(&text).ok_or_else(|| {
            wrong(
                NAME,
                "write key=value,key=value, with a comma in a value as %2C",
            )
        })
    }

    fn sampler(&self) -> Result<Sampler, SettingsError> {
        const NAME: &str = "OTEL_TRACES_SAMPLER";
        let parent = |root: Sampler| Sampler::ParentBased(Box::new(root));
        match (self.0)(NAME).as_deref() {
            None | Some("parentbased_always_on") => Ok(parent(Sampler::AlwaysOn)),
            Some("parentbased_always_off") => Ok(parent(Sampler::AlwaysOff)),
            Some("parentbased_traceidratio") => {
                Ok(parent(Sampler::TraceIdRatioBased(self.ratio()?)))
            }
            Some("always_on") => Ok(Sampler::AlwaysOn),
            Some("always_off") => Ok(Sampler::AlwaysOff),
            Some("traceidratio") => Ok(Sampler::TraceIdRatioBased(self.ratio()?)),
            Some(_) => Err(wrong(
                NAME,
                "write always_on, always_off, traceidratio, or one of these after parentbased_",
            )),
        }
    }

    fn ratio(&self) -> Result<f64, SettingsError> {
        const NAME: &str = "OTEL_TRACES_SAMPLER_ARG";
        let Some(text) = (self.0)(NAME) else {
            return Ok(1.0);
        };
        let ratio = text.parse().ok();
        ratio
            .filter(|ratio| (0.0..=1.0).contains(ratio))
            .ok_or_else(|| wrong(NAME, "write a ratio from 0 to 1, such as 0.1"))
    }

    fn positive(&self, name: &str, default: usize) -> Result<usize, SettingsError> {
        let Some(text) = (self.0)(name) else {
            return Ok(default);
        };
        let number = text.parse().ok();
        // The queue's memory is taken at once.
        number
            .filter(|number| (1..=1_000_000).contains(number))
            .ok_or_else(|| wrong(name, "write a whole number from 1 to 1000000"))
    }

    fn milliseconds(&self, names: &[String], default: Duration) -> Result<Duration, SettingsError> {
        let Some((name, text)) = self.first(names) else {
            return Ok(default);
        };
        let number: Option<u64> = text.parse().ok();
        number
            .filter(|number| (1..=3_600_000).contains(number))
            .map(Duration::from_millis)
            .ok_or_else(|| {
                wrong(
                    name,
                    "write a whole number of milliseconds, from 1 to 3600000",
                )
            })
    }
}

/// The address of traces at a server for all signals.
fn based(variable: &str, text: &str) -> Result<Url, SettingsError> {
    let mut url = address(variable, text)?;
    let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

fn address(variable: &str, text: &str) -> Result<Url, SettingsError> {
    let url = Url::parse(text).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .filter(|url| url.username().is_empty() && url.password().is_none())
        .ok_or_else(|| {
            wrong(
                variable,
                "write a URL that starts with http:// or https://, without user and password; secrets go into OTEL_EXPORTER_OTLP_HEADERS",
            )
        })
}

/// `key=value,key=value`, decoded; nothing if a part is none.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let parts = text.split(',').filter(|part| !part.trim().is_empty());
    parts
        .map(|part| {
            let (key, value) = part.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            let key = key.trim();
            (!key.is_empty()).then(|| (key.to_owned(), value.into_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests;
