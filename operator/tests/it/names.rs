//! The longest names that the API server lets through.

use serde_json::json;

use crate::bed::Bed;

#[tokio::test]
async fn the_longest_names_work() {
    // 54 and the suffix make 63, what a namespace may have; 50 is a gateway's longest.
    let (bed, _operator) = Bed::with_operator(&"n".repeat(54)).await;
    let name = "g".repeat(50);
    bed.create(&name, json!({})).await.unwrap();
    bed.ready(&name).await;
    let status = bed.status(&name).await;
    assert_eq!(status.bucket.unwrap().name.len(), 63);
    assert_eq!(status.database.unwrap().name.len(), 63);
}
