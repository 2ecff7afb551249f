//! What is told of Secrets that a spec names.

use crds::conditions::{ACCEPTED, Finding, reason};

/// A false `Accepted` since the Secret is not there or has nothing under `key`. It is made with kubectl and
/// its option `value`; `hint` goes on from there.
pub fn secret_missing(namespace: &str, name: &str, key: &str, value: &str, hint: &str) -> Finding {
    Finding::no(
        ACCEPTED,
        reason::SECRET_MISSING,
        format!(
            "Secret {name} in namespace {namespace} is missing or has no value under {key}: create it \
             with `kubectl -n {namespace} create secret generic {name} {value}`{hint}"
        ),
    )
}
