//! Rules that the API server enforces, with messages that say what to write instead.

use serde_json::{Value, json};

use crate::bed::Bed;

#[tokio::test]
async fn wrong_specs_are_refused_with_advice() {
    let bed = Bed::new("rules").await;
    let cases: [(&str, &str, Value, &str); 56] = [
        (
            "files",
            "a webhook without an address",
            json!({"webhooks": {"url": "hooks.example", "secretRef": {"name": "hook"}}}),
            "spec.webhooks.url: write a URL that starts with https://",
        ),
        (
            "files",
            "a webhook with a password",
            json!({"webhooks": {"url": "https://a:b@hooks.example", "secretRef": {"name": "hook"}}}),
            "spec.webhooks.url: leave user and password out",
        ),
        (
            "files",
            "an event that there is not",
            json!({"webhooks": {"url": "https://hooks.example", "events": ["file.read"],
                "secretRef": {"name": "hook"}}}),
            "supported values: \"file.created\"",
        ),
        (
            "files",
            "a given database that nobody names",
            json!({"database": {"type": "Secret"}}),
            "spec.database.secretRef: type Secret takes",
        ),
        (
            "files",
            "a database that is given and not",
            json!({"database": {"secretRef": {"name": "own"}}}),
            "leave it out, or write type Secret",
        ),
        (
            "files",
            "SQLite with two replicas",
            json!({"database": {"type": "SQLite"}, "scaling": {"replicas": 2}}),
            "SQLite lives on one pod's volume",
        ),
        (
            "files",
            "SQLite with an autoscaler",
            json!({"database": {"type": "SQLite"}, "scaling": {"autoscaling": {"maxReplicas": 2}}}),
            "spec.scaling.autoscaling: SQLite lives on one pod's volume; leave it out",
        ),
        (
            "files",
            "an autoscaler with bounds the wrong way round",
            json!({"scaling": {"autoscaling": {"minReplicas": 5, "maxReplicas": 4}}}),
            "raise maxReplicas",
        ),
        (
            "files",
            "an autoscaler without anything to measure against",
            json!({"scaling": {"autoscaling": {"maxReplicas": 4}},
                "resources": {"limits": {"memory": "1Gi"}}}),
            "spec.resources.requests.cpu: an autoscaler measures against it",
        ),
        (
            "files",
            "the cluster's own priority",
            json!({"scheduling": {"priorityClassName": "system-cluster-critical"}}),
            "name one of your own",
        ),
        (
            "files",
            "devices",
            json!({"resources": {"claims": [{"name": "gpu"}]}}),
            "leave claims out",
        ),
        (
            "files",
            "a host that is none",
            json!({"exposure": {"host": "*.example.com"}}),
            "spec.exposure.host",
        ),
        (
            "files",
            "a certificate for an HTTPRoute",
            json!({"exposure": {"type": "HTTPRoute", "host": "a.example.com",
                "tlsSecretRef": {"name": "tls"}}}),
            "TLS of an HTTPRoute is its Gateway's listener's",
        ),
        (
            "files",
            "an issuer that any stranger can play",
            json!({"auth": {"secretRef": null, "issuer": "http://id.example.com"}}),
            "write a URL that starts with https://",
        ),
        (
            "files",
            "a key set over plain HTTP",
            json!({"auth": {"secretRef": null, "jwksUrl": "http://id.example.com/keys"}}),
            "spec.auth.jwksUrl: over plain HTTP",
        ),
        (
            "files",
            "every origin and another",
            json!({"cors": {"origins": ["*", "https://app.example.com"]}}),
            "let it stand alone",
        ),
        (
            "files",
            "an origin with a path",
            json!({"cors": {"origins": ["https://app.example.com/files"]}}),
            "spec.cors.origins",
        ),
        (
            "files",
            "an origin with the port that browsers leave out",
            json!({"cors": {"origins": ["https://app.example.com:443"]}}),
            "write it without :443",
        ),
        (
            "files",
            "a type that is both allowed and denied",
            json!({"uploads": {"allowedTypes": ["image/*"], "deniedTypes": ["image/*"]}}),
            "take it out of one of them",
        ),
        (
            "files",
            "a type that is none",
            json!({"uploads": {"allowedTypes": ["pictures"]}}),
            "spec.uploads.allowedTypes",
        ),
        (
            "files",
            "two types in one",
            json!({"uploads": {"deniedTypes": ["image/png,text/html"]}}),
            "spec.uploads.deniedTypes",
        ),
        (
            "files",
            "an end before the beginning",
            json!({"access": {"locationStreamSunset": "2025-12-31"}}),
            "write a later date",
        ),
        (
            "files",
            "a day that never comes",
            json!({"access": {"locationStreamSunset": "2027-02-30"}}),
            "spec.access.locationStreamSunset",
        ),
        (
            "files",
            "a playback of days",
            json!({"tokens": {"playbackSeconds": 100_000}}),
            "spec.tokens.playbackSeconds",
        ),
        (
            "files",
            "an HLS ladder without rungs",
            json!({"video": {"rungs": []}}),
            "spec.video.rungs: HLS needs a rung at least",
        ),
        (
            "files",
            "something that nobody makes of a video",
            json!({"video": {"outputs": ["hologram"]}}),
            "spec.video.outputs",
        ),
        (
            "files",
            "a key for an encryption that has none",
            json!({"bucket": {"encryption": {"type": "SSE-S3", "kmsKeyId": "k"}}}),
            "only SSE-KMS has a key",
        ),
        (
            "files",
            "an encryption that nobody knows",
            json!({"bucket": {"encryption": {"type": "ROT13"}}}),
            "spec.bucket.encryption.type",
        ),
        (
            "files",
            "CORS for nobody",
            json!({"bucket": {"cors": [{"allowedOrigins": []}]}}),
            "spec.bucket.cors[0].allowedOrigins",
        ),
        (
            "files",
            "a bucket that ends uploads before the gateway does",
            json!({"bucket": {"lifecycle": {"abortUploadsDays": 1}}, "uploads": {"expireSeconds": 86400}}),
            "write more days",
        ),
        (
            "files",
            "a size that is none",
            json!({"uploads": {"maxFileSize": "much"}}),
            "spec.uploads.maxFileSize: write a size such as 5Gi",
        ),
        (
            "files",
            "a file that S3 can't hold",
            json!({"uploads": {"maxFileSize": "6Ti"}}),
            "S3 takes 5Ti at most",
        ),
        (
            "files",
            "more memory for uploads than pods have",
            json!({"uploads": {"memory": "300Mi"}, "resources": {"limits": {"memory": "512Mi"}}}),
            "spec.uploads.memory: it is more than half",
        ),
        (
            "files",
            "more memory for uploads than pods have by default",
            json!({"uploads": {"memory": "300Mi"}}),
            "spec.uploads.memory: it is more than half",
        ),
        (
            "files",
            "an owner who may store more than the organization",
            json!({"quota": {"size": "1Gi", "perOwner": {"size": "1025Mi"}}}),
            "spec.quota.perOwner.size: it is more",
        ),
        (
            "files",
            "an owner who may store more files than the organization",
            json!({"quota": {"files": 5, "perOwner": {"files": 6}}}),
            "spec.quota.perOwner.files: it is more",
        ),
        (
            "files",
            "a file that the organization's quota has no room for",
            json!({"uploads": {"maxFileSize": "2Gi"}, "quota": {"size": "2047Mi"}}),
            "spec.uploads.maxFileSize: it is more than spec.quota.size",
        ),
        (
            "files",
            "a file that no owner has room for",
            json!({"uploads": {"maxFileSize": "10Gi"}, "quota": {"perOwner": {"size": "1G"}}}),
            "spec.uploads.maxFileSize: it is more than spec.quota.perOwner.size",
        ),
        (
            "files",
            "more processors requested than allowed",
            json!({"resources": {"requests": {"cpu": 2}, "limits": {"cpu": "1900m"}}}),
            "or raise spec.resources.limits",
        ),
        (
            "files",
            "more memory requested than allowed",
            json!({"resources": {"requests": {"memory": "1Gi"}, "limits": {"cpu": 1, "memory": "1G"}}}),
            "or raise spec.resources.limits",
        ),
        (
            "files",
            "more processors requested for workers than allowed",
            json!({"video": {"worker": {"resources":
                {"requests": {"cpu": "1.5"}, "limits": {"cpu": 1}}}}}),
            "or raise spec.video.worker.resources.limits",
        ),
        (
            "files",
            "more memory requested for workers than allowed",
            json!({"video": {"worker": {"resources":
                {"requests": {"memory": "5Gi"}, "limits": {"memory": "4Gi"}}}}}),
            "or raise spec.video.worker.resources.limits",
        ),
        (
            "files",
            "devices for workers",
            json!({"video": {"worker": {"resources": {"claims": [{"name": "gpu"}]}}}}),
            "spec.video.worker.resources.claims: workers use no devices",
        ),
        (
            "files",
            "no memory for ffmpeg",
            json!({"video": {"worker": {"ffmpegMemory": "255Mi"}}}),
            "spec.video.worker.ffmpegMemory: write a size such as 4Gi",
        ),
        (
            "files",
            "a scratch folder for nothing",
            json!({"video": {"worker": {"scratchSize": "1k"}}}),
            "spec.video.worker.scratchSize: write a size such as 20Gi",
        ),
        (
            "files",
            "a volume of no size",
            json!({"database": {"type": "SQLite", "sqlite": {"size": "-1Gi"}}}),
            "spec.database.sqlite.size: write a size such as 1Gi",
        ),
        (
            "files",
            "SQLite with workers",
            json!({"database": {"type": "SQLite"}, "video": {"worker": {"replicas": 2}}}),
            "spec.video.worker.replicas: with SQLite",
        ),
        (
            "files",
            "SQLite with resources of workers",
            json!({"database": {"type": "SQLite"}, "video": {"worker": {"resources": {}}}}),
            "write spec.resources instead",
        ),
        (
            "files",
            "adopting without a name",
            json!({"bucket": {"adopt": true}}),
            "name the bucket that is to be adopted",
        ),
        (
            "files",
            "a key set and a shared secret",
            json!({"auth": {"jwksUrl": "https://id.example.com/keys"}}),
            "exclude each other",
        ),
        (
            "files",
            "an asymmetric algorithm with a shared secret",
            json!({"auth": {"algorithms": ["RS256"]}}),
            "a shared secret signs with",
        ),
        (
            "files",
            "a symmetric algorithm without one",
            json!({"auth": {"secretRef": null, "algorithms": ["HS256"]}}),
            "need spec.auth.secretRef",
        ),
        (
            "files",
            "no algorithm at all",
            json!({"auth": {"algorithms": ["none"]}}),
            "spec.auth.algorithms",
        ),
        (
            "files",
            "a bucket name that S3 refuses",
            json!({"bucket": {"name": "Not_A_Bucket"}}),
            "spec.bucket.name",
        ),
        (
            "with.dot",
            "a name that a Service can't have",
            json!({}),
            "letters, digits and hyphens",
        ),
        (
            &"n".repeat(51),
            "a name that is too long",
            json!({}),
            "at most 50 characters",
        ),
    ];
    let mut wrong = Vec::new();
    for (name, what, changes, expected) in cases {
        match bed.create(name, changes).await {
            Err(message) if message.contains(expected) => {}
            Err(message) => wrong.push(format!("{what}: {message}")),
            Ok(_) => {
                wrong.push(format!("{what} was accepted"));
                bed.delete(name).await;
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // As much is not more, and nobody needs to write all of it.
    let same = json!({"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"cpu": "1000m", "memory": "1024Mi"}});
    let cases = [
        json!({"resources": same, "video": {"worker": {"resources": same}}}),
        json!({"resources": {"requests": {"cpu": 1}, "limits": {"memory": "1Gi"}}}),
        json!({"uploads": {"maxFileSize": "1Gi"}, "quota": {"size": "1024Mi", "perOwner": {"size": "1Gi"}}}),
        json!({"quota": {"size": "1Gi"}}),
    ];
    for (number, changes) in cases.into_iter().enumerate() {
        let created = bed.create(&format!("right{number}"), changes).await;
        created.unwrap();
    }
}

#[tokio::test]
async fn what_must_not_change_can_not() {
    let bed = Bed::new("immutable").await;
    bed.create("files", json!({"bucket": {"name": "a-bucket"}}))
        .await
        .unwrap();
    bed.create("plain", json!({})).await.unwrap();
    for (name, volume) in [
        ("volume", json!({"size": "2Gi"})),
        ("fast", json!({"storageClassName": "fast"})),
    ] {
        let sqlite = json!({"database": {"type": "SQLite", "sqlite": volume}});
        bed.create(name, sqlite).await.unwrap();
    }
    let cases = [
        (
            "volume",
            json!({"database": {"sqlite": {"size": "2047Mi"}}}),
            "spec.database.sqlite.size: a volume can't become smaller",
        ),
        (
            "volume",
            json!({"database": {"sqlite": {"storageClassName": "fast"}}}),
            "spec.database.sqlite.storageClassName can't be changed",
        ),
        (
            "fast",
            json!({"database": {"sqlite": {"storageClassName": "slow"}}}),
            "spec.database.sqlite.storageClassName can't be changed",
        ),
        (
            "fast",
            json!({"database": {"sqlite": {"storageClassName": null}}}),
            "spec.database.sqlite.storageClassName can't be changed",
        ),
        (
            "files",
            json!({"className": "other"}),
            "className can't be changed",
        ),
        (
            "files",
            json!({"organization": "other"}),
            "organization can't be changed",
        ),
        (
            "files",
            json!({"bucket": {"name": "b-bucket"}}),
            "bucket.name can't be changed",
        ),
        (
            "files",
            json!({"bucket": {"name": null}}),
            "neither added nor removed",
        ),
        (
            "files",
            json!({"bucket": {"adopt": true}}),
            "adopt can't be changed",
        ),
        (
            "plain",
            json!({"bucket": {"name": "b-bucket"}}),
            "neither added nor removed",
        ),
        (
            "plain",
            json!({"database": {"type": "SQLite"}}),
            "type can't be changed",
        ),
    ];
    for (name, change, expected) in cases {
        let refused = bed.patch(name, json!({"spec": change.clone()})).await;
        let message = refused
            .err()
            .unwrap_or_else(|| panic!("{change} was accepted"));
        assert!(
            message.to_string().contains(expected),
            "{change}: {message}"
        );
    }
    // These may change at any time.
    let allowed = json!({"spec": {"deletionPolicy": "Delete", "scaling": {"replicas": 5}}});
    bed.patch("plain", allowed).await.unwrap();
    let larger = json!({"spec": {"database": {"sqlite": {"size": "3Gi"}}}});
    bed.patch("volume", larger).await.unwrap();
}

#[tokio::test]
async fn credentials_of_a_class_fit_their_type() {
    let bed = Bed::new("ways").await;
    let identity = |role: &str| json!({"type": "WebIdentity", "webIdentity": {"roleARN": role, "audience": "sts"}});
    let cases = [
        (
            json!({"iam": null}),
            "spec.iam: the operator makes users there",
        ),
        (
            json!({"credentials": {"secret": {}}}),
            "set spec.credentials.type to Secret",
        ),
        (
            json!({"credentials": {"type": "WebIdentity"}}),
            "write its roleARN and audience",
        ),
        (
            json!({"credentials": {"type": "Secret", "webIdentity":
                {"roleARN": "arn:aws:iam::123456789012:role/fgw", "audience": "sts"}}}),
            "set spec.credentials.type to WebIdentity",
        ),
        (
            json!({"credentials": {"type": "Secret", "secret": {"prefix": "a.b"}}}),
            "spec.credentials.secret.prefix",
        ),
        (
            json!({"credentials": identity("arn:aws:iam::123456789012:role/{user}")}),
            "no braces but those",
        ),
        (
            json!({"credentials": identity("arn:aws:iam::123456789012:role/{name}")}),
            "write both {namespace} and {name}",
        ),
        (
            json!({"credentials": identity("arn:aws:iam::123456789012:role/{namespace}-{name}")}),
            "by a character that names don't have",
        ),
    ];
    for (changes, expected) in cases {
        let refused = bed.try_class(changes.clone()).await;
        let message = refused
            .err()
            .unwrap_or_else(|| panic!("{changes} was accepted"))
            .to_string();
        assert!(message.contains(expected), "{changes}: {message}");
    }
    for role in ["fgw", "fgw/{namespace}_{name}", "{name}.{namespace}"] {
        let role = format!("arn:aws:iam::123456789012:role/{role}");
        let class = json!({"iam": null, "credentials": identity(&role)});
        bed.try_class(class).await.unwrap();
    }
}
