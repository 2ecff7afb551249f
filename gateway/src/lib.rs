//! The FileGateway server of one organization.
//!
//! ```text
//! api ─────► files ──► catalog   rows: SQLite or PostgreSQL
//! worker ──►   ├─────► store     bytes: S3
//!              ├─────► media     ffprobe and ffmpeg
//!              └─────► auth      who is calling, file tokens, who may do what
//! ```
//!
//! `webhooks` tells a receiver what the rows say, by way of `catalog` alone.
//!
//! Each layer knows only the ones to its right; the four on the right never import each other.
//! `app` is the one place that knows them all. A test (`tests/layers.rs`) reads the sources and
//! fails on an import that goes the other way.

pub mod api;
pub mod app;
pub mod auth;
pub mod catalog;
pub mod causes;
pub mod config;
pub mod files;
pub mod media;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod webhooks;
pub mod worker;
