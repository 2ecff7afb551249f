//! Commands that end by themselves.

use crate::process::run;

#[test]
fn openapi_prints_the_checked_in_document() {
    let output = run(&["openapi"], &[]);
    assert!(output.status.success());
    let document = String::from_utf8(output.stdout).unwrap();
    assert!(
        document == include_str!("../../openapi.json"),
        "gateway/openapi.json is out of date: run `make generate`"
    );
}

#[test]
fn serve_reports_every_problem_of_its_configuration() {
    let variables = [
        ("FILEGATEWAY_LISTEN", "nowhere"),
        (
            "FILEGATEWAY_DATABASE_URL",
            "postgres://user:hunter2@host/db",
        ),
    ];
    let output = run(&["serve"], &variables);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    for variable in [
        "FILEGATEWAY_ORGANIZATION",
        "FILEGATEWAY_LISTEN",
        "FILEGATEWAY_STORE_BUCKET",
        "FILEGATEWAY_DATABASE_URL",
        "FILEGATEWAY_AUTH_ISSUER",
        "FILEGATEWAY_AUTH_AUDIENCE",
    ] {
        assert!(told.contains(variable), "{variable} is not in:\n{told}");
    }
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn migrate_makes_a_database_and_may_be_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.db");
    let url = format!("sqlite://{}", file.display());
    for _ in 0..2 {
        let output = run(&["migrate"], &[("FILEGATEWAY_DATABASE_URL", &url)]);
        assert!(output.status.success(), "{output:?}");
    }
    assert!(file.exists());
}

#[test]
fn a_log_filter_that_makes_no_sense_is_refused() {
    let output = run(&["serve"], &[("FILEGATEWAY_LOG", "gateway=shout")]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("FILEGATEWAY_LOG"), "{told}");
}

/// A folder with a configuration file of this text, and the file's path.
fn configured(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    (folder, path)
}

#[test]
fn commands_take_a_file_by_argument_or_by_variable() {
    let (folder, path) = configured("");
    let database = folder.path().join("catalog.db");
    let text = format!("database:\n  url: sqlite://{}\n", database.display());
    std::fs::write(&path, text).unwrap();
    for (arguments, variables) in [
        (vec!["migrate", "--config", &path], vec![]),
        (
            vec!["migrate"],
            vec![("FILEGATEWAY_CONFIG_FILE", path.as_str())],
        ),
    ] {
        let output = run(&arguments, &variables);
        assert!(output.status.success(), "{output:?}");
        assert!(database.exists());
        std::fs::remove_file(&database).unwrap();
    }
}

#[test]
fn serve_reports_problems_of_file_and_variables_at_once() {
    let (_folder, path) = configured("organisation: acme\nuploads:\n  maxFiles: lots\n");
    let variables = [
        ("FILEGATEWAY_LISTEN", "nowhere"),
        ("FILEGATEWAY_UPLOAD_MAX_FILES", "5"),
    ];
    let output = run(&["serve", "--config", &path], &variables);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    for words in [
        &format!("organisation in {path}: is no known key; did you mean organization?"),
        &format!("uploads.maxFiles in {path}: \"lots\" is not a number"),
        "FILEGATEWAY_LISTEN: \"nowhere\" is not a socket address",
        "FILEGATEWAY_STORE_BUCKET: is required and not set",
        // A warning in the log, not a problem: it may be another program's.
        "FILEGATEWAY_UPLOAD_MAX_FILES",
        "FILEGATEWAY_UPLOADS_MAX_FILES",
    ] {
        assert!(told.contains(words), "{words} is not in:\n{told}");
    }
}

#[test]
fn config_prints_what_is_in_effect_and_opens_no_secret() {
    let (folder, path) = configured("organization: acme\nstore: {bucket: from-the-file}\n");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "hunter2 hunter2 hunter2 hunter2 hunter2").unwrap();
    let secret = secret.display().to_string();
    let variables = [
        ("FILEGATEWAY_STORE_BUCKET", "from-the-variable"),
        ("FILEGATEWAY_AUTH_ISSUER", "https://issuer.test"),
        ("FILEGATEWAY_AUTH_AUDIENCE", "files"),
        ("FILEGATEWAY_AUTH_SECRET_FILE", &secret),
        ("FILEGATEWAY_DATABASE_URL", "sqlite:///data/catalog.db"),
    ];
    let output = run(&["config", "--config", &path], &variables);
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    for line in [
        &format!("organization: \"acme\" # {path}\n"),
        "  bucket: \"from-the-variable\" # FILEGATEWAY_STORE_BUCKET\n",
        "  maxFiles: 100 # default\n",
        &format!("  secretFile: \"{secret}\" # FILEGATEWAY_AUTH_SECRET_FILE\n"),
    ] {
        assert!(printed.contains(line), "{line} is not in:\n{printed}");
    }
    assert!(!printed.contains("hunter2"));
    // With a problem, it prints what there is and fails with the problem.
    let password = [(
        "FILEGATEWAY_DATABASE_URL",
        "postgres://ana:hunter2@db/files",
    )];
    let output = run(&["config", "--config", &path], &password);
    assert_eq!(output.status.code(), Some(1));
    let (printed, told) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(printed.contains("bucket: \"from-the-file\""), "{printed}");
    assert!(told.contains("FILEGATEWAY_AUTH_ISSUER"), "{told}");
    assert!(!format!("{printed}{told}").contains("hunter2"));
}
