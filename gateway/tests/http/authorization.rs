//! The `Authorization` header: good JWTs and every kind of bad one.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};

use crate::forms::{content_type, file, form};
use crate::gateway_under_test::Gateway;
use crate::issuer::{SECRET, claims, claims_with, encode, jwt, member, now, signed, signed_text};
use crate::support::{Answer, UNKNOWN};
use crate::worlds::once;

once!(
    every_operation_wants_a_caller,
    who_is_calling_comes_before_what_is_asked,
    claims_that_are_accepted,
    claims_that_are_refused,
    expired_tokens,
    forged_tokens,
    times_of_every_kind_are_answered,
    names_given_twice_are_refused,
    subjects_that_no_database_takes_are_refused,
    a_caller_in_the_query_is_nobody,
    headers_that_carry_keys_are_not_looked_at,
    malformed_headers,
    other_organizations,
);

impl Gateway {
    /// What a caller with this JWT is told of a file that is not there: 404 shows that the JWT
    /// itself was accepted.
    async fn try_jwt(&self, jwt: &str) -> Answer {
        Answer::to(self.get(&format!("/v1/files/{UNKNOWN}")).bearer_auth(jwt)).await
    }
}

/// Every operation of the document that needs a JWT, with `id` for whatever is asked for.
pub(crate) fn operations(id: &str) -> Vec<(Method, String)> {
    let document: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if operation["security"] == json!([{"Bearer": []}]) {
                let method = method.to_ascii_uppercase().parse().unwrap();
                let path = path.replace("{file_id}", id).replace("{upload_id}", id);
                assert!(!path.contains('{'), "{path}");
                operations.push((method, path));
            }
        }
    }
    assert!(operations.len() > 10);
    operations
}

async fn every_operation_wants_a_caller(gateway: Arc<Gateway>) {
    for (method, path) in &operations("abc") {
        let answer = Answer::to(gateway.request(method.clone(), path)).await;
        assert_eq!(answer.status, 401, "{method} {path}");
        assert_eq!(
            answer.header("www-authenticate"),
            Some("Bearer"),
            "{method} {path}"
        );
        if *method != Method::HEAD {
            answer.assert_failure(401, "not_authenticated");
        }
    }
}

async fn who_is_calling_comes_before_what_is_asked(gateway: Arc<Gateway>) {
    let stranger = crate::issuer::stranger("ana");
    let stored = gateway.store_sample().await;
    for id in ["abc", &stored.id] {
        for (method, path) in operations(id) {
            let asked = gateway
                .request(method.clone(), &path)
                .bearer_auth(&stranger);
            assert_eq!(Answer::to(asked).await.status, 403, "{method} {path}");
        }
    }
    let request = gateway
        .post("/v1/files")
        .bearer_auth(&stranger)
        .header("content-type", content_type())
        .body(form(&[file("a.txt", "text/plain", b"a")]));
    Answer::to(request)
        .await
        .assert_failure(403, "other_organization");
    gateway.world.assert_files(1).await;
}

async fn claims_that_are_accepted(gateway: Arc<Gateway>) {
    for (name, changes) in [
        ("plain", json!({})),
        (
            "one of several audiences",
            json!({"aud": ["other", "files"]}),
        ),
        ("a fractional time", json!({"exp": now() as f64 + 60.5})),
        ("valid since now", json!({"nbf": now()})),
        ("just expired, within the leeway", json!({"exp": now() - 5})),
        (
            "one of several organizations",
            json!({"org": ["globex", "acme"]}),
        ),
    ] {
        let answer = gateway.try_jwt(&jwt(&claims_with("ana", changes))).await;
        assert_eq!(answer.status, 404, "{name}: {}", answer.json());
    }
    for typ in [
        json!("JWT"),
        json!("jwt"),
        json!("at+jwt"),
        json!("application/at+jwt"),
    ] {
        let token = signed(
            &json!({"alg": "HS256", "typ": typ}),
            &claims("ana"),
            SECRET.as_bytes(),
        );
        assert_eq!(gateway.try_jwt(&token).await.status, 404, "{typ}");
    }
}

