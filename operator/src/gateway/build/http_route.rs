//! The HTTPRoute of the Gateway API.
//! Source: <https://gateway-api.sigs.k8s.io/reference/spec/#httproute>.

use kube::api::DynamicObject;
use serde_json::json;

use super::SERVE;
use crate::gateway::exposure::{Exposure, Route};
use crate::gateway::validate::Plan;
use crate::optional::HTTP_ROUTE;

/// HTTPRoute `NAME`, where one was asked for.
pub fn http_route(plan: &Plan) -> Option<DynamicObject> {
    let Some(Exposure { host, route, .. }) = &plan.exposure else {
        return None;
    };
    let Route::HttpRoute { parents } = route else {
        return None;
    };
    let name = &plan.owner.name;
    let spec = json!({
        "parentRefs": parents,
        "hostnames": [host],
        "rules": [{"backendRefs": [{"name": name, "port": 80}]}],
    });
    Some(HTTP_ROUTE.object(plan.owner.child(name.clone(), SERVE), spec))
}
