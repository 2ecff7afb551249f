//! What errors of PostgreSQL mean.

use super::error::{Kind, RemoteError, System};

/// Translates an error of `server`.
pub(super) fn translate(server: &str, action: &'static str, error: &sqlx::Error) -> RemoteError {
    let (kind, code) = match error {
        sqlx::Error::Database(database) => {
            let state = database.code().unwrap_or_default();
            // Nothing secret is in these messages: statements carry names and verifiers only, and
            // only a syntax error quotes its statement.
            let text = if state == "42601" {
                state.to_string()
            } else {
                format!("{state}: {}", database.message())
            };
            (kind_of(&state), text)
        }
        sqlx::Error::Io(cause) => (Kind::Unreachable, cause.to_string()),
        sqlx::Error::Tls(cause) => (Kind::Unreachable, format!("TLS: {cause}")),
        sqlx::Error::PoolTimedOut => (Kind::Unreachable, "no answer in time".into()),
        sqlx::Error::Protocol(cause) => (Kind::Unreachable, cause.clone()),
        other => (Kind::Other, other.to_string()),
    };
    RemoteError {
        system: System::PostgreSql,
        endpoint: server.into(),
        action,
        kind,
        code,
    }
}

/// Meaning of an SQLSTATE.
/// Source: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn kind_of(state: &str) -> Kind {
    match state {
        "42501" => Kind::Denied,
        _ if state.starts_with("28") => Kind::Denied,
        // Connection trouble, too many connections, shutting down, starting up.
        _ if state.starts_with("08") || state.starts_with("53") || state.starts_with("57P") => {
            Kind::Unreachable
        }
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_a_meaning() {
        assert_eq!(kind_of("28P01"), Kind::Denied);
        assert_eq!(kind_of("57P03"), Kind::Unreachable);
        assert_eq!(kind_of("53300"), Kind::Unreachable);
        assert_eq!(kind_of("2BP01"), Kind::Other);
    }
}
