//! What ends a reconcile early. Trouble of a single step is not here: it becomes a condition.

use thiserror::Error as ThisError;

/// The API server failed at something without which nothing can go on.
#[derive(Debug, ThisError)]
pub enum Error {
    /// A read or write of the resource itself, or of what it refers to.
    #[error("could not {what}: {source}")]
    Api {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: Box<kube::Error>,
    },
}

impl Error {
    /// For `map_err`: names what was tried.
    pub fn api(what: &'static str) -> impl FnOnce(kube::Error) -> Self {
        move |source| Self::Api {
            what,
            source: Box::new(source),
        }
    }
}
