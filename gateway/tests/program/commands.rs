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
