//! Other lives, each lived once: in each part of it the operator is killed before and after every step. A life
//! for every kill would take minutes, and most steps are those of the first life.

use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::process::Process;
use super::{adopted, emptied, moved, plain_api, stored, ways};
use crate::bed::Bed;

#[derive(Clone, Copy, Debug)]
enum Life {
    Adopted,
    Emptied,
    Moved,
    Stored,
    Ways,
}

impl Life {
    const ALL: [Self; 5] = [
        // The longest first.
        Self::Ways,
        Self::Adopted,
        Self::Moved,
        Self::Stored,
        Self::Emptied,
    ];
}

async fn live(life: Life, bed: &Bed, process: &Process) {
    match life {
        Life::Adopted => adopted::live(bed, process).await,
        Life::Emptied => emptied::live(bed, process).await,
        Life::Moved => moved::live(bed, process).await,
        Life::Stored => stored::live(bed, process).await,
        Life::Ways => ways::live(bed, process).await,
    }
}

/// How many lives are lived side by side.
const LIVES: usize = 3;

#[tokio::test]
async fn kills_at_every_step_of_other_lives_change_nothing_in_the_end() {
    let (_proxy, api) = plain_api().await;
    let turns = Arc::new(Semaphore::new(LIVES));
    let mut lives = JoinSet::new();
    for life in Life::ALL {
        let turn = turns.clone().acquire_owned().await.unwrap();
        lives.spawn_blocking(move || {
            let _turn = turn;
            let begun = Instant::now();
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut bed = Bed::new("crash").await;
                if let Life::Stored = life {
                    stored::prepare(&mut bed).await;
                }
                let process = Process::start(&bed, api, None).await;
                tokio::select! {
                    () = live(life, &bed, &process) => {}
                    () = bed.all_pods_available() => {}
                }
                let (kills, took) = (process.kills(), begun.elapsed().as_secs_f32());
                println!("{life:?}: {kills} kills in {took:.1} s");
            });
        });
    }
    let mut failed = 0;
    while let Some(lived) = lives.join_next().await {
        failed += usize::from(lived.is_err());
    }
    assert_eq!(
        failed, 0,
        "of these lives ended otherwise, as is said above"
    );
}
