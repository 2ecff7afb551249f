//! How pods get the key to their bucket, as the class chose. Pure.

use crds::{CredentialsType, FileGatewayClass, FileGatewayClassSpec, WebIdentityCredentials};
use kube::ResourceExt;

use crate::meta::Owner;

/// How pods get their S3 keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialsPlan {
    /// From a Secret with the key of a user that the operator makes.
    IamUser,
    /// From a Secret that is a copy of this one in the operator's namespace.
    Secret {
        /// Its name.
        name: String,
    },
    /// For their ServiceAccount's token.
    WebIdentity(WebIdentityCredentials),
}

/// Name of the Secret in the operator's namespace that has the key of a gateway of `class`; `None` when
/// the class keeps keys otherwise.
pub fn key_secret(class: &FileGatewayClassSpec, namespace: &str, name: &str) -> Option<String> {
    let credentials = &class.credentials;
    let prefix = credentials
        .secret
        .as_ref()
        .and_then(|secret| secret.prefix.as_ref());
    (credentials.type_ == CredentialsType::Secret).then(|| match prefix {
        Some(prefix) => format!("{prefix}.{namespace}.{name}"),
        None => format!("{namespace}.{name}"),
    })
}

/// How pods of `owner` get their keys.
///
/// # Errors
/// When the class can't be used as it is, with what to do about it.
pub fn credentials(class: &FileGatewayClass, owner: &Owner) -> Result<CredentialsPlan, String> {
    let class_name = class.name_any();
    let spec = &class.spec;
    let (namespace, name) = (&owner.namespace, &owner.name);
    if let Some(secret) = key_secret(spec, namespace, name) {
        return Ok(CredentialsPlan::Secret { name: secret });
    }
    match (spec.credentials.type_, &spec.credentials.web_identity) {
        (CredentialsType::WebIdentity, Some(identity)) => {
            let role = identity.role_arn.replace("{namespace}", namespace);
            Ok(CredentialsPlan::WebIdentity(WebIdentityCredentials {
                role_arn: role.replace("{name}", name),
                ..identity.clone()
            }))
        }
        (CredentialsType::WebIdentity, None) => Err(format!(
            "FileGatewayClass {class_name} has no spec.credentials.webIdentity: write it"
        )),
        _ if spec.iam.is_none() => Err(format!(
            "FileGatewayClass {class_name} names no IAM server: give it spec.iam, or another \
             spec.credentials.type"
        )),
        _ => Ok(CredentialsPlan::IamUser),
    }
}
