//! Who may read by location, and how bytes are handed out.

use super::reader::Reader;
use crate::auth::policy::LocationAccess;

/// How the bytes of a file reach the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Through the gateway.
    Proxy,
    /// By a redirect to a presigned URL of the object store.
    Redirect,
}

/// How files are given out.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    /// `FILEGATEWAY_ACCESS_LOCATIONS`: `Members` (the default) or `Owner`.
    pub locations: LocationAccess,
    /// `FILEGATEWAY_DELIVERY`: `Proxy` (the default) or `Redirect`.
    pub delivery: Delivery,
}

impl Access {
    pub(super) fn from(reader: &mut Reader<'_>) -> Self {
        Self {
            locations: reader.choice(
                "FILEGATEWAY_ACCESS_LOCATIONS",
                LocationAccess::Members,
                &[
                    ("Members", LocationAccess::Members),
                    ("Owner", LocationAccess::Owner),
                ],
            ),
            delivery: reader.choice(
                "FILEGATEWAY_DELIVERY",
                Delivery::Proxy,
                &[("Proxy", Delivery::Proxy), ("Redirect", Delivery::Redirect)],
            ),
        }
    }
}
