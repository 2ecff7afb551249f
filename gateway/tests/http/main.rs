//! The gateway over HTTP, on real databases and real object stores.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod audit;
mod authorization;
mod browser;
mod conditional;
mod connections;
mod delete;
mod delivery;
mod differential;
mod failures;
mod file_token;
mod forms;
mod gateway_under_test;
mod issuer;
mod jwks;
mod limits;
mod location;
mod outcomes;
mod panics;
mod playback;
mod players;
mod probes;
mod raw;
mod read;
mod relay;
mod repeated;
mod revocation;
mod secrets;
mod smuggling;
mod store_proxy;
mod stream;
mod support;
mod upload;
mod worlds;
