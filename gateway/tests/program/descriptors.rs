//! A gateway without file descriptors waits for them, and does not burn the processor.

use std::time::Duration;

use reqwest::Client;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::process::log;
use crate::served::Served;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_connections_are_survived() {
    let served = Served::start("info").await;
    let id = i32::try_from(served.process.id()).unwrap();
    let few = Rlimit {
        current: Some(48),
        maximum: Some(48),
    };
    prlimit(Pid::from_raw(id), Resource::Nofile, few).unwrap();
    let address = served.url.strip_prefix("http://").unwrap().to_owned();
    let mut connections = Vec::new();
    for _ in 0..100 {
        // The kernel accepts them, whether the gateway does or not.
        connections.push(TcpStream::connect(&address).await.unwrap());
    }
    sleep(Duration::from_secs(1)).await;
    let before = served.process.ticks();
    sleep(Duration::from_secs(3)).await;
    let spent = served.process.ticks() - before;
    // A loop that spins takes all of 3 seconds, which is 300 ticks.
    assert!(spent < 100, "{spent} ticks");
    assert!(log(&served.log).contains("no connection could be accepted"));
    drop(connections);
    let ready = async {
        let url = format!("{}/healthz", served.url);
        while Client::new().get(&url).send().await.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(20), ready).await.unwrap();
    served.take_down().await;
}
