//! The service layer and what is below it, on real databases and real object stores.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod audit;
mod cancel;
mod catalog;
mod delete;
mod films;
mod janitor;
mod location;
mod migrations;
mod nasty;
mod parts;
mod ranges;
mod readiness;
mod resumable;
mod support;
mod synchronous;
mod upload;
mod video;
mod web_identity;
mod webhook_events;
mod worker;
mod world;