async fn claims_that_are_refused(gateway: Arc<Gateway>) {
    for (name, changes) in [
        ("another issuer", json!({"iss": "https://evil.test"})),
        ("a longer issuer", json!({"iss": "https://issuer.test/"})),
        (
            "an issuer in other letters",
            json!({"iss": "https://Issuer.test"}),
        ),
        ("a list of issuers", json!({"iss": ["https://issuer.test"]})),
        ("no issuer", json!({"iss": null})),
        ("another audience", json!({"aud": "other"})),
        ("other audiences", json!({"aud": ["other", "another"]})),
        ("an empty list of audiences", json!({"aud": []})),
        (
            "an audience of the wrong type",
            json!({"aud": {"files": true}}),
        ),
        ("no audience", json!({"aud": null})),
        ("no expiry", json!({"exp": null})),
        ("an expiry as text", json!({"exp": "4000000000"})),
        ("a negative expiry", json!({"exp": -1})),
        ("not valid yet", json!({"nbf": now() + 300})),
        ("a beginning as text", json!({"nbf": "0"})),
        ("no subject", json!({"sub": null})),
        ("an empty subject", json!({"sub": ""})),
        ("a number for a subject", json!({"sub": 7})),
    ] {
        let answer = gateway.try_jwt(&jwt(&claims_with("ana", changes))).await;
        assert_eq!(answer.json()["code"], "token_invalid", "{name}");
        answer.assert_failure(401, "token_invalid");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    }
}

async fn expired_tokens(gateway: Arc<Gateway>) {
    for exp in [0, 1, now() - 61] {
        let answer = gateway
            .try_jwt(&jwt(&claims_with("ana", json!({"exp": exp}))))
            .await;
        answer.assert_failure(401, "token_expired");
    }
}

