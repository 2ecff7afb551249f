//! The identity of gateway pods. It may do nothing, and they get no token.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::SERVE;
use crate::gateway::validate::Plan;

/// ServiceAccount `NAME`.
pub fn service_account(plan: &Plan) -> ServiceAccount {
    ServiceAccount {
        metadata: plan.owner.child(plan.owner.name.clone(), SERVE),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
