//! A part of a life: something is asked of an operator that is killed at each step that it leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_iam::types::StatusType;

use super::process::Process;
use crate::backends::{put, s3};
use crate::bed::Bed;
use crate::life::Inventory;
use crate::proxy::Moment;

/// How long an operator that is done is silent.
const SILENCE: Duration = Duration::from_secs(2);

/// Kills the operator before and after each step that it takes between `ask` and `come`, which have to
/// lead to all of `expected`.
pub async fn part(
    bed: &Bed,
    process: &Process,
    ask: impl Future<Output = ()>,
    come: impl Future<Output = ()>,
    expected: &[&str],
) {
    process.strike_everywhere();
    ask.await;
    come.await;
    // How many of these there are depends on which steps happen to end together.
    let missed = || {
        let mut struck = process.struck();
        struck.retain(|what, last| {
            *last == Moment::Before && what != "PATCH filegateways/files/status"
        });
        struck
    };
    let what = format!("a kill after each of {:?}", missed().keys());
    bed.at_last(&what, async || missed().is_empty().then_some(()))
        .await;
    let struck = process.struck();
    process.spare();
    for step in expected {
        let with_more = format!("{step}&");
        assert!(
            struck
                .keys()
                .any(|what| what == step || what.starts_with(&with_more)),
            "no {step} among {struck:?}"
        );
    }
}

/// Waits until the gateway has seen its spec, and each of these conditions is true for this reason.
pub async fn says(bed: &Bed, expected: &[(&str, &str)]) {
    let what = format!("{expected:?}");
    bed.at_last(&what, async || {
        let gateway = bed.gateways().get_opt("files").await.unwrap()?;
        let status = gateway.status?;
        let all = expected.iter().all(|(type_, reason)| {
            let mut all = status.conditions.iter();
            all.any(|c| c.type_ == *type_ && c.status == "True" && c.reason == *reason)
        });
        (all && status.observed_generation == gateway.metadata.generation).then_some(())
    })
    .await;
}

/// Waits until it is there no more.
pub async fn gone(bed: &Bed) {
    bed.at_last("files is gone", async || {
        let found = bed.gateways().get_opt("files").await.unwrap();
        found.is_none().then_some(())
    })
    .await;
}

/// Nothing is written by the operator that made it so, nor by one that has to look for itself.
pub async fn settled(bed: &Bed, process: &Process) {
    bed.at_last("silence", async || {
        let before = process.steps().len();
        tokio::time::sleep(SILENCE).await;
        (process.steps().len() == before).then_some(())
    })
    .await;
    let before = process.steps().len();
    let looks = process.looks();
    process.start_again();
    bed.at_last("a look at the bucket", async || {
        (process.looks() > looks).then_some(())
    })
    .await;
    tokio::time::sleep(SILENCE).await;
    let more = process.steps().split_off(before);
    assert_eq!(more, [], "written without need");
}

/// One user with one key, which the Secret holds and which opens the one bucket.
pub async fn one_key(bed: &Bed, found: &Inventory) {
    assert_eq!(found.buckets.len(), 1, "{found:?}");
    assert_eq!(found.users.len(), 1, "{found:?}");
    let key = bed.secret("files-s3").await;
    let id = &key["access-key-id"];
    assert_eq!(
        found.keys,
        BTreeMap::from([(id.clone(), StatusType::Active)])
    );
    let client = s3(id, &key["secret-access-key"]);
    let bucket = found.buckets.first().unwrap();
    put(&client, bucket, "a").await.unwrap();
}

/// One volume, and nothing on the database server.
pub fn one_volume(found: &Inventory) {
    assert_eq!(found.volumes, BTreeSet::from(["files-catalog".to_string()]));
    assert!(
        found.databases.is_empty() && found.roles.is_empty(),
        "{found:?}"
    );
}
