//! A second gateway on the same database and bucket, which can be killed.

use std::sync::Arc;

use tokio::runtime::Runtime;

use crate::gateway_under_test::Gateway;
use crate::worlds::Variables;

/// A gateway on threads of its own.
pub(crate) struct Replica {
    pub(crate) gateway: Gateway,
    runtime: Option<Runtime>,
}

impl Gateway {
    /// Starts one more gateway in the same world.
    pub(crate) async fn replica(&self, changes: Variables<'_>) -> Replica {
        let runtime = Runtime::new().unwrap();
        let (world, folder) = (self.world.clone(), self.folder.clone());
        let changes: Vec<(String, String)> = changes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let started = runtime.spawn(async move {
            let changes: Vec<(&str, &str)> = changes
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            Gateway::start(world, folder, &changes).await
        });
        Replica {
            gateway: started.await.unwrap(),
            runtime: Some(runtime),
        }
    }

    /// A gateway with two addresses: itself and a replica.
    pub(crate) async fn with_replica(self: Arc<Self>) -> (Arc<Self>, Replica) {
        let replica = self.replica(&[]).await;
        (self, replica)
    }
}

impl Replica {
    /// Ends it as a power cut would: whatever it was at stops where it is.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
    }
}
