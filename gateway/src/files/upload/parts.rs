//! Sending a body in parts, a few at a time.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::Stream;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::super::FilesError;
use super::heartbeat::Heartbeat;
use super::intake::{BodyError, Intake, Part};
use crate::store::{MultipartUpload, Store, StoreError, UploadedPart};

/// How many parts are on their way at once: the client fills a third meanwhile, so an upload holds
/// three parts in memory.
const IN_FLIGHT: usize = 2;

type Sending = JoinHandle<Result<UploadedPart, StoreError>>;

/// Sends `first` and everything after it; gives the parts back in order.
///
/// Each part is a task of `tasks`. When this fails or is dropped, the parts on their way go on, and
/// whoever aborts the upload waits for `tasks` first: S3 lets a part that arrives during the abort
/// outlive it.
pub(in crate::files) async fn send_parts<S>(
    store: &Store,
    upload: &MultipartUpload,
    first: Part,
    intake: &mut Intake<S>,
    tasks: &TaskTracker,
    mut heartbeat: Option<&mut Heartbeat>,
) -> Result<Vec<UploadedPart>, FilesError>
where
    S: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin,
{
    let mut sending = VecDeque::with_capacity(IN_FLIGHT);
    let mut sent = Vec::new();
    let mut part = first;
    for number in 1.. {
        if sending.len() == IN_FLIGHT {
            take(&mut sending, &mut sent).await?;
        }
        let (store, upload, bytes) = (store.clone(), upload.clone(), part.bytes);
        let memory = part.memory;
        let send = async move {
            let sent = store.upload_part(&upload, number, bytes).await;
            drop(memory);
            sent
        };
        sending.push_back(tasks.spawn(send));
        if part.last {
            break;
        }
        if let Some(heartbeat) = heartbeat.as_deref_mut() {
            heartbeat.beat().await?;
        }
        part = intake.next().await?;
    }
    while !sending.is_empty() {
        take(&mut sending, &mut sent).await?;
    }
    Ok(sent)
}

/// Waits for the oldest part on its way.
async fn take(
    sending: &mut VecDeque<Sending>,
    sent: &mut Vec<UploadedPart>,
) -> Result<(), FilesError> {
    let Some(oldest) = sending.pop_front() else {
        return Ok(());
    };
    match oldest.await {
        Ok(part) => {
            sent.push(part?);
            Ok(())
        }
        Err(join) => Err(FilesError::Store {
            action: "store a part",
            source: join.into(),
        }),
    }
}
