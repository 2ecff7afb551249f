//! What the process tells about itself: logs and metrics.

mod logs;
pub mod metrics;

pub use logs::start;
pub use metrics::Metrics;
