//! One FileGateway: from the resource to a bucket, a user, a database, keys and pods, and back.
//!
//! ```text
//! reconcile
//! ├─ provision
//! │  ├─ dereference    the class, the namespace, Secrets that the spec names
//! │  ├─ validate       → Plan; nobody reads the spec after this
//! │  ├─ hosts          has nobody else the host?
//! │  ├─ look           is the last look at the outside world still good?
//! │  ├─ steps/*        if not, the outside world, independent ones side by side
//! │  ├─ build/*        Plan → Kubernetes objects, pure
//! │  ├─ workload       write them, look how they do
//! │  ├─ former         revoke what was made at servers that the class named before
//! │  └─ update_status  conditions and events
//! └─ cleanup           when it is deleted
//! ```

mod bucket;
pub mod build;
mod children;
mod cleanup;
mod credentials;
mod dereference;
mod destination;
mod draft;
mod error;
mod exposure;
mod former;
mod given;
mod hosts;
mod intend;
mod look;
mod named;
mod outcome;
mod pause;
mod provision;
mod reconcile;
mod route;
mod scaling;
mod settings;
mod steps;
mod update_status;
mod validate;
mod video;
mod webhook;
mod workload;

pub use credentials::{CredentialsPlan, key_secret};
pub use dereference::{AuthSecret, Dereferenced};
pub use error::Error;
pub use hosts::{Freed, Hosts, asked};
pub use reconcile::{error_policy, reconcile};
pub use steps::rotation::Schedule;
pub use validate::{DatabasePlan, Plan, Rotations, validate};
