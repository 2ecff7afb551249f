use std::collections::HashMap;
use std::path::Path;

use jsonwebtoken::Algorithm;

use super::*;

mod files;

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

fn problems(result: Result<Config, ConfigError>) -> Vec<String> {
    let problems = result.unwrap_err().problems.into_iter();
    problems.map(|problem| problem.field).collect()
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
    assert_eq!(config.backends.uploads.expire.as_secs(), 86_400);
    assert_eq!(config.backends.uploads.max_age.as_secs(), 604_800);
    assert_eq!(config.backends.uploads.max_unfinished, 100);
    assert_eq!(config.backends.database.max_connections, 10);
    assert_eq!(config.backends.uploads.max_file_bytes, 5_368_709_120);
    assert_eq!(config.backends.uploads.max_files, 100);
    assert_eq!(config.backends.access.delivery, Delivery::Proxy);
    assert_eq!(config.auth.keys, KeysFrom::Discovery);
    assert_eq!(config.auth.algorithms, [Algorithm::RS256, Algorithm::ES256]);
    assert_eq!(config.tokens.lifetime.as_secs(), 300);
    assert_eq!(config.cors, CorsOrigins::Off);
    let metrics = config.backends.metrics_listen.unwrap();
    assert_eq!(metrics.to_string(), "0.0.0.0:9090");
    let stream = config.backends.access.location_stream;
    assert!(stream.on);
    assert_eq!(stream.deprecated.to_rfc3339(), "2026-01-01T00:00:00+00:00");
    assert_eq!(stream.sunset, None);
    assert_eq!(config.tokens.playback.as_secs(), 4 * 60 * 60);
    assert_eq!(config.server.limits, crate::server::Limits::default());
    assert_eq!(config.server.body_min_bytes, 1024);
    assert_eq!(config.server.body_patience.as_secs(), 30);
    assert_eq!(config.server.max_clock_skew.as_secs(), 60);
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
        ("READINESS_MAX_CLOCK_SKEW_SECONDS", "901"),
    ]);
    assert_eq!(
        problems(wrong),
        [
            "FILEGATEWAY_SERVER_MAX_CONNECTIONS",
            "FILEGATEWAY_SERVER_HEADER_SECONDS",
            "FILEGATEWAY_SERVER_BODY_SECONDS",
            "FILEGATEWAY_READINESS_MAX_CLOCK_SKEW_SECONDS"
        ]
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let error = read(&[
        ("LISTEN", "everywhere"),
        ("DELIVERY", "proxy"),
        ("UPLOADS_MAX_FILES", "0"),
        ("UPLOADS_EXPIRE_SECONDS", "59"),
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
        "FILEGATEWAY_UPLOADS_EXPIRE_SECONDS",
        "FILEGATEWAY_DELIVERY",
        "FILEGATEWAY_LISTEN",
        "FILEGATEWAY_AUTH_ISSUER",
        "FILEGATEWAY_AUTH_AUDIENCE",
    ] {
        assert!(text.contains(variable), "{variable} is not in\n{text}");
    }
    assert_eq!(error.problems.len(), 10, "{text}");
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

#[test]
fn metrics_can_be_switched_off() {
    let config = with(&[("METRICS_LISTEN", "Off")]).unwrap();
    assert_eq!(config.backends.metrics_listen, None);
    let wrong = with(&[("METRICS_LISTEN", "9090")]);
    assert_eq!(problems(wrong), ["FILEGATEWAY_METRICS_LISTEN"]);
}

#[test]
fn every_wrong_origin_is_reported() {
    let origins = |text| with(&[("CORS_ORIGINS", text)]);
    assert_eq!(origins("*").unwrap().cors, CorsOrigins::Any);
    assert_eq!(
        origins("https://a.example, http://localhost:5173,")
            .unwrap()
            .cors,
        CorsOrigins::Exact(vec![
            "https://a.example".into(),
            "http://localhost:5173".into()
        ])
    );
    let error = origins("https://a.example/, b.example, https://c.example, *").unwrap_err();
    assert_eq!(error.problems.len(), 3, "{error}");
    assert!(
        error.to_string().contains("https://a.example is"),
        "{error}"
    );
    assert_eq!(problems(Err(error)), ["FILEGATEWAY_CORS_ORIGINS"; 3]);
}

#[test]
fn the_dates_of_a_deprecation_make_sense() {
    let with_dates = |deprecated, sunset| {
        with(&[
            ("ACCESS_LOCATION_STREAM_DEPRECATED", deprecated),
            ("ACCESS_LOCATION_STREAM_SUNSET", sunset),
        ])
    };
    let config = with_dates("2026-02-01", "2027-06-30T12:00:00+02:00").unwrap();
    let stream = config.backends.access.location_stream;
    assert_eq!(stream.deprecated.timestamp(), 1_769_904_000);
    assert_eq!(
        stream.sunset.unwrap().to_rfc3339(),
        "2027-06-30T10:00:00+00:00"
    );
    const DEPRECATED: &str = "FILEGATEWAY_ACCESS_LOCATION_STREAM_DEPRECATED";
    const SUNSET: &str = "FILEGATEWAY_ACCESS_LOCATION_STREAM_SUNSET";
    assert_eq!(
        problems(with_dates("soon", "2027-13-01")),
        [DEPRECATED, SUNSET]
    );
    assert_eq!(problems(with_dates("2027-01-01", "2026-12-31")), [SUNSET]);
    let switch = with(&[("ACCESS_LOCATION_STREAM", "off")]);
    assert_eq!(problems(switch), ["FILEGATEWAY_ACCESS_LOCATION_STREAM"]);
}

#[test]
fn a_token_for_keys_needs_its_role_and_the_other_way_round() {
    const TOKEN: (&str, &str) = ("STORE_WEB_IDENTITY_TOKEN_FILE", "/var/run/token");
    const ROLE: (&str, &str) = ("STORE_WEB_IDENTITY_ROLE_ARN", "arn:aws:iam::1:role/files");
    assert_eq!(with(&[]).unwrap().backends.store.web_identity, None);
    let both = with(&[TOKEN, ROLE]).unwrap().backends.store.web_identity;
    let both = both.unwrap();
    assert_eq!(both.token_file, std::path::Path::new("/var/run/token"));
    assert_eq!(both.role_arn, "arn:aws:iam::1:role/files");
    assert_eq!(both.endpoint, None);
    for (alone, missing) in [
        (TOKEN, "FILEGATEWAY_STORE_WEB_IDENTITY_ROLE_ARN"),
        (ROLE, "FILEGATEWAY_STORE_WEB_IDENTITY_TOKEN_FILE"),
    ] {
        let error = with(&[alone]).unwrap_err().to_string();
        assert!(error.contains(missing), "{error}");
    }
}

#[test]
fn a_webhook_needs_a_safe_address_and_a_secret() {
    let secret = ("WEBHOOK_SECRET_FILE", "/secret");
    let url = |url| with(&[("WEBHOOK_URL", url), secret]);
    let webhook = url("https://hooks.example/a?b=c").unwrap().backends.webhook;
    let webhook = webhook.unwrap();
    assert_eq!(
        webhook.events,
        crate::files::EventType::ALL.into_iter().collect()
    );
    assert!(!webhook.private_addresses);
    for unsafe_url in [
        "http://hooks.example",
        "https://127.0.0.1/sesame",
        "https://169.254.169.254",
        "https://2130706433",
        "https://0x7f.1",
        "https://[::ffff:7f00:1]",
        "https://[64:ff9b::a00:1]",
        "https://user:sesame@hooks.example",
        "file:///sesame",
        "gopher://hooks.example",
        "sesame",
    ] {
        let error = url(unsafe_url).unwrap_err();
        assert!(!error.to_string().contains("sesame"), "{error}");
        assert_eq!(
            problems(Err(error)),
            ["FILEGATEWAY_WEBHOOK_URL"],
            "{unsafe_url}"
        );
    }
    let inside = [
        ("WEBHOOK_URL", "http://10.0.0.1"),
        ("WEBHOOK_PRIVATE_ADDRESSES", "true"),
        ("WEBHOOK_EVENTS", "file.ready, file.failed"),
        secret,
    ];
    let events = with(&inside).unwrap().backends.webhook.unwrap().events;
    assert!(events.has(crate::files::EventType::Ready));
    assert!(!events.has(crate::files::EventType::Created));
    let bad = [
        ("WEBHOOK_URL", "https://hooks.example"),
        ("WEBHOOK_EVENTS", "file.ready,file.read"),
        ("WEBHOOK_PRIVATE_ADDRESSES", "maybe"),
    ];
    let expected = ["EVENTS", "PRIVATE_ADDRESSES", "SECRET_FILE"];
    let expected = expected.map(|name| format!("FILEGATEWAY_WEBHOOK_{name}"));
    assert_eq!(problems(with(&bad)), expected);
    assert_eq!(
        problems(with(&[secret])),
        ["FILEGATEWAY_WEBHOOK_SECRET_FILE"]
    );
    assert!(with(&[]).unwrap().backends.webhook.is_none());
}
