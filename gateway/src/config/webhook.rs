//! Whom events are told to.

use std::path::PathBuf;

use url::{Host, Url};

use super::reader::Reader;
use crate::files::{EventType, EventTypes};
use crate::webhooks::is_public;

pub(super) const URL: &str = "FILEGATEWAY_WEBHOOK_URL";
const SECRET_FILE: &str = "FILEGATEWAY_WEBHOOK_SECRET_FILE";
const EVENTS: &str = "FILEGATEWAY_WEBHOOK_EVENTS";
const PRIVATE: &str = "FILEGATEWAY_WEBHOOK_PRIVATE_ADDRESSES";

/// The receiver of events.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// `FILEGATEWAY_WEBHOOK_URL`: where events are sent; without it none are written down.
    pub url: Url,
    /// `FILEGATEWAY_WEBHOOK_SECRET_FILE`: what they are signed with, read again when the file changes;
    /// required with a URL.
    pub secret_file: PathBuf,
    /// `FILEGATEWAY_WEBHOOK_EVENTS`: which; all by default.
    pub events: EventTypes,
    /// `FILEGATEWAY_WEBHOOK_PRIVATE_ADDRESSES`: whether the receiver may be inside; not by default.
    pub private_addresses: bool,
}

impl Webhook {
    pub(super) fn from(reader: &mut Reader<'_>) -> Option<Self> {
        let text = reader.optional(URL);
        let secret = reader.optional(SECRET_FILE);
        let events = events(reader);
        let private_addresses = reader.parsed(PRIVATE, false, "true or false");
        let Some(text) = text else {
            if secret.is_some() {
                reader.problem(SECRET_FILE, format!("is of no use without {URL}"));
            }
            return None;
        };
        if secret.is_none() {
            reader.problem(SECRET_FILE, format!("is required with {URL} and not set"));
        }
        let url = url(&text, private_addresses);
        let url = url.map_err(|message| reader.problem(URL, message)).ok()?;
        Some(Self {
            url,
            secret_file: secret?.into(),
            events,
            private_addresses,
        })
    }
}

/// No message repeats the text: a receiver's address often carries a secret.
fn url(text: &str, private: bool) -> Result<Url, String> {
    let url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or("is not an http or https URL")?;
    let host = url.host().ok_or("has no host")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must have no user and no password; events are signed instead".into());
    }
    if private {
        return Ok(url);
    }
    if url.scheme() != "https" {
        return Err(format!("must be https unless {PRIVATE} is true"));
    }
    let public = match host {
        Host::Ipv4(address) => is_public(address.into()),
        Host::Ipv6(address) => is_public(address.into()),
        // Judged when it is resolved.
        Host::Domain(_) => true,
    };
    match public {
        true => Ok(url),
        false => Err(format!(
            "is not a public address, and {PRIVATE} is not true"
        )),
    }
}

fn events(reader: &mut Reader<'_>) -> EventTypes {
    let all = EventType::ALL.map(EventType::as_str).join(",");
    let text = reader.text(EVENTS, &all);
    let mut events = Vec::new();
    for name in text.split(',').map(str::trim) {
        match EventType::ALL.iter().find(|event| event.as_str() == name) {
            Some(event) => events.push(*event),
            None => reader.problem(EVENTS, format!("{name:?} is not one of {all}")),
        }
    }
    events.into_iter().collect()
}
