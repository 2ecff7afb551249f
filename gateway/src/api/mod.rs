//! HTTP: parse, authorize, answer.

pub mod conditions;
pub mod disposition;
pub mod ranges;
