//! `POST /v1/files/location`.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::gateway_under_test::Gateway;
use crate::issuer::{member, stranger};
use crate::support::Answer;
use crate::worlds::{everywhere, once};

everywhere!(members_read_by_location, locations_of_nobody);
once!(wrong_bodies);

impl Gateway {
    async fn at(&self, bearer: &str, location: &str) -> Answer {
        let request = self.post("/v1/files/location").bearer_auth(bearer);
        Answer::to(request.json(&json!({"location": location}))).await
    }
}

async fn members_read_by_location(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    for subject in ["ana", "bo"] {
        let answer = gateway.at(&member(subject), &stored.location).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, stored.bytes);
    }
    let request = gateway
        .post("/v1/files/location")
        .bearer_auth(member("ana"));
    let request = request.header("range", "bytes=7-9");
    let part = Answer::to(request.json(&json!({"location": stored.location}))).await;
    assert_eq!(part.status, 206);
    assert_eq!(part.body, stored.bytes[7..10]);
}

async fn locations_of_nobody(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    for location in [
        "../etc/passwd",
        &stored.location.replace("acme/", "acme/../acme/"),
        &stored.location.replace("acme", "globex"),
        &format!(
            "{}/../original",
            stored.location.trim_end_matches("/original")
        ),
        &stored.location.replace('/', "%2F"),
        "",
        "a\0b",
    ] {
        let answer = gateway.at(&member("ana"), location).await;
        answer.assert_failure(404, "file_not_found");
    }
    let answer = gateway.at(&stranger("ana"), &stored.location).await;
    answer.assert_failure(403, "other_organization");
    gateway.world.assert_files(1).await;
}

async fn wrong_bodies(gateway: Arc<Gateway>) {
    let send = |content_type: &'static str, body: &'static str| {
        let request = gateway
            .post("/v1/files/location")
            .bearer_auth(member("ana"));
        Answer::to(request.header("content-type", content_type).body(body))
    };
    let json = "application/json";
    let not_an_object: (Value, &str) = (json!(["body"]), "model_attributes_type");
    for (content_type, body, expected) in [
        (json, "", (json!(["body"]), "missing")),
        (json, "{}", (json!(["body", "location"]), "missing")),
        (
            json,
            "{\"location\": 7}",
            (json!(["body", "location"]), "string_type"),
        ),
        (
            json,
            "{\"location\": null}",
            (json!(["body", "location"]), "string_type"),
        ),
        (
            json,
            "{\"location\": [\"a\"]}",
            (json!(["body", "location"]), "string_type"),
        ),
        (json, "[]", not_an_object.clone()),
        (json, "\"a\"", not_an_object.clone()),
        (json, "null", not_an_object.clone()),
        (json, "{\"location\"", (json!(["body", 10]), "json_invalid")),
        ("text/plain", "{\"location\": \"a\"}", not_an_object.clone()),
        (
            "application/x-www-form-urlencoded",
            "location=a",
            not_an_object,
        ),
    ] {
        let answer = send(content_type, body).await;
        answer.assert_invalid(std::slice::from_ref(&expected));
    }
    let deep = "[".repeat(60_000);
    let request = gateway
        .post("/v1/files/location")
        .bearer_auth(member("ana"));
    let answer = Answer::to(request.header("content-type", json).body(deep)).await;
    assert_eq!(answer.status, 422);
}
