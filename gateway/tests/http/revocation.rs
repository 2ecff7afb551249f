//! `DELETE /v1/files/token`: tokens that end before their time.

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::gateway_under_test::Gateway;
use crate::issuer::{admin, member, stranger};
use crate::support::{Answer, Stored, UNKNOWN};
use crate::worlds::{everywhere, once};

everywhere!(
    own_tokens_end_at_once_on_every_route,
    a_files_tokens_end_whomever_they_were_made_for,
    a_revocation_counts_at_every_replica_at_once,
);
once!(
    only_an_admin_ends_the_tokens_of_others,
    only_who_may_change_a_file_ends_its_tokens,
    revocation_wants_a_caller,
    wrong_fields_of_a_revocation_are_told,
    revocations_beside_each_other_are_all_kept,
);

impl Gateway {
    async fn revoke(&self, jwt: &str, query: &str) -> Answer {
        let path = format!("/v1/files/token{query}");
        Answer::to(self.request(Method::DELETE, &path).bearer_auth(jwt)).await
    }

    /// What a token opens of a file, on each route that takes one.
    async fn everywhere(&self, stored: &Stored, token: &str) -> Vec<Answer> {
        let mut answers = Vec::new();
        for method in [Method::GET, Method::HEAD] {
            for path in [
                format!("/v1/files/stream/{}?token={token}", stored.id),
                format!(
                    "/v1/files/stream?location={}&token={token}",
                    stored.location
                ),
            ] {
                answers.push(Answer::to(self.request(method.clone(), &path)).await);
            }
        }
        answers
    }

    async fn assert_opens(&self, stored: &Stored, token: &str) {
        for answer in self.everywhere(stored, token).await {
            assert_eq!(answer.status, StatusCode::OK);
        }
    }

    async fn assert_revoked(&self, stored: &Stored, token: &str) {
        for answer in self.everywhere(stored, token).await {
            assert_eq!(answer.status, 401);
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.contains("revoked"), "{challenge}");
            if !answer.body.is_empty() {
                answer.assert_failure(401, "token_revoked");
            }
        }
    }
}

async fn own_tokens_end_at_once_on_every_route(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    let bound = format!("?file_id={}", stored.id);
    let old = [
        gateway.token("ana", "").await,
        gateway.token("ana", &bound).await,
    ];
    for token in &old {
        gateway.assert_opens(&stored, token).await;
    }
    let answer = gateway.revoke(&member("ana"), "").await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.body, b"");
    for token in &old {
        gateway.assert_revoked(&stored, token).await;
        // Not even whether a file is there is told any more.
        let path = format!("/v1/files/stream/{UNKNOWN}?token={token}");
        let answer = Answer::to(gateway.get(&path)).await;
        assert_eq!(answer.status.as_u16() / 100, 4);
    }
    let path = format!("/v1/files/stream/{UNKNOWN}?token={}", old[0]);
    let answer = Answer::to(gateway.get(&path)).await;
    answer.assert_failure(401, "token_revoked");
    // Those made afterwards are good, in the same window of half a minute, too.
    let new = gateway.token("ana", "").await;
    assert_ne!(new, old[0]);
    gateway.assert_opens(&stored, &new).await;
    // Twice is fine.
    assert_eq!(gateway.revoke(&member("ana"), "").await.status, 204);
    gateway.assert_revoked(&stored, &new).await;
}

async fn a_files_tokens_end_whomever_they_were_made_for(gateway: Arc<Gateway>) {
    let (file, other) = (gateway.store_sample().await, gateway.store_sample().await);
    let bound = format!("?file_id={}", file.id);
    let unbound = gateway.token("ana", "").await;
    let bound = gateway.token("ana", &bound).await;
    let of_bo = gateway.token("bo", "").await;
    let query = format!("?file_id={}", file.id);
    assert_eq!(gateway.revoke(&member("ana"), &query).await.status, 204);
    gateway.assert_revoked(&file, &unbound).await;
    gateway.assert_revoked(&file, &bound).await;
    // A member who may not read it by id is not told of its revocation there.
    let path = format!("/v1/files/stream/{}?token={of_bo}", file.id);
    let answer = Answer::to(gateway.get(&path)).await;
    answer.assert_failure(404, "file_not_found");
    // Other files stay open, and the file itself to new tokens and to headers.
    gateway.assert_opens(&other, &unbound).await;
    let new = gateway.token("ana", "").await;
    gateway.assert_opens(&file, &new).await;
    let header = Answer::to(gateway.get(&file.path()).bearer_auth(member("ana"))).await;
    assert_eq!(header.status, 200);
}

