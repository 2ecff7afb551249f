//! What the key of a gateway may do.

use serde_json::{Value, json};

/// HeadBucket and ListObjectsV2 (ListBucket), ListMultipartUploads; clients ask where a bucket is.
const ON_BUCKET: [&str; 3] = [
    "s3:GetBucketLocation",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
];
/// GetObject and HeadObject, PutObject and the calls of an upload in parts, DeleteObject.
const ON_OBJECTS: [&str; 5] = [
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
];
const NEVER_ON_BUCKET: [&str; 5] = [
    "s3:DeleteBucket",
    "s3:DeleteBucketPolicy",
    "s3:PutBucketAcl",
    "s3:PutBucketPolicy",
    "s3:PutBucketTagging",
];
const NEVER_ON_OBJECTS: [&str; 2] = ["s3:PutObjectAcl", "s3:PutObjectVersionAcl"];

/// What gateways call and no more: the actions that `gateway/src/store` needs, by
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html>. Who gets hold of the key can
/// make no object public, and neither delete the bucket nor change how it is set up.
///
/// What is denied is not allowed here either; it holds against a policy of the bucket that allows more.
pub fn of_bucket(bucket: &str) -> Value {
    let arn = format!("arn:aws:s3:::{bucket}");
    let objects = format!("{arn}/*");
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ON_BUCKET,
                "Resource": arn,
            },
            {
                "Effect": "Allow",
                "Action": ON_OBJECTS,
                "Resource": objects,
            },
            {
                "Effect": "Deny",
                "Action": NEVER_ON_BUCKET,
                "Resource": arn,
            },
            {
                "Effect": "Deny",
                "Action": NEVER_ON_OBJECTS,
                "Resource": objects,
            },
        ],
    })
}
