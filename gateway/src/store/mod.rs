//! The bytes: one S3 bucket.