async fn only_an_admin_ends_the_tokens_of_others(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    let token = gateway.token("ana", "").await;
    for query in ["?subject=ana", "?subject=nobody"] {
        let answer = gateway.revoke(&member("bo"), query).await;
        answer.assert_failure(403, "admin_only");
    }
    gateway.assert_opens(&stored, &token).await;
    // Of nobody known, too: who has never been here has no tokens either.
    let answer = gateway.revoke(&admin("bo"), "?subject=nobody").await;
    assert_eq!(answer.status, 204);
    gateway.assert_opens(&stored, &token).await;
    let answer = gateway.revoke(&admin("bo"), "?subject=ana").await;
    assert_eq!(answer.status, 204);
    gateway.assert_revoked(&stored, &token).await;

    let token = gateway.token("ana", "").await;
    let answer = gateway.revoke(&member("ana"), "?subject=ana").await;
    assert_eq!(answer.status, 204);
    gateway.assert_revoked(&stored, &token).await;
}

async fn only_who_may_change_a_file_ends_its_tokens(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    let token = gateway.token("ana", "").await;
    let query = format!("?file_id={}", stored.id);
    for (jwt, query) in [
        (member("bo"), query.clone()),
        (member("ana"), format!("?file_id={UNKNOWN}")),
        (admin("bo"), format!("?file_id={UNKNOWN}")),
    ] {
        let answer = gateway.revoke(&jwt, &query).await;
        answer.assert_failure(404, "file_not_found");
    }
    gateway.assert_opens(&stored, &token).await;
    assert_eq!(gateway.revoke(&admin("bo"), &query).await.status, 204);
    gateway.assert_revoked(&stored, &token).await;
}

async fn revocation_wants_a_caller(gateway: Arc<Gateway>) {
    let token = gateway.token("ana", "").await;
    for query in [String::new(), format!("?token={token}")] {
        let path = format!("/v1/files/token{query}");
        let answer = Answer::to(gateway.request(Method::DELETE, &path)).await;
        answer.assert_failure(401, "not_authenticated");
    }
    let answer = gateway.revoke(&token, "").await;
    answer.assert_failure(401, "token_invalid");
    let answer = gateway.revoke(&stranger("ana"), "").await;
    answer.assert_failure(403, "other_organization");
    let stored = gateway.store_sample().await;
    gateway.assert_opens(&stored, &token).await;
}

async fn wrong_fields_of_a_revocation_are_told(gateway: Arc<Gateway>) {
    let subject = json!(["query", "subject"]);
    let file_id = json!(["query", "file_id"]);
    let long = format!("?subject={}", "a".repeat(1025));
    let both = format!("?subject=ana&file_id={UNKNOWN}");
    for (query, expected) in [
        ("?subject=", vec![(subject.clone(), "value_error")]),
        ("?subject=a%00b", vec![(subject.clone(), "value_error")]),
        (&long, vec![(subject.clone(), "value_error")]),
        ("?file_id=abc", vec![(file_id.clone(), "uuid_parsing")]),
        (
            "?subject=&file_id=abc",
            vec![
                (subject.clone(), "value_error"),
                (file_id.clone(), "uuid_parsing"),
            ],
        ),
        (&both, vec![(file_id.clone(), "value_error")]),
        ("?subject=a&subject=b", vec![(subject.clone(), "repeated")]),
    ] {
        let answer = gateway.revoke(&admin("ana"), query).await;
        answer.assert_invalid(&expected);
    }
}

async fn revocations_beside_each_other_are_all_kept(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    let token = gateway.token("ana", "").await;
    let bo = admin("bo");
    let queries: Vec<_> = (0..20).map(|n| format!("?subject=user-{n}")).collect();
    let file = format!("?file_id={}", stored.id);
    let revocations = queries.iter().map(|query| gateway.revoke(&bo, query));
    let (answers, answer) = futures_util::future::join(
        futures_util::future::join_all(revocations),
        gateway.revoke(&bo, &file),
    )
    .await;
    assert!(answers.iter().all(|answer| answer.status == 204));
    assert_eq!(answer.status, 204);
    gateway.assert_revoked(&stored, &token).await;
    let new = gateway.token("ana", "").await;
    gateway.assert_opens(&stored, &new).await;
}

async fn a_revocation_counts_at_every_replica_at_once(gateway: Arc<Gateway>) {
    let (gateway, other) = gateway.with_replica().await;
    let other = &other.gateway;
    let stored = gateway.store_sample().await;
    for (here, there) in [(&*gateway, other), (other, &*gateway)] {
        for query in [String::new(), format!("?file_id={}", stored.id)] {
            let token = here.token("ana", "").await;
            here.assert_opens(&stored, &token).await;
            there.assert_opens(&stored, &token).await;
            assert_eq!(there.revoke(&member("ana"), &query).await.status, 204);
            here.assert_revoked(&stored, &token).await;
            there.assert_revoked(&stored, &token).await;
            // Tokens of afterwards are good, in whichever of the two they were made.
            let next = there.token("ana", "").await;
            here.assert_opens(&stored, &next).await;
        }
    }
}
