//! The operations of the contract, one file per path.

mod by_id;
mod location;
mod stream;
mod token;
mod upload;

use poem_openapi::{OpenApi, Tags};

use super::download::Freshness;
use super::params::Fields;
use super::problem::{FieldError, Problem};
use super::state::State;
use crate::auth::ReadGrant;

#[derive(Tags)]
enum Tag {
    /// Upload, read and delete files.
    #[oai(rename = "files")]
    Files,
}

/// Every operation on files.
pub fn api() -> impl OpenApi {
    (
        token::TokenApi,
        stream::StreamApi,
        location::LocationApi,
        by_id::ByIdApi,
        upload::UploadApi,
    )
}

/// What the file token in a query allows. A token that is there and bad is told at once; an absent
/// one is a missing field like any other.
async fn grant(
    state: &State,
    fields: &mut Fields,
    token: Result<String, FieldError>,
) -> Result<Option<ReadGrant>, Problem> {
    match fields.take(token) {
        Some(token) => Ok(Some(state.tokens.check(&token).await?)),
        None => Ok(None),
    }
}

/// Refuses a token that was made for another file, in the words of a file that is not there.
fn require_same_file(grant: &ReadGrant, id: uuid::Uuid) -> Result<(), crate::files::FilesError> {
    match grant.file {
        Some(file) if file != id => Err(crate::files::FilesError::NotFound),
        _ => Ok(()),
    }
}

fn freshness(grant: &ReadGrant) -> Freshness {
    Freshness::Until(grant.remaining)
}
