//! When the operator says that it is ready.

use crate::bed::Bed;

#[tokio::test]
async fn an_operator_without_a_gateway_becomes_ready() {
    let (bed, operator) = Bed::with_operator("empty").await;
    bed.until("ready", async || {
        (operator.get("/readyz").await?.0 == 200).then_some(())
    })
    .await;
    operator.stop().await;
}
