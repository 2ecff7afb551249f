//! Who may read what, how, and from where.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// File tokens.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokensSpec {
    /// How long a file token is good for, in seconds. Default: 300.
    #[serde(default = "default_lifetime")]
    #[schemars(range(min = 30, max = 86400))]
    pub lifetime_seconds: i32,

    /// For how long playback goes on that began with a token, in seconds; 0 for not beyond the
    /// token's own end. A signing key is accepted for as long after its rotation. Default: 14400,
    /// four hours.
    #[serde(default = "default_playback")]
    #[schemars(range(min = 0, max = 86400))]
    pub playback_seconds: i32,
}

impl Default for TokensSpec {
    fn default() -> Self {
        Self {
            lifetime_seconds: default_lifetime(),
            playback_seconds: default_playback(),
        }
    }
}

fn default_lifetime() -> i32 {
    300
}

fn default_playback() -> i32 {
    4 * 60 * 60
}

/// Access rules.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.locationStreamSunset) || self.locationStreamSunset >= self.locationStreamDeprecated")
    .message("spec.access.locationStreamSunset: it is before locationStreamDeprecated; write a later date (RFC 9745, section 4)"))]
pub struct AccessSpec {
    /// Who may read a file by its location, the contract's deprecated way. `Members`: every member
    /// of the organization. `Owner`: those who may read it by id. Default: `Members`.
    #[serde(default)]
    pub locations: LocationAccess,

    /// Whether `GET /v1/files/stream?location=` works; with `Off` it is answered 410. Default: `On`.
    #[serde(default)]
    pub location_stream: Switch,

    /// Since when callers are told that it is deprecated, as a date. Default: `2026-01-01`.
    #[serde(default = "default_deprecated")]
    #[schemars(extend("format" = "date"))]
    pub location_stream_deprecated: String,

    /// When callers are told that it will stop working, as a date. Default: they are not told.
    /// Example: `2027-06-30`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date"))]
    pub location_stream_sunset: Option<String>,
}

impl Default for AccessSpec {
    fn default() -> Self {
        Self {
            locations: LocationAccess::default(),
            location_stream: Switch::default(),
            location_stream_deprecated: default_deprecated(),
            location_stream_sunset: None,
        }
    }
}

fn default_deprecated() -> String {
    "2026-01-01".into()
}

/// Who may read by location.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum LocationAccess {
    /// Every member of the organization.
    #[default]
    Members,
    /// Those who may read it by id.
    Owner,
}

/// Whether something works.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum Switch {
    /// It does.
    #[default]
    On,
    /// It does not.
    Off,
}

/// How bytes reach a reader.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum Delivery {
    /// Through the gateway.
    #[default]
    Proxy,
    /// A redirect (307) to a presigned URL of the object store, which readers must be able to reach.
    Redirect,
}

/// Whose web pages may call the gateway from a browser.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CorsSpec {
    /// Origins (RFC 6454) as browsers send them: scheme, host, and the port unless it is the scheme's
    /// own. `*` alone stands for every origin, but without cookies, which playback needs. Default:
    /// none. Example: `https://app.example.com`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(
            length(max = 300),
            regex(pattern = r"^(\*|https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?)$")
        )
    )]
    #[x_kube(validation = Rule::new("!self.exists(o, o == '*') || self.size() == 1")
        .message("spec.cors.origins: * allows every origin already; let it stand alone, or list origins without it"))]
    #[x_kube(validation = Rule::new("!self.exists(o, (o.startsWith('https://') && o.endsWith(':443')) || (o.startsWith('http://') && o.endsWith(':80')))")
        .message("spec.cors.origins: browsers leave out the port when it is the scheme's own; write it without :443 or :80"))]
    pub origins: Vec<String>,
}
