//! Volumes of class `local`: folders of the state folder, offered beforehand, since Kubernetes has no
//! provisioner for local ones. A volume that was given back is emptied and offered again by the next `up`.

use super::layout::{Layout, NODE};
use crate::Result;
use crate::command::run;
use crate::error::IoContext;
use crate::run::Access;
use serde_json::{Value, json};

/// How many there are; each gateway on SQLite takes one, and so do S3 and PostgreSQL.
const COUNT: usize = 40;

/// Makes the folders and the volumes that are missing, and renews those that were given back.
///
/// # Errors
/// A folder can't be made, or the API server refuses.
pub fn offer(layout: &Layout, access: &Access) -> Result<()> {
    let listed = run(&mut access.kubectl(&["get", "persistentvolumes", "--output=json"]))?;
    let listed: Value = serde_json::from_str(&listed)?;
    for name in given_back(&listed) {
        run(&mut access.kubectl(&["delete", "persistentvolume", name]))?;
        let folder = layout.path("volumes").join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).at("empty", &folder)?;
        }
    }
    let mut volumes = Vec::new();
    for number in 1..=COUNT {
        let name = format!("local-{number:02}");
        let folder = layout.path("volumes").join(&name);
        std::fs::create_dir_all(&folder).at("create", &folder)?;
        volumes.push(json!({
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": { "name": name },
            "spec": {
                "capacity": { "storage": "10Gi" },
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": "local",
                "local": { "path": folder },
                "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [{
                    "key": "kubernetes.io/hostname",
                    "operator": "In",
                    "values": [NODE],
                }] }] } },
            },
        }));
    }
    access.apply(&json!({ "apiVersion": "v1", "kind": "List", "items": volumes }).to_string())
}

/// Names of our volumes whose claim is gone.
fn given_back(listed: &Value) -> Vec<&str> {
    let items = listed["items"].as_array().into_iter().flatten();
    let given_back = items.filter(|volume| {
        volume["spec"]["storageClassName"] == "local" && volume["status"]["phase"] == "Released"
    });
    given_back
        .filter_map(|volume| volume["metadata"]["name"].as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_released_volumes_of_our_class_are_renewed() {
        let volume = |name: &str, class: &str, phase: &str| {
            json!({
                "metadata": { "name": name },
                "spec": { "storageClassName": class },
                "status": { "phase": phase },
            })
        };
        let listed = json!({ "items": [
            volume("local-01", "local", "Bound"),
            volume("local-02", "local", "Released"),
            volume("other", "fast", "Released"),
        ]});
        assert_eq!(given_back(&listed), ["local-02"]);
    }
}
