//! The operator killed at every step of a gateway's life: it always comes to the same end, without a second
//! bucket, user, key, role or database, and with nothing left when the gateway is gone.
//!
//! One life is lived without a crash, and tells the steps. Then each step gets a life of its own, in which the
//! operator is killed twice: before the step, and, when it comes to it again, after the server has done its
//! part and before the operator knows. What that life does not have, others do (`second`).

mod adopted;
mod emptied;
mod live;
mod moved;
mod part;
mod process;
mod second;
mod steps;
mod stored;
mod ways;

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet, spawn_blocking};

use crate::backends::variable;
use crate::bed::Bed;
use live::live;
use process::Process;
use steps::Step;

/// How many lives are lived side by side.
const LIVES: usize = 8;

/// The API server without TLS, so that requests can be read on their way to it.
async fn plain_api() -> (Child, SocketAddr) {
    let mut child = Command::new("kubectl")
        .args(["--kubeconfig", &variable("FGW_TEST_KUBECONFIG")])
        .args(["proxy", "--port=0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let address = line.rsplit(' ').next().unwrap().parse().unwrap();
    (child, address)
}

/// Lives a life on a thread of its own; all steps, and how often the operator was killed.
async fn live_with(api: SocketAddr, fatal: Option<Step>) -> Result<(Vec<Step>, usize), JoinError> {
    spawn_blocking(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bed = Bed::new("crash").await;
            bed.apply_class(json!({})).await;
            let process = Process::start(&bed, api, fatal).await;
            live(&bed).await;
            (process.steps(), process.kills())
        })
    })
    .await
}

#[tokio::test]
async fn a_kill_at_any_step_changes_nothing_in_the_end() {
    let begun = Instant::now();
    let (_proxy, api) = plain_api().await;
    let (steps, _) = live_with(api, None).await.unwrap();
    let took = begun.elapsed().as_secs_f32();
    println!("{} steps in {took:.1} s: {}", steps.len(), list(&steps));

    let turns = Arc::new(Semaphore::new(LIVES));
    let mut lives = JoinSet::new();
    for step in &steps {
        let (step, turns) = (step.clone(), turns.clone());
        lives.spawn(async move {
            let _turn = turns.acquire_owned().await.unwrap();
            let lived = live_with(api, Some(step.clone())).await;
            (step, lived)
        });
    }
    let (mut failed, mut missed) = (Vec::new(), Vec::new());
    while let Some(life) = lives.join_next().await {
        match life.unwrap() {
            (_, Ok((_, 2))) => {}
            (step, Ok(_)) => missed.push(step),
            (step, Err(error)) => {
                let panic = error.into_panic();
                let words = panic.downcast_ref::<String>().cloned();
                failed.push(format!("{step}: {}", words.unwrap_or_default()));
            }
        }
    }
    println!(
        "{} lives in {:.1} s; without both kills: {}",
        steps.len(),
        begun.elapsed().as_secs_f32(),
        list(&missed)
    );
    // How many of them there are depends on which steps happen to end together.
    missed.retain(|step| step.what != "PATCH filegateways/files/status");
    assert_eq!(missed, [], "no kill before or after these");
    assert!(failed.is_empty(), "killed, and not recovered: {failed:#?}");
}

fn list(steps: &[Step]) -> String {
    let names: Vec<String> = steps.iter().map(Step::to_string).collect();
    names.join(", ")
}
