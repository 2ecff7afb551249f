//! The rows: files and jobs, in SQLite or PostgreSQL.
