//! The listening socket, and serving HTTP/1.1 on it until told to stop.
//!
//! poem's own server gives hyper no timer, so its limits on time do nothing; it drops errors of
//! `accept` without a pause, takes connections without end, and waits for a closing one for ever.
//! This one serves a poem endpoint from hyper's connections: [`wire`] is what each of them reads
//! from, and keeps time.
//!
//! No HTTP/2 without TLS: whoever stands in front of the gateway speaks HTTP/1.1 to it, which is
//! the faster of the two for long bodies, and none of HTTP/2's floods has a door.

mod connection;
mod limits;
mod listener;
mod refusal;
mod run;
mod signals;
mod traffic;
mod wire;

pub use limits::Limits;
pub use listener::listen;
pub use run::run;
pub use signals::told_to_stop;
