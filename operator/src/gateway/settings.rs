//! From a spec to the gateway's variables that follow from it alone. Pure.
//!
//! Their meanings and limits: `docs/configuration.md`. What contradicts itself never gets here: the
//! rules in the resource's schema refuse it.

use std::collections::BTreeMap;

use crds::{Delivery, FileGatewaySpec, LocationAccess, Switch};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::quantity;

/// Variables by name.
pub type Settings = BTreeMap<&'static str, String>;

/// The most memory that uploads share unless the spec says more, and the least that a gateway runs with.
const USUAL_UPLOAD_MEMORY: u64 = 256 << 20;
const LEAST_UPLOAD_MEMORY: u64 = 8 << 20;

/// The variables, or what is wrong with the spec and what to write instead.
pub fn settings(spec: &FileGatewaySpec) -> Result<Settings, String> {
    let mut set = Settings::new();
    uploads(spec, &mut set)?;
    quota(spec, &mut set)?;
    access(spec, &mut set);
    server(spec, &mut set);
    Ok(set)
}

/// The largest file, in bytes.
pub fn max_file_bytes(spec: &FileGatewaySpec) -> Result<u64, String> {
    bytes("spec.uploads.maxFileSize", &spec.uploads.max_file_size)
}

/// A size in bytes that a database can count.
pub fn bytes(field: &str, size: &Quantity) -> Result<u64, String> {
    quantity::bytes(&size.0)
        .filter(|bytes| i64::try_from(*bytes).is_ok())
        .ok_or_else(|| format!("{field} is {:?}: write a size such as 5Gi", size.0))
}

fn uploads(spec: &FileGatewaySpec, set: &mut Settings) -> Result<(), String> {
    let uploads = &spec.uploads;
    set.insert(
        "FILEGATEWAY_UPLOADS_MAX_FILE_BYTES",
        max_file_bytes(spec)?.to_string(),
    );
    set.insert(
        "FILEGATEWAY_UPLOADS_MAX_FILES",
        uploads.max_files.to_string(),
    );
    for (variable, types) in [
        ("FILEGATEWAY_UPLOADS_ALLOWED_TYPES", &uploads.allowed_types),
        ("FILEGATEWAY_UPLOADS_DENIED_TYPES", &uploads.denied_types),
    ] {
        if !types.is_empty() {
            set.insert(variable, types.join(","));
        }
    }
    set.insert(
        "FILEGATEWAY_UPLOADS_IN_FLIGHT",
        uploads.in_flight.to_string(),
    );
    set.insert(
        "FILEGATEWAY_UPLOADS_MEMORY_BYTES",
        upload_memory(spec)?.to_string(),
    );
    set.insert(
        "FILEGATEWAY_UPLOADS_EXPIRE_SECONDS",
        uploads.expire_seconds.to_string(),
    );
    Ok(())
}

/// Uploads may fill their memory, and the rest of the process has to live too.
fn upload_memory(spec: &FileGatewaySpec) -> Result<u64, String> {
    if let Some(memory) = &spec.uploads.memory {
        return bytes("spec.uploads.memory", memory);
    }
    let limit = spec
        .resources
        .as_ref()
        .and_then(|resources| resources.limits.as_ref()?.get("memory"));
    let usual = match limit {
        Some(limit) => bytes("spec.resources.limits.memory", limit)? / 2,
        None => USUAL_UPLOAD_MEMORY,
    };
    Ok(usual.clamp(LEAST_UPLOAD_MEMORY, USUAL_UPLOAD_MEMORY))
}

fn quota(spec: &FileGatewaySpec, set: &mut Settings) -> Result<(), String> {
    let (all, own) = (&spec.quota, &spec.quota.per_owner);
    for (variable, field, size) in [
        ("FILEGATEWAY_QUOTA_BYTES", "spec.quota.size", &all.size),
        (
            "FILEGATEWAY_QUOTA_OWNER_BYTES",
            "spec.quota.perOwner.size",
            &own.size,
        ),
    ] {
        if let Some(size) = size {
            set.insert(variable, bytes(field, size)?.to_string());
        }
    }
    for (variable, files) in [
        ("FILEGATEWAY_QUOTA_FILES", all.files),
        ("FILEGATEWAY_QUOTA_OWNER_FILES", own.files),
    ] {
        if let Some(files) = files {
            set.insert(variable, files.to_string());
        }
    }
    Ok(())
}

