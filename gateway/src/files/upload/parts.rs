//! Sending a body in parts, a few at a time.

use bytes::Bytes;
use futures_util::Stream;
use tokio::task::JoinSet;

use super::super::FilesError;
use super::heartbeat::Heartbeat;
use super::intake::{BodyError, Intake, Part};
use crate::store::{MultipartUpload, Store, StoreError, UploadedPart};

/// How many parts are on their way at once: the client fills a third meanwhile, so an upload holds
/// three parts in memory.
const IN_FLIGHT: usize = 2;

/// Sends `first` and everything after it; gives the parts back in order. When it fails or is
/// dropped, the parts on their way are cut off; the upload itself is the caller's to abort.
pub(in crate::files) async fn send_parts<S>(
    store: &Store,
    upload: &MultipartUpload,
    first: Part,
    intake: &mut Intake<S>,
    mut heartbeat: Option<&mut Heartbeat>,
) -> Result<Vec<UploadedPart>, FilesError>
where
    S: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin,
{
    let mut sending = JoinSet::new();
    let mut sent = Vec::new();
    let mut number = 0;
    let mut part = first;
    loop {
        if sending.len() == IN_FLIGHT {
            take(&mut sending, &mut sent).await?;
        }
        number += 1;
        let (store, upload, bytes) = (store.clone(), upload.clone(), part.bytes);
        sending.spawn(async move { store.upload_part(&upload, number, bytes).await });
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
    sent.sort_by_key(|part: &UploadedPart| part.number);
    Ok(sent)
}

async fn take(
    sending: &mut JoinSet<Result<UploadedPart, StoreError>>,
    sent: &mut Vec<UploadedPart>,
) -> Result<(), FilesError> {
    match sending.join_next().await {
        None => Ok(()),
        Some(Ok(part)) => {
            sent.push(part?);
            Ok(())
        }
        Some(Err(join)) => Err(FilesError::Store {
            action: "store a part",
            source: join.into(),
        }),
    }
}
