//! The operations of the contract, one file per path.

mod by_id;
mod events;
mod location;
mod metadata;
mod outputs;
mod playback;
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
        metadata::MetadataApi,
        events::EventsApi,
        outputs::OutputsApi,
        upload::UploadApi,
    )
}

/// What the file token in a query allows, or allowed before it was over. A token that is there and
/// bad is told at once; an absent one is a missing field like any other.
async fn grant(
    state: &State,
    fields: &mut Fields,
    token: Result<String, FieldError>,
) -> Result<Option<ReadGrant>, Problem> {
    match fields.take(token) {
        Some(token) => {
            let grant = state.tokens.read(&token).await?;
            state.rate.count(&grant.caller)?;
            Ok(Some(grant))
        }
        None => Ok(None),
    }
}

fn freshness(grant: &ReadGrant) -> Freshness {
    Freshness::Until(grant.remaining)
}