fn access(spec: &FileGatewaySpec, set: &mut Settings) {
    let access = &spec.access;
    let locations = match access.locations {
        LocationAccess::Members => "Members",
        LocationAccess::Owner => "Owner",
    };
    set.insert("FILEGATEWAY_ACCESS_LOCATIONS", locations.into());
    let stream = match access.location_stream {
        Switch::On => "On",
        Switch::Off => "Off",
    };
    set.insert("FILEGATEWAY_ACCESS_LOCATION_STREAM", stream.into());
    set.insert(
        "FILEGATEWAY_ACCESS_LOCATION_STREAM_DEPRECATED",
        access.location_stream_deprecated.clone(),
    );
    if let Some(sunset) = &access.location_stream_sunset {
        set.insert("FILEGATEWAY_ACCESS_LOCATION_STREAM_SUNSET", sunset.clone());
    }
    let delivery = match spec.delivery {
        Delivery::Proxy => "Proxy",
        Delivery::Redirect => "Redirect",
    };
    set.insert("FILEGATEWAY_DELIVERY", delivery.into());
    if !spec.cors.origins.is_empty() {
        set.insert("FILEGATEWAY_CORS_ORIGINS", spec.cors.origins.join(","));
    }
}

fn server(spec: &FileGatewaySpec, set: &mut Settings) {
    let (server, shutdown) = (&spec.server, &spec.shutdown);
    for (variable, number) in [
        ("FILEGATEWAY_SERVER_MAX_CONNECTIONS", server.max_connections),
        ("FILEGATEWAY_SERVER_HEADER_SECONDS", server.header_seconds),
        ("FILEGATEWAY_SERVER_IDLE_SECONDS", server.idle_seconds),
        ("FILEGATEWAY_SERVER_BODY_MIN_BYTES", server.body_min_bytes),
        ("FILEGATEWAY_SERVER_BODY_SECONDS", server.body_seconds),
        ("FILEGATEWAY_SERVER_STALL_SECONDS", server.stall_seconds),
        (
            "FILEGATEWAY_SERVER_STOP_DELAY_SECONDS",
            shutdown.delay_seconds,
        ),
        ("FILEGATEWAY_SERVER_STOP_SECONDS", shutdown.drain_seconds),
        (
            "FILEGATEWAY_READINESS_MAX_CLOCK_SKEW_SECONDS",
            server.max_clock_skew_seconds,
        ),
        (
            "FILEGATEWAY_REQUESTS_PER_MINUTE",
            server.requests_per_minute,
        ),
        (
            "FILEGATEWAY_DATABASE_MAX_CONNECTIONS",
            spec.database.max_connections,
        ),
    ] {
        set.insert(variable, number.to_string());
    }
    set.insert("FILEGATEWAY_LOG", server.log.clone());
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings_of(changes: &Value) -> Result<Settings, String> {
        let mut spec = json!({"organization": "acme", "auth": {"issuer": "i", "audience": "a"}});
        for (key, value) in changes.as_object().unwrap() {
            spec[key] = value.clone();
        }
        settings(&serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn a_size_that_is_none_is_named() {
        for (changes, field) in [
            (
                json!({"uploads": {"maxFileSize": "much"}}),
                "spec.uploads.maxFileSize",
            ),
            (json!({"quota": {"size": "20E"}}), "spec.quota.size"),
            (
                json!({"resources": {"limits": {"memory": "lots"}}}),
                "spec.resources.limits.memory",
            ),
        ] {
            let refused = settings_of(&changes).unwrap_err();
            assert!(refused.contains(field), "{changes}: {refused}");
        }
    }

    #[test]
    fn memory_for_uploads_follows_from_that_of_pods() {
        let memory = |changes: Value| {
            let set = settings_of(&changes).unwrap();
            set["FILEGATEWAY_UPLOADS_MEMORY_BYTES"]
                .parse::<u64>()
                .unwrap()
                >> 20
        };
        assert_eq!(memory(json!({})), 256);
        let limit = |limit: &str| json!({"limits": {"memory": limit}});
        assert_eq!(memory(json!({"resources": limit("128Mi")})), 64);
        assert_eq!(memory(json!({"resources": limit("8Gi")})), 256);
        assert_eq!(memory(json!({"resources": {}})), 256);
        let asked = json!({"resources": limit("8Gi"), "uploads": {"memory": "4Gi"}});
        assert_eq!(memory(asked), 4096);
        let unlimited = json!({"resources": {}, "uploads": {"memory": "4Gi"}});
        assert_eq!(memory(unlimited), 4096);
    }

    #[test]
    fn every_variable_is_documented() {
        let everything = json!({
            "uploads": {"allowedTypes": ["image/*"], "deniedTypes": ["image/svg+xml"]},
            "quota": {"size": "1Ti", "files": 9, "perOwner": {"size": "1Gi", "files": 3}},
            "access": {"locationStreamSunset": "2027-01-01"},
            "cors": {"origins": ["https://app.example.com"]},
        });
        let documented = include_str!("../../../docs/configuration.md");
        for variable in settings_of(&everything).unwrap().keys() {
            assert!(
                documented.contains(&format!("| `{variable}` |")),
                "{variable}"
            );
        }
    }
}
