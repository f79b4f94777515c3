"""Who keeps the files of batches: the same credentials as the models', other services. They answer no calls.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html and
https://cloud.google.com/storage/docs/json_api. The bucket stands in the model's place.
"""

from urllib.parse import urlsplit

from headgate.providers.base import Auth, Provider, Site


def _bucket(site: Site) -> str:
    """In the host where it is Amazon's and its certificate fits the name; else in the path."""
    host = urlsplit(site.base).netloc
    if host.startswith("s3.") and host.endswith(".amazonaws.com") and "." not in site.model:
        return f"https://{site.model}.{host}"
    return "/{model}"


S3 = Provider(
    id="s3",
    name="Amazon S3",
    dialect="bedrock_converse",
    base_url="https://s3.{region}.amazonaws.com",
    base_url_env=("AWS_ENDPOINT_URL_S3",),
    base_url_param="s3_endpoint_url",
    base_vars={"region": ("aws_region_name", "AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION")},
    auth=Auth(optional=True),
    credential="aws:s3",
    paths={"objects": "/{model}"},
    path_of=_bucket,
)
GCS = Provider(
    id="gcs",
    name="Google Cloud Storage",
    dialect="gemini",
    base_url="https://storage.googleapis.com",
    base_url_env=("STORAGE_EMULATOR_HOST",),
    base_url_param="gcs_endpoint_url",
    auth=Auth(optional=True),
    credential="google",
    paths={
        "objects": "/storage/v1/b/{model}/o",
        "upload": "/upload/storage/v1/b/{model}/o?uploadType=media",
    },
)
