//! Variables beside a file, and what there is of both.

use super::*;

/// The configuration by these variables and a file of this text.
fn with_file<T>(
    variables: &[(&str, &str)],
    text: &str,
    read: impl FnOnce(&Sources<'_>) -> T,
) -> (T, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, text).unwrap();
    let variables: HashMap<String, String> = variables
        .iter()
        .map(|(name, value)| (format!("FILEGATEWAY_{name}"), (*value).to_owned()))
        .collect();
    let lookup = |name: &str| variables.get(name).cloned();
    let read = read(&Sources::load(&lookup, Some(&path)));
    (read, path.display().to_string())
}

const MINIMUM_FILE: &str = "
organization: acme
store:
  bucket: acme-files
database:
  url: sqlite:///data/catalog.db
auth:
  issuer: https://issuer.example
  audience: files
";

#[test]
fn a_file_says_what_variables_say() {
    let text = format!(
        "{MINIMUM_FILE}  algorithms: [PS256, EdDSA]
uploads: {{maxFileBytes: 1048576, maxFiles: 7}}
worker:
  embedded: true
listen: 127.0.0.1:9000
access:
  locations: Owner
"
    );
    let (config, _) = with_file(&[], &text, |sources| sources.config());
    let config = config.unwrap();
    assert_eq!(config.backends.organization, "acme");
    assert_eq!(config.backends.uploads.max_file_bytes, 1 << 20);
    assert_eq!(config.backends.uploads.max_files, 7);
    assert_eq!(config.auth.algorithms, [Algorithm::PS256, Algorithm::EdDSA]);
    assert!(config.server.embedded_worker);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:9000");
    assert_eq!(
        config.backends.access.locations,
        crate::auth::policy::LocationAccess::Owner
    );
}

/// The rule holds for each variable, those of tomorrow too: a marker in the file is what the reader
/// gets, and a variable wins over it.
#[test]
fn every_variable_has_its_key_and_wins_over_it() {
    let known = sources::known();
    assert!(known.len() > 25, "{known:?}");
    for variable in known {
        let key = names::key_of(variable);
        let text = match key.split_once('.') {
            Some((section, key)) => format!("{section}:\n  {key}: from-the-file\n"),
            None => format!("{key}: from-the-file\n"),
        };
        let ((found, field), path) = with_file(&[], &text, |sources| {
            (sources.get(variable), sources.field(variable))
        });
        let expected = Some(("from-the-file".to_owned(), Origin::File));
        assert_eq!(found, expected, "{variable}");
        assert_eq!(field, format!("{key} in {path}"));
        let name = variable.strip_prefix("FILEGATEWAY_").unwrap();
        let (found, _) = with_file(&[(name, "from-outside")], &text, |sources| {
            sources.get(variable)
        });
        let expected = Some(("from-outside".to_owned(), Origin::Variable));
        assert_eq!(found, expected, "{variable}");
        // An empty variable is none.
        let (found, _) = with_file(&[(name, " ")], &text, |sources| sources.get(variable));
        assert_eq!(found.unwrap().1, Origin::File, "{variable}");
    }
}

#[test]
fn every_variable_is_documented_with_its_key() {
    let documented = include_str!("../../../../docs/configuration.md");
    let rows: Vec<_> = documented
        .lines()
        .filter_map(|line| line.strip_prefix("| `FILEGATEWAY_"))
        .map(|rest| format!("FILEGATEWAY_{}", rest.split('`').next().unwrap()))
        .collect();
    let known = sources::known();
    for variable in &known {
        assert!(
            rows.iter().any(|row| row == variable),
            "{variable} is not in docs/configuration.md"
        );
    }
    for row in rows.iter().filter(|row| *row != names::CONFIG_FILE) {
        assert!(
            known.contains(&row.as_str()),
            "{row} is documented and unknown"
        );
    }
}

