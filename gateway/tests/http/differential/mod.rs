//! The same bytes behind this gateway, Go's `http.ServeContent` and nginx: thousands of generated
//! requests have to be answered alike, but for the differences that `differences` names.
//!
//! The seed is printed; `FGW_TEST_SEED=n` repeats a run.

mod cases;
mod differences;
mod servers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{StreamExt, stream};

use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::Stored;
use crate::worlds::everywhere;
use cases::{Case, Random};
use differences::DIFFERENCES;
use servers::Target;

everywhere!(a_player_gets_other_bytes_than_from_a_server_that_it_knows);

/// Nothing, the smallest files, one of a packet, and one that no buffer holds.
const SIZES: [usize; 5] = [0, 1, 2, 1000, 9 * 1024 * 1024 + 17];

/// How many requests each of the servers gets.
const REQUESTS: usize = 3000;

const SEED: u64 = 20_251_125;

/// One file, and where each server has it.
struct Sample {
    bytes: Vec<u8>,
    gateway: Target,
    go: Target,
    nginx: Target,
}

async fn a_player_gets_other_bytes_than_from_a_server_that_it_knows(gateway: Arc<Gateway>) {
    let seed = std::env::var("FGW_TEST_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    println!("FGW_TEST_SEED={seed}");
    let files = servers::Folder::of_a_test(&gateway.world.name);
    let mut samples = Vec::new();
    for size in SIZES {
        samples.push(sample(&gateway, &files, size).await);
    }

    let mut random = Random::new(seed);
    let samples = Arc::new(samples);
    let cases: Vec<_> = (0..REQUESTS)
        .map(|_| Case::random(&mut random, &SIZES))
        .collect();
    let compared = stream::iter(cases).map(|case| {
        let samples = samples.clone();
        async move { compare(&case, &samples[case.file]).await }
    });
    let compared: Vec<_> = compared.buffer_unordered(6).collect().await;

    let mut used = BTreeSet::new();
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for comparison in compared {
        *statuses.entry(comparison.status).or_default() += 1;
        used.extend(comparison.explained);
        wrong.extend(comparison.wrong);
    }
    println!("{REQUESTS} requests by the gateway's status: {statuses:?}");
    for difference in DIFFERENCES.iter().filter(|one| used.contains(one.name)) {
        println!("difference: {} ({})", difference.name, difference.section);
    }
    assert!(
        wrong.is_empty(),
        "{} disagreements that no difference names:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(25)].join("\n")
    );
    for status in [200, 206, 304, 412, 416] {
        assert!(
            statuses.contains_key(&status),
            "no request came to {status}"
        );
    }
    let listed: BTreeSet<_> = DIFFERENCES
        .iter()
        .map(|difference| difference.name)
        .collect();
    assert_eq!(used, listed, "a difference that nothing shows is none");
}

async fn sample(gateway: &Gateway, files: &servers::Folder, size: usize) -> Sample {
    let mut random = Random::new(size as u64);
    let bytes: Vec<u8> = std::iter::repeat_with(|| random.next() as u8)
        .take(size)
        .collect();
    let stored = gateway
        .store("ana", "sample.bin", "application/octet-stream", bytes)
        .await;
    let url = format!("{}{}", gateway.url, stored.path());
    let ours = Target::probe(&url, Some(member("ana"))).await;
    let name = files.add(&stored.bytes, ours.modified);
    let Stored { bytes, .. } = stored;
    Sample {
        bytes,
        gateway: ours,
        go: Target::probe(&servers::go(&name), None).await,
        nginx: Target::probe(&servers::nginx(&name), None).await,
    }
}

#[derive(Default)]
struct Comparison {
    status: u16,
    explained: Vec<&'static str>,
    wrong: Vec<String>,
}

async fn compare(case: &Case, sample: &Sample) -> Comparison {
    let (ours, go, nginx) = tokio::join!(
        sample.gateway.ask(case),
        sample.go.ask(case),
        sample.nginx.ask(case)
    );
    let mut comparison = Comparison {
        status: ours.status,
        ..Comparison::default()
    };
    if let Err(why) = ours.agrees_with_itself(case, &sample.bytes) {
        comparison
            .wrong
            .push(format!("{case}\n  gateway {ours}\n  {why}"));
    }
    for (oracle, theirs) in [("go", &go), ("nginx", &nginx)] {
        if ours == *theirs {
            continue;
        }
        let known = DIFFERENCES
            .iter()
            .filter(|difference| difference.oracles.contains(&oracle))
            .find(|difference| (difference.explains)(case, &ours, theirs));
        match known {
            Some(difference) => comparison.explained.push(difference.name),
            None => comparison.wrong.push(format!(
                "{case}\n  gateway {ours}\n  go      {go}\n  nginx   {nginx}\n  {oracle} disagrees"
            )),
        }
    }
    comparison
}
