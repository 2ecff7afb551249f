//! Who is calling, and who may do what.

mod caller;
pub mod policy;

pub use caller::Caller;
