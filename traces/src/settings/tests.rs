use super::*;

fn read(set: &[(&str, &str)]) -> Result<Option<Settings>, SettingsError> {
    Settings::from_lookup(|name| {
        set.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned())
    })
}

fn asked(set: &[(&str, &str)]) -> Settings {
    read(set).unwrap().expect("traces are asked for")
}

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");

#[test]
fn there_are_none_unless_an_endpoint_or_an_exporter_asks_for_them() {
    for off in [
        &[][..],
        &[("OTEL_SERVICE_NAME", "files")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")],
        &[ENDPOINT, ("OTEL_SDK_DISABLED", "True")],
        &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")],
        // Somebody who wants none need not have the rest right.
        &[("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_SAMPLER", "?")],
    ] {
        assert!(read(off).unwrap().is_none(), "{off:?}");
    }
    assert_eq!(
        asked(&[("OTEL_TRACES_EXPORTER", "otlp")]).endpoint.as_str(),
        "http://localhost:4318/v1/traces"
    );
}

#[test]
fn the_address_for_traces_is_taken_as_it_is_and_wins() {
    let of = |set: &[(&str, &str)]| asked(set).endpoint.to_string();
    assert_eq!(of(&[ENDPOINT]), "http://collector:4318/v1/traces");
    assert_eq!(
        of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://a/otlp")]),
        "https://a/otlp/v1/traces"
    );
    let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://b/spans");
    assert_eq!(of(&[ENDPOINT, own]), "https://b/spans");
}

#[test]
fn headers_are_decoded_and_never_shown() {
    let settings = asked(&[
        ENDPOINT,
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer%20hidden, x-a = b",
        ),
    ]);
    assert_eq!(settings.headers["authorization"], "Bearer hidden");
    assert_eq!(settings.headers["x-a"], "b");
    assert!(!format!("{settings:?}").contains("hidden"));
}

#[test]
fn samplers_are_those_of_the_specification() {
    for (name, argument, sampler) in [
        ("", "", "ParentBased(AlwaysOn)"),
        ("always_off", "", "AlwaysOff"),
        ("traceidratio", "0.25", "TraceIdRatioBased(0.25)"),
        (
            "parentbased_traceidratio",
            "",
            "ParentBased(TraceIdRatioBased(1.0))",
        ),
    ] {
        let set = [
            ENDPOINT,
            ("OTEL_TRACES_SAMPLER", name),
            ("OTEL_TRACES_SAMPLER_ARG", argument),
        ];
        assert_eq!(format!("{:?}", asked(&set).sampler), sampler);
    }
}

#[test]
fn a_value_that_makes_no_sense_is_named_with_a_remedy_and_not_quoted() {
    for (name, value) in [
        ("OTEL_SDK_DISABLED", "hidden"),
        ("OTEL_TRACES_EXPORTER", "hidden"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "hidden:4318"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://user:hidden@collector",
        ),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc-hidden"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "hidden"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "hidden"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hidden"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=hidden"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=hidden%0Ax"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "5s-hidden"),
        ("OTEL_TRACES_SAMPLER", "hidden"),
        ("OTEL_RESOURCE_ATTRIBUTES", "hidden"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "hidden"),
    ] {
        let error = read(&[ENDPOINT, (name, value)]).expect_err(name);
        assert_eq!(error.variable, name);
        let text = error.to_string();
        assert!(
            text.len() > name.len() + 10 && !text.contains("hidden"),
            "{text}"
        );
    }
    let set = [
        ENDPOINT,
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "10"),
    ];
    assert_eq!(
        read(&set).expect_err("a ratio over 1").variable,
        "OTEL_TRACES_SAMPLER_ARG"
    );
}
