//! What the operator says of a FileGateway, in its status and in Events, as it can be said once more without it.

use anyhow::Context as _;
use crds::{FileGateway, FileGatewayStatus};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use operator::meta::Owner;
use serde_json::json;

/// What is said of one gateway, to be said of others.
pub struct Told {
    status: FileGatewayStatus,
    events: Vec<Event>,
}

impl Told {
    /// Reads what was said of `gateway`.
    pub async fn of(client: &Client, gateway: FileGateway) -> anyhow::Result<Self> {
        let owner = Owner::of(&gateway).context("no owner")?;
        let about = format!("regarding.name={}", owner.name);
        let events = Api::<Event>::namespaced(client.clone(), &owner.namespace)
            .list(&ListParams::default().fields(&about))
            .await?;
        let of_it = |event: &Event| {
            let regarding = event.regarding.as_ref();
            regarding.is_some_and(|found| found.uid.as_ref() == Some(&owner.uid))
        };
        Ok(Self {
            status: gateway.status.context("no status")?,
            events: events.items.into_iter().filter(of_it).collect(),
        })
    }

    /// How many Events they are.
    pub fn events(&self) -> usize {
        self.events.len()
    }

    /// Says it of `owner`.
    pub async fn say(&self, client: &Client, owner: &Owner) -> anyhow::Result<()> {
        let status = json!({"status": self.status});
        Api::<FileGateway>::namespaced(client.clone(), &owner.namespace)
            .patch_status(&owner.name, &PatchParams::default(), &Patch::Merge(&status))
            .await?;
        let api = Api::<Event>::namespaced(client.clone(), &owner.namespace);
        for (number, event) in self.events.iter().enumerate() {
            let mut event = event.clone();
            event.metadata = ObjectMeta {
                name: Some(format!("{}.{number}", owner.name)),
                namespace: Some(owner.namespace.clone()),
                ..ObjectMeta::default()
            };
            if let Some(regarding) = &mut event.regarding {
                regarding.name = Some(owner.name.clone());
                regarding.namespace = Some(owner.namespace.clone());
                regarding.uid = Some(owner.uid.clone());
            }
            api.create(&PostParams::default(), &event).await?;
        }
        Ok(())
    }
}
