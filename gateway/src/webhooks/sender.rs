//! One request to the receiver.

use std::time::{Duration, SystemTime};

use chrono::Utc;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, redirect};
use url::Url;
use uuid::Uuid;

use super::address::PublicOnly;
use super::secret::WebhookSecret;
use crate::causes::causes;

/// The longest that one try may take, from resolving the name to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How much of an answer is read, in bytes, so that its connection can be used again.
const MOST_READ: usize = 8 * 1024;

/// A sender that can't be set up.
#[derive(Debug, thiserror::Error)]
#[error("failed to set up an HTTP client")]
pub struct SenderError(#[source] reqwest::Error);

/// How one try went.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The receiver has it.
    TakenIn,
    /// The receiver will never want it.
    Gone,
    /// It did not get there.
    Failed {
        /// Why, in words that hold no part of the address.
        why: String,
        /// How long the receiver asked to be left alone.
        after: Option<Duration>,
    },
}

/// Sends events to one address.
pub struct Sender {
    client: Client,
    url: Url,
    secret: WebhookSecret,
}

impl Sender {
    /// One that sends to `url`, which may be inside only if `private` is set.
    ///
    /// # Errors
    /// [`SenderError`] when the HTTP client can't be set up.
    pub fn new(url: Url, secret: WebhookSecret, private: bool) -> Result<Self, SenderError> {
        let client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            // A proxy would resolve the name by itself.
            .no_proxy()
            .user_agent(concat!("filegateway/", env!("CARGO_PKG_VERSION")));
        let client = match private {
            true => client,
            false => client.dns_resolver(PublicOnly),
        };
        let client = client.build().map_err(SenderError)?;
        Ok(Self {
            client,
            url,
            secret,
        })
    }

    /// Tries once.
    pub(super) async fn send(&self, event: Uuid, body: &str) -> Outcome {
        let (id, timestamp) = (message_id(event), Utc::now().timestamp());
        let signature = self.secret.sign(&id, timestamp, body).await;
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body.to_owned());
        // The receiver is somebody else's: it is not told of the trace.
        let traced = traces::sent("POST", "POST");
        let response = match traced.around(request.send()).await {
            Ok(response) => response,
            Err(error) => {
                traced.failed("error");
                return Outcome::Failed {
                    why: causes(&error.without_url()),
                    after: None,
                };
            }
        };
        traced.answered(response.status().as_u16());
        let outcome = judged(&response);
        drain(response).await;
        outcome
    }
}

/// What a receiver knows an event by.
pub(super) fn message_id(event: Uuid) -> String {
    format!("msg_{}", event.simple())
}

fn judged(response: &Response) -> Outcome {
    let status = response.status();
    if status.is_success() {
        return Outcome::TakenIn;
    }
    if status == StatusCode::GONE {
        return Outcome::Gone;
    }
    let busy = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    let asked = response.headers().get(RETRY_AFTER);
    let after = asked
        .filter(|_| busy)
        .and_then(|asked| retry_after(asked.to_str().ok()?, SystemTime::now()));
    Outcome::Failed {
        why: format!("the receiver answered {}", status.as_u16()),
        after,
    }
}

/// Seconds, or a date.
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    match text.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(text)
            .ok()?
            .duration_since(now)
            .ok(),
    }
}

async fn drain(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > MOST_READ {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_asks_in_seconds_or_by_date() {
        let now = httpdate::parse_http_date("Thu, 26 Nov 2026 12:00:00 GMT").unwrap();
        let asked = |text| retry_after(text, now);
        assert_eq!(asked("120"), Some(Duration::from_secs(120)));
        let date = "Thu, 26 Nov 2026 12:01:30 GMT";
        assert_eq!(asked(date), Some(Duration::from_secs(90)));
        assert_eq!(asked("Thu, 26 Nov 2026 11:00:00 GMT"), None);
        assert_eq!(asked("soon"), None);
    }
}
