//! The program itself: its commands, its configuration, its logs, its memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod browser;
mod clock;
mod commands;
mod descriptors;
mod dev;
mod events;
mod janitor;
mod killed;
mod logs;
mod memory;
mod metrics;
mod process;
#[path = "../../../traces/receiver/mod.rs"]
mod receiver;
mod rollout;
mod schemathesis;
mod served;
mod starved;
mod stopping;
mod streaming;
mod traces;
mod tus;
mod video;
mod webhooks;
mod worker;
