use std::collections::HashMap;
use std::path::Path;

use jsonwebtoken::Algorithm;

use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables: HashMap<String, String> = variables
        .iter()
        .map(|(name, value)| (format!("FILEGATEWAY_{name}"), (*value).to_owned()))
        .collect();
    Config::read(&|name| variables.get(name).cloned())
}

const MINIMUM: [(&str, &str); 5] = [
    ("ORGANIZATION", "acme"),
    ("STORE_BUCKET", "acme-files"),
    ("DATABASE_URL", "sqlite:///data/catalog.db"),
    ("AUTH_ISSUER", "https://issuer.example"),
    ("AUTH_AUDIENCE", "files"),
];

fn with<'a>(extra: &[(&'a str, &'a str)]) -> Result<Config, ConfigError> {
    read(&[&MINIMUM[..], extra].concat())
}

fn problems(result: Result<Config, ConfigError>) -> Vec<&'static str> {
    let error = result.unwrap_err();
    error
        .problems
        .iter()
        .map(|problem| problem.variable)
        .collect()
}

#[test]
fn the_minimum_gets_the_documented_defaults() {
    let config = with(&[]).unwrap();
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.backends.store.region, "us-east-1");
    assert!(config.backends.store.path_style);
    assert_eq!(
        config.backends.store.credentials,
        Path::new("/etc/filegateway/s3")
    );
    assert_eq!(
        config.backends.database.address,
        DatabaseAddress::Sqlite("/data/catalog.db".into())
    );
    assert_eq!(config.backends.database.max_connections, 10);
    assert_eq!(config.backends.uploads.max_file_bytes, 5_368_709_120);
    assert_eq!(config.backends.uploads.max_files, 100);
    assert_eq!(config.backends.access.delivery, Delivery::Proxy);
    assert_eq!(config.auth.keys, KeysFrom::Discovery);
    assert_eq!(config.auth.algorithms, [Algorithm::RS256, Algorithm::ES256]);
    assert_eq!(config.tokens.lifetime.as_secs(), 300);
    assert_eq!(config.tokens.playback.as_secs(), 4 * 60 * 60);
    assert_eq!(config.server.limits, crate::server::Limits::default());
    assert_eq!(config.server.body_min_bytes, 1024);
    assert_eq!(config.server.body_patience.as_secs(), 30);
}

#[test]
fn limits_on_time_and_connections_are_read() {
    let config = with(&[
        ("SERVER_MAX_CONNECTIONS", "7"),
        ("SERVER_HEADER_SECONDS", "2"),
        ("SERVER_IDLE_SECONDS", "3"),
        ("SERVER_STALL_SECONDS", "4"),
        ("SERVER_STOP_DELAY_SECONDS", "5"),
        ("SERVER_STOP_SECONDS", "0"),
    ]);
    let limits = config.unwrap().server.limits;
    assert_eq!(limits.max_connections, 7);
    let times = [limits.head, limits.idle, limits.stall, limits.stop_delay];
    assert_eq!(times.map(|time| time.as_secs()), [2, 3, 4, 5]);
    assert!(limits.stop.is_zero());
    let wrong = with(&[
        ("SERVER_MAX_CONNECTIONS", "0"),
        ("SERVER_BODY_SECONDS", "0"),
        ("SERVER_HEADER_SECONDS", "soon"),
    ]);
    assert_eq!(
        problems(wrong),
        [
            "FILEGATEWAY_SERVER_MAX_CONNECTIONS",
            "FILEGATEWAY_SERVER_HEADER_SECONDS",
            "FILEGATEWAY_SERVER_BODY_SECONDS"
        ]
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let error = read(&[
        ("LISTEN", "everywhere"),
        ("DELIVERY", "proxy"),
        ("UPLOADS_MAX_FILES", "0"),
        ("STORE_ENDPOINT", "s3.example"),
    ])
    .unwrap_err();
    let text = error.to_string();
    for variable in [
        "FILEGATEWAY_ORGANIZATION",
        "FILEGATEWAY_STORE_ENDPOINT",
        "FILEGATEWAY_STORE_BUCKET",
        "FILEGATEWAY_DATABASE_URL",
        "FILEGATEWAY_UPLOADS_MAX_FILES",
        "FILEGATEWAY_DELIVERY",
        "FILEGATEWAY_LISTEN",
        "FILEGATEWAY_AUTH_ISSUER",
        "FILEGATEWAY_AUTH_AUDIENCE",
    ] {
        assert!(text.contains(variable), "{variable} is not in\n{text}");
    }
    assert_eq!(error.problems.len(), 9, "{text}");
}

#[test]
fn a_secret_excludes_published_keys() {
    let both = with(&[
        ("AUTH_SECRET_FILE", "/etc/secret"),
        ("AUTH_JWKS_URL", "https://issuer.example/keys"),
    ]);
    assert_eq!(problems(both), ["FILEGATEWAY_AUTH_SECRET_FILE"]);
}

#[test]
fn algorithms_go_with_the_kind_of_key() {
    let secret = with(&[("AUTH_SECRET_FILE", "/etc/secret")]).unwrap();
    assert_eq!(secret.auth.algorithms, [Algorithm::HS256]);
    for (extra, name) in [
        (
            vec![("AUTH_ALGORITHMS", "RS256,HS256")],
            "HMAC with published keys",
        ),
        (
            vec![
                ("AUTH_ALGORITHMS", "RS256"),
                ("AUTH_SECRET_FILE", "/etc/secret"),
            ],
            "RSA with a secret",
        ),
        (vec![("AUTH_ALGORITHMS", "none")], "none"),
        (vec![("AUTH_ALGORITHMS", "ES512")], "unknown"),
    ] {
        assert_eq!(
            problems(with(&extra)),
            ["FILEGATEWAY_AUTH_ALGORITHMS"],
            "{name}"
        );
    }
}

#[test]
fn a_database_password_in_a_variable_is_refused_and_not_repeated() {
    let variables = [
        &MINIMUM[..2],
        &MINIMUM[3..],
        &[("DATABASE_URL", "postgres://u:hunter2@db/x")],
    ]
    .concat();
    let error = read(&variables).unwrap_err();
    assert_eq!(error.problems.len(), 1);
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn an_issuer_that_is_no_address_needs_keys_from_elsewhere() {
    let variables = [
        &MINIMUM[..3],
        &MINIMUM[4..],
        &[("AUTH_ISSUER", "filegateway-dev")],
    ]
    .concat();
    assert_eq!(problems(read(&variables)), ["FILEGATEWAY_AUTH_ISSUER"]);
    let with_secret = [&variables[..], &[("AUTH_SECRET_FILE", "/etc/secret")]].concat();
    assert!(read(&with_secret).is_ok());
}

#[test]
fn empty_variables_count_as_absent() {
    let config = with(&[("STORE_ENDPOINT", ""), ("AUTH_JWKS_URL", " ")]).unwrap();
    assert_eq!(config.backends.store.endpoint, None);
    assert_eq!(config.auth.keys, KeysFrom::Discovery);
}