#[test]
fn problems_of_the_file_and_of_variables_are_told_together() {
    let text = "
organisation: acme
uploads: {maxFileByte: 1, maxFiles: many}
store: {bucket: [[a]]}
colour: red
";
    let variables = [("LISTEN", "nowhere"), ("DELIVERY", "Proxy")];
    let (config, path) = with_file(&variables, text, |sources| sources.config());
    let error = config.unwrap_err();
    let told = error.to_string();
    for line in [
        &format!("organisation in {path}: is no known key; did you mean organization?"),
        &format!(
            "uploads.maxFileByte in {path}: is no known key; did you mean uploads.maxFileBytes?"
        ),
        &format!("uploads.maxFiles in {path}: \"many\" is not a number from 1 to 10000"),
        &format!("store.bucket in {path}: should be a plain value, or a list of plain values"),
        &format!("colour in {path}: is no known key\n"),
        "FILEGATEWAY_LISTEN: \"nowhere\" is not a socket address",
        "FILEGATEWAY_ORGANIZATION: is required and not set",
        "FILEGATEWAY_AUTH_ISSUER: is required and not set",
    ] {
        assert!(told.contains(line), "{line} is not in\n{told}");
    }
}

#[test]
fn a_file_that_is_not_there_is_a_problem_beside_the_others() {
    let lookup = |name: &str| (name == names::CONFIG_FILE).then(|| "/no/such/file.yaml".to_owned());
    let told = Sources::load(&lookup, None)
        .config()
        .unwrap_err()
        .to_string();
    assert!(told.contains("FILEGATEWAY_CONFIG_FILE: /no/such/file.yaml can't be read"));
    assert!(told.contains("FILEGATEWAY_ORGANIZATION"));
}

#[test]
fn a_mistyped_variable_is_noticed_and_a_service_link_is_not() {
    let nothing = |_: &str| None;
    let names = [
        "FILEGATEWAY_UPLOAD_MAX_FILES",
        "FILEGATEWAY_ORGANIZATION",
        "FILEGATEWAY_CONFIG_FILE",
        "FILEGATEWAY_LOG",
        "FILEGATEWAY_SERVICE_HOST",
        "FILEGATEWAY_PORT",
        "FILEGATEWAY_PORT_8080_TCP_ADDR",
        "FILEGATEWAY_ACME_SERVICE_PORT_HTTP",
        "HOME",
    ];
    let unknown = Sources::load(&nothing, None).unknown_variables(names.map(str::to_owned));
    assert_eq!(
        unknown,
        [(
            "FILEGATEWAY_UPLOAD_MAX_FILES".to_owned(),
            Some("FILEGATEWAY_UPLOADS_MAX_FILES".to_owned())
        )]
    );
}

#[test]
fn the_effective_configuration_is_a_file_that_says_the_same() {
    let text = format!("{MINIMUM_FILE}  algorithms: [PS256]\nuploads: {{maxFiles: 7}}\n");
    let variables = [("STORE_ENDPOINT", "http://ana:hunter2@s3.example")];
    let ((printed, outcome), path) = with_file(&variables, &text, |sources| sources.effective());
    outcome.unwrap();
    for line in [
        &format!("organization: \"acme\" # {path}"),
        "  endpoint: \"http://ana:not-shown@s3.example/\" # FILEGATEWAY_STORE_ENDPOINT",
        "  region: \"us-east-1\" # default",
        &format!("  maxFiles: 7 # {path}"),
        "  locations: \"Members\" # default",
        "  # jwksUrl: not set",
    ] {
        assert!(printed.contains(line), "{line} is not in\n{printed}");
    }
    assert!(!printed.contains("hunter2"));
    let (again, _) = with_file(&[], &printed, |sources| {
        (sources.config().map(|_| ()), sources.effective().0)
    });
    again.0.unwrap();
    let values = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.split(" # ").next().unwrap());
        lines.map(str::to_owned).collect()
    };
    assert_eq!(values(&again.1), values(&printed));
}
