//! The table `webhook_events`: what a receiver is still to be told.
//!
//! An event is written in the transaction of what it tells of, so neither is there without the other,
//! and no repetition that changes nothing tells anything. It is taken like a job: by a lease that ends
//! with the process, on the database's clock.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::jobs::after;
use super::pool::{Pool, read, write};
use super::{Catalog, CatalogError, FileRow, Status};

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// Its upload was acknowledged.
    Created,
    /// A video's work ended well.
    Ready,
    /// A video's work was given up.
    Failed,
    /// It was deleted.
    Deleted,
}

impl EventType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Created, Self::Ready, Self::Failed, Self::Deleted];

    /// As receivers know it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "file.created",
            Self::Ready => "file.ready",
            Self::Failed => "file.failed",
            Self::Deleted => "file.deleted",
        }
    }
}

/// Which events are written down; none by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventTypes(u8);

impl EventTypes {
    /// Whether `event` is one of them.
    pub const fn has(self, event: EventType) -> bool {
        self.0 & (1 << event as u8) != 0
    }
}

impl FromIterator<EventType> for EventTypes {
    fn from_iter<I: IntoIterator<Item = EventType>>(events: I) -> Self {
        let bits = events.into_iter().map(|event| 1 << event as u8);
        Self(bits.fold(0, |all, bit| all | bit))
    }
}

/// An event that is ours to send until its lease runs out.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct DueEvent {
    /// Its id, the same at each try.
    pub id: Uuid,
    /// Its type, as receivers know it.
    #[sqlx(rename = "type")]
    pub kind: String,
    /// What is to be sent.
    pub body: String,
    /// How often it was taken, this time included.
    pub attempts: i64,
    /// Proof that it is ours.
    lease_token: Uuid,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    timestamp: String,
    data: File<'a>,
}

/// The names are those of `GET /v1/files/{file_id}/metadata`.
#[derive(Serialize)]
struct File<'a> {
    id: Uuid,
    name: &'a str,
    content_type: &'a str,
    size: u64,
    sha256: String,
    owner: &'a str,
    visibility: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    modified_at: String,
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// What is sent of a file as it stands in `row`.
pub(super) fn body(
    event: EventType,
    row: &FileRow,
    now: DateTime<Utc>,
) -> Result<String, sqlx::Error> {
    let sha256 = row.sha256.iter().flatten();
    let body = Body {
        r#type: event.as_str(),
        timestamp: time(now),
        data: File {
            id: row.id,
            name: &row.name,
            content_type: &row.content_type,
            size: row.size,
            sha256: sha256.map(|byte| format!("{byte:02x}")).collect(),
            owner: &row.owner,
            visibility: row.visibility.as_str(),
            // A deleted file has no status that anybody could ask for.
            status: (row.status != Status::Deleting).then_some(row.status.as_str()),
            reason: row.reason.as_deref(),
            modified_at: time(row.modified_at),
        },
    };
    serde_json::to_string(&body).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// `tell!(tx, events, EventType::Ready, row)`: writes an event down, if anybody is to be told.
macro_rules! tell {
    ($tx:ident, $events:expr, $event:expr, $row:expr) => {
        if $events.has($event) {
            let now = chrono::Utc::now();
            sqlx::query(
                "INSERT INTO webhook_events (id, type, body, due_at, created_at) \
                 VALUES ($1, $2, $3, $4, $4)",
            )
            .bind(uuid::Uuid::new_v4())
            .bind($event.as_str())
            .bind($crate::catalog::webhook_events::body($event, $row, now)?)
            .bind(now)
            .execute(&mut *$tx)
            .await?;
        }
    };
}
pub(super) use tell;

macro_rules! take {
    ($lock:literal) => {
        concat!(
            "UPDATE webhook_events SET attempts = attempts + 1, lease_token = $1, due_at = $2 \
             WHERE id = (SELECT id FROM webhook_events WHERE due_at <= $3 ORDER BY due_at LIMIT 1",
            $lock,
            ") RETURNING id, type, body, attempts, lease_token"
        )
    };
}

impl Catalog {
    /// The same catalogue, which writes these events down from now on.
    #[must_use]
    pub fn telling(mut self, events: EventTypes) -> Self {
        self.events = events;
        self
    }

    /// Waits until this process may have written an event since somebody last waited. Those of other
    /// processes are found by looking.
    pub async fn event_added(&self) {
        self.event_added.notified().await;
    }

    /// Takes an event that is due, or whose sender's lease ran out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_event(&self, lease: Duration) -> Result<Option<DueEvent>, CatalogError> {
        let now = self.now().await?;
        let statement = match &self.pool {
            Pool::Sqlite { .. } => take!(""),
            Pool::Postgres(_) => take!(" FOR UPDATE SKIP LOCKED"),
        };
        write!(self, "take an event", |tx| {
            sqlx::query_as::<_, DueEvent>(statement)
                .bind(Uuid::new_v4())
                .bind(after(now, lease))
                .bind(now)
                .fetch_optional(&mut *tx)
                .await?
        })
    }

    /// Forgets an event that was taken in or given up; false when it is no longer ours.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_event(&self, event: &DueEvent) -> Result<bool, CatalogError> {
        let (id, token) = (event.id, event.lease_token);
        write!(self, "end an event", |tx| {
            sqlx::query("DELETE FROM webhook_events WHERE id = $1 AND lease_token = $2")
                .bind(id)
                .bind(token)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                == 1
        })
    }

    /// Puts an event back for another try after `delay`; false when it is no longer ours.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_event_back(
        &self,
        event: &DueEvent,
        delay: Duration,
    ) -> Result<bool, CatalogError> {
        let (id, token) = (event.id, event.lease_token);
        let due_at = after(self.now().await?, delay);
        write!(self, "put an event back", |tx| {
            sqlx::query(
                "UPDATE webhook_events SET due_at = $3, lease_token = NULL \
                 WHERE id = $1 AND lease_token = $2",
            )
            .bind(id)
            .bind(token)
            .bind(due_at)
            .execute(&mut *tx)
            .await?
            .rows_affected()
                == 1
        })
    }

    /// How many events are still to be told.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pending_events(&self) -> Result<i64, CatalogError> {
        read!(self, "count events", |db| sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM webhook_events"
        )
        .fetch_one(db))
    }
}
