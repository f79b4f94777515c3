"""Keys of `litellm_params` that say where the files of batches are. `keys.py` gives them their meaning."""

from typing import Final

BUCKETS: Final = (
    (
        "gcs_bucket_name",
        "name",
        "`GCS_BATCH_BUCKET_NAME`, `GCS_BUCKET_NAME`",
        "Batches of Vertex AI: their bucket.",
    ),
    ("bucket_name", "name", "—", "Another name for `gcs_bucket_name`."),
    ("gcs_endpoint_url", "url", "`STORAGE_EMULATOR_HOST`, Google's", "Where Cloud Storage is."),
    ("s3_bucket_name", "name", "`AWS_S3_BUCKET_NAME`", "Batches of Bedrock: their bucket."),
    (
        "s3_output_bucket_name",
        "name",
        "`AWS_S3_OUTPUT_BUCKET_NAME`, the same",
        "The bucket of their results.",
    ),
    (
        "aws_batch_role_arn",
        "name",
        "`AWS_BATCH_ROLE_ARN`",
        "The role by which Bedrock reads and writes there.",
    ),
    ("s3_region_name", "name", "`aws_region_name`", "The buckets' region."),
    ("s3_endpoint_url", "url", "`AWS_ENDPOINT_URL_S3`, the region's", "Where S3 is."),
    ("s3_access_key_id", "secret", "`aws_access_key_id`", "A key for the buckets alone."),
    ("s3_secret_access_key", "secret", "`aws_secret_access_key`", "Its secret."),
    ("s3_encryption_key_id", "name", "—", "A KMS key for the results."),
    ("s3_bucket_owner", "name", "—", "The account that the buckets belong to."),
)