async fn forged_tokens(gateway: Arc<Gateway>) {
    let good = member("ana");
    let parts: Vec<_> = good.split('.').collect();
    let admin = encode(&claims_with("ana", json!({"roles": ["admin"]})));
    let sign = |header: Value| signed(&header, &claims("ana"), SECRET.as_bytes());
    let none = |alg: &str| {
        format!(
            "{}.{}.",
            encode(&json!({"alg": alg, "typ": "JWT"})),
            parts[1]
        )
    };
    for (name, token) in [
        ("alg none", none("none")),
        ("alg None", none("None")),
        ("alg NONE", none("NONE")),
        ("alg nOnE", none("nOnE")),
        ("alg none with a signature", sign(json!({"alg": "none"}))),
        ("no alg", sign(json!({"typ": "JWT"}))),
        (
            "an algorithm that is not configured",
            sign(json!({"alg": "HS384"})),
        ),
        (
            "an algorithm of another family",
            sign(json!({"alg": "RS256"})),
        ),
        ("an unknown algorithm", sign(json!({"alg": "HS1"}))),
        (
            "another secret",
            signed(&json!({"alg": "HS256"}), &claims("ana"), b"guessed"),
        ),
        (
            "changed claims",
            format!("{}.{admin}.{}", parts[0], parts[2]),
        ),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("four parts", format!("{good}.{}", parts[2])),
        ("truncated", good[..good.len() - 2].to_owned()),
        ("padding", format!("{good}=")),
        ("the other alphabet", good.replace(['-', '_'], "+") + "+"),
        (
            "a space inside",
            format!("{}. {}.{}", parts[0], parts[1], parts[2]),
        ),
        ("dots alone", ".".repeat(10_000)),
        (
            "lists in lists",
            signed_text(
                r#"{"alg":"HS256"}"#,
                &format!("{}{}", "[".repeat(5000), "]".repeat(5000)),
                SECRET.as_bytes(),
            ),
        ),
        (
            "lists in lists in the header",
            signed_text(
                &format!(
                    r#"{{"alg":"HS256","x":{}{}}}"#,
                    "[".repeat(3000),
                    "]".repeat(3000)
                ),
                &claims("ana").to_string(),
                SECRET.as_bytes(),
            ),
        ),
        (
            "a list for claims",
            signed_text(r#"{"alg":"HS256"}"#, "[]", SECRET.as_bytes()),
        ),
        (
            "an encrypted token",
            format!(
                "{}.a.b.c.d",
                encode(
                    &json!({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 1_000_000_000,
                    "zip": "DEF"})
                )
            ),
        ),
        (
            "a key id that is no text",
            sign(json!({"alg": "HS256", "kid": {"a": 1}})),
        ),
        (
            "a key id without end",
            sign(json!({"alg": "HS256", "kid": "k".repeat(16_384)})),
        ),
        ("nonsense", "nonsense".to_owned()),
        (
            "huge",
            format!("{}.{}.{}", parts[0], "a".repeat(20_000), parts[2]),
        ),
        (
            "critical extension",
            sign(json!({"alg": "HS256", "crit": ["exp"], "exp": 1})),
        ),
        (
            "empty critical list",
            sign(json!({"alg": "HS256", "crit": []})),
        ),
        (
            "unencoded payload",
            sign(json!({"alg": "HS256", "b64": false, "crit": ["b64"]})),
        ),
        (
            "a logout token",
            sign(json!({"alg": "HS256", "typ": "logout+jwt"})),
        ),
        (
            "a file token",
            sign(json!({"alg": "HS256", "typ": "filegateway-file+jwt"})),
        ),
    ] {
        let answer = gateway.try_jwt(&token).await;
        assert_eq!(answer.status, 401, "{name}");
        answer.assert_failure(401, "token_invalid");
    }
}

async fn times_of_every_kind_are_answered(gateway: Arc<Gateway>) {
    let try_times = async |name: &str, value: &str| {
        let mut claims = claims("ana").as_object().unwrap().clone();
        claims.remove(name);
        let claims = Value::from(claims).to_string();
        let claims = claims.replacen('{', &format!("{{\"{name}\":{value},"), 1);
        let token = signed_text(r#"{"alg":"HS256"}"#, &claims, SECRET.as_bytes());
        gateway.try_jwt(&token).await.status.as_u16()
    };
    for value in [
        "-1",
        "-1.5",
        "-9223372036854775808",
        "1e400",
        "-1e400",
        "\"4000000000\"",
        "[4000000000]",
        "{}",
        "true",
        "null",
        "NaN",
    ] {
        assert_eq!(try_times("exp", value).await, 401, "exp {value}");
        let nbf = try_times("nbf", value).await;
        // Absent is no beginning; a moment before 1970 may be taken for one.
        assert!(
            nbf == 401 || (nbf == 404 && value == "null"),
            "nbf {value}: {nbf}"
        );
    }
    // The largest numbers are a very long time, and do not overflow into the past or the future.
    for value in ["9223372036854775807", "18446744073709551615"] {
        assert_eq!(try_times("exp", value).await, 404, "exp {value}");
        assert_eq!(try_times("nbf", value).await, 401, "nbf {value}");
    }
}

/// Of two claims of one name, another reader of the token might have seen the other.
async fn names_given_twice_are_refused(gateway: Arc<Gateway>) {
    let good = claims("ana").to_string();
    for claim in [
        r#""exp":4000000000"#,
        r#""iss":"https://issuer.test""#,
        r#""aud":"files""#,
    ] {
        let twice = good.replacen('{', &format!("{{{claim},"), 1);
        let token = signed_text(r#"{"alg":"HS256"}"#, &twice, SECRET.as_bytes());
        let answer = gateway.try_jwt(&token).await;
        answer.assert_failure(401, "token_invalid");
    }
    for header in [
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","alg":"none"}"#,
    ] {
        let token = signed_text(header, &good, SECRET.as_bytes());
        let answer = gateway.try_jwt(&token).await;
        answer.assert_failure(401, "token_invalid");
    }
}

async fn subjects_that_no_database_takes_are_refused(gateway: Arc<Gateway>) {
    for subject in ["a\0na", "ana\n", &"a".repeat(1025)] {
        let token = jwt(&claims_with("ana", json!({"sub": subject})));
        let answer = gateway.try_jwt(&token).await;
        answer.assert_failure(401, "token_invalid");
    }
    let longest = "\"".repeat(1024);
    let stored = gateway.store(&longest, "a.txt", "text/plain", vec![b'a']);
    let stored = stored.await;
    let token = gateway.token(&longest, "").await;
    let path = format!("/v1/files/stream/{}?token={token}", stored.id);
    assert_eq!(Answer::to(gateway.get(&path)).await.status, 200);
}

async fn a_caller_in_the_query_is_nobody(gateway: Arc<Gateway>) {
    let good = member("ana");
    for name in ["access_token", "token", "authorization"] {
        let path = format!("/v1/files/{UNKNOWN}?{name}={good}");
        let answer = Answer::to(gateway.get(&path)).await;
        answer.assert_failure(401, "not_authenticated");
    }
}

async fn headers_that_carry_keys_are_not_looked_at(gateway: Arc<Gateway>) {
    // A server that would be asked for the key, and must not be.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    for header in [
        json!({"alg": "HS256", "jku": url}),
        json!({"alg": "HS256", "x5u": url}),
        json!({"alg": "HS256", "jwk": {"kty": "oct", "k": encode(&json!("evil"))}}),
        json!({"alg": "HS256", "x5c": ["MIIB"], "x5t": "evil"}),
        json!({"alg": "HS256", "kid": "../../../dev/null"}),
        json!({"alg": "HS256", "kid": "a\0b\r\nX-Evil: 1"}),
        json!({"alg": "HS256", "kid": "' OR 1=1 --"}),
    ] {
        let answer = gateway
            .try_jwt(&signed(&header, &claims("ana"), b"evil"))
            .await;
        answer.assert_failure(401, "token_invalid");
    }
    assert!(
        listener.accept().is_err(),
        "the gateway followed a header of a token"
    );
}

async fn malformed_headers(gateway: Arc<Gateway>) {
    let path = format!("/v1/files/{UNKNOWN}");
    let good = member("ana");
    for value in ["", "Bearer", &good, "Basic YTpi", &format!("Token {good}")] {
        let request = gateway.get(&path).header("authorization", value);
        Answer::to(request)
            .await
            .assert_failure(401, "not_authenticated");
    }
    for value in ["Bearer ", "Bearer a b c", &format!("Bearer {good} {good}")] {
        let request = gateway.get(&path).header("authorization", value);
        assert_eq!(Answer::to(request).await.status, 401, "{value:?}");
    }
    let request = gateway
        .get(&path)
        .header("authorization", format!("Bearer {good}"))
        .header("authorization", format!("Bearer {good}"));
    Answer::to(request)
        .await
        .assert_failure(401, "token_invalid");
    let request = gateway
        .get(&path)
        .header("authorization", format!("bearer {good}"));
    Answer::to(request)
        .await
        .assert_failure(404, "file_not_found");
}

async fn other_organizations(gateway: Arc<Gateway>) {
    for org in [
        json!("globex"),
        json!("ACME"),
        json!("acme "),
        json!(["globex"]),
        json!(null),
        json!(7),
        json!(""),
    ] {
        let token = jwt(&claims_with("ana", json!({"org": org})));
        gateway
            .try_jwt(&token)
            .await
            .assert_failure(403, "other_organization");
    }
}
