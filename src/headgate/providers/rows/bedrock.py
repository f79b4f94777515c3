"""Amazon Bedrock's runtime. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html

A guardrail of one's own is a model of moderations: `bedrock/guardrail/<id>/<version>`, without a version its draft.

A model's name may begin with a region ("us-west-2/") and with the way it is asked: "converse/", which is the rule, or
"invoke/", where the model's maker says the format."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from msgspec.structs import replace

from headgate.errors import BadRequestError
from headgate.providers.address import join
from headgate.providers.base import Auth, Bulk, Provider, Site, Variant
from headgate.providers.rows import stores

_PREFIX = re.compile(
    r"(?P<region>[a-z]{2}(?:-[a-z]+)+-\d+)/|(?P<way>converse|converse_like|invoke|openai|llama|deepseek_r1|qwen2|qwen3)/"
)
_PROFILE = re.compile(r"(?:us|eu|apac|jp|au|ca|us-gov|global)\.(?=[a-z0-9]+\.)")
_ARN = re.compile(r"arn:aws[a-z-]*:bedrock:([a-z0-9-]+):")
_GUARDRAIL = re.compile(r"guardrail/(?P<id>.+?)(?:/(?P<version>DRAFT|\d{1,8}))?")
_HOST = re.compile(r"(?<=://bedrock-runtime)(-fips)?\.[a-z0-9-]+(?=\.amazonaws\.com)")
_IMAGES = ("images", "image_edits", "image_variations")
_RUNTIME = re.compile(r"(?<=://bedrock)-runtime(?=(?:-fips)?\.)")
_INVOKED = ("embeddings", "rerank", *_IMAGES)
"""Operations that are never asked by Converse."""
_RERANK = "bedrock_rerank"
_VERBS = {
    (True, False): "converse",
    (True, True): "converse-stream",
    (False, False): "invoke",
    (False, True): "invoke-with-response-stream",
}


def _named(model: str) -> tuple[str, str]:
    """The region that the name begins with, or that its ARN tells, "" where none does; and the model's own name."""
    region, model = "", unquote(model)
    while found := _PREFIX.match(model):
        region = found["region"] or region
        model = model[found.end() :]
    home = _ARN.match(model)
    return (home[1] if home else region), model


def _guardrail(site: Site, region: str, model: str) -> str:
    """The id may be an ARN, whose region counts."""
    found = _GUARDRAIL.fullmatch(model)
    if model == "{model}":  # where addresses are only shown
        return site.provider.paths[site.operation]
    if found is None:
        raise BadRequestError(
            f"{site.model!r} judges nothing: expected guardrail/<id>/<version>, a guardrail of your own",
            param="model",
            llm_provider=site.provider.id,
        )
    home, own = _named(found["id"])
    path = f"/guardrail/{quote(own, safe='{}')}/version/{found['version'] or 'DRAFT'}/apply"
    region = home or region
    return join(_based(site, region), path) if region else path


def _path(site: Site) -> str:
    region, model = _named(site.model)
    base = _based(site, region)
    if site.operation == "batches":  # jobs are the control plane's
        return join(_RUNTIME.sub("", base), site.provider.paths["batches"])
    if site.operation == "rerank" and site.provider.dialects["rerank"] == _RERANK:
        return join(_RUNTIME.sub("-agent-runtime", base), "/rerank")
    if site.operation == "moderations":
        return _guardrail(site, region, model)
    if site.operation == "count_tokens":  # of the model itself: profiles for several regions are refused
        path = f"/model/{quote(_PROFILE.sub('', model, count=1), safe='{}')}/count-tokens"
        return join(base, path) if region else path
    converse = site.operation not in _INVOKED and site.provider.dialect == CONVERSE.dialect
    path = f"/model/{quote(model, safe='{}')}/{_VERBS[converse, site.operation.endswith('_stream')]}"
    return join(base, path) if region else path


def _based(site: Site, region: str) -> str:
    """The address, in the region that the model's name says."""
    return _HOST.sub(rf"\g<1>.{region}", site.base) if region else site.base


def _store_params(params: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    """The model's, but for those that S3 has of its own. Keys for it come without the model's session and role."""
    own = {name: value for name, value in params.items() if name not in ("api_key", "api_base", "base_url")}
    if params.get("s3_access_key_id"):
        own = {name: value for name, value in own.items() if not name.startswith("aws_") or "region" in name}
    for name, its in _OWN.items():
        if params.get(its):
            own[name] = params[its]
    return own


_OWN = {
    "aws_access_key_id": "s3_access_key_id",
    "aws_secret_access_key": "s3_secret_access_key",
    "aws_region_name": "s3_region_name",
}
_BUCKET = ("s3_bucket_name", "AWS_S3_BUCKET_NAME")

BULK = Bulk(
    form="bedrock",
    model_of=lambda model: _named(model)[1],
    store=stores.S3,
    store_params=_store_params,
    settings={
        "bucket": _BUCKET,
        "output": ("s3_output_bucket_name", "AWS_S3_OUTPUT_BUCKET_NAME", *_BUCKET),
        "role": ("aws_batch_role_arn", "AWS_BATCH_ROLE_ARN"),
        "owner": ("s3_bucket_owner",),
        "key": ("s3_encryption_key_id",),
    },
    needs=("bucket", "role"),
)
"""https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference.html"""

_ANY = r"(?:[a-z]{2}(?:-[a-z]+)+-\d+/)?"

INVOKED = (
    (r"invoke/.*claude-(?!v\d|instant|2)", "bedrock_anthropic"),
    (r"invoke/.*(?:jamba|openai\.|qwen|moonshot|minimax|zai\.|google\.|nvidia)", "bedrock_openai"),
    (r"invoke/.*mistral.*(?:pixtral|large-(?!2402)|ministral|magistral|voxtral)", "bedrock_openai"),
    (r"(?:invoke/)?(?:openai|qwen3|qwen2)/arn", "bedrock_openai"),
    (r"invoke/.*amazon\.nova", "bedrock_nova"),
    (r"invoke/", "bedrock_prompt"),
    (r"(?:llama|deepseek_r1)/arn", "bedrock_prompt"),
)
"""Models that are not asked by Converse, and their makers' formats."""
_BY_ARN = r"(?:rerank/)?arn:aws[a-z-]*:bedrock:[a-z0-9-]+:\d*:foundation-model/.*rerank"
"""Models of the Rerank API, which names them by ARN: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html
By their plain names they are invoked."""

CONVERSE = Provider(
    id="bedrock",
    name="Amazon Bedrock",
    aliases=("bedrock_converse",),
    dialect="bedrock_converse",
    embeddings="bedrock_embeddings",
    base_url="https://bedrock-runtime.{region}.amazonaws.com",
    base_url_env=("AWS_BEDROCK_RUNTIME_ENDPOINT",),
    base_url_param="aws_bedrock_runtime_endpoint",
    base_vars={"region": ("aws_region_name", "AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION")},
    api_key_env=("AWS_BEARER_TOKEN_BEDROCK",),
    auth=Auth(optional=True),
    credential="aws:bedrock",
    batch_price="0.5",  # https://aws.amazon.com/bedrock/pricing/
    bulk=BULK,
    paths={
        "chat": "/model/{model}/converse",
        "chat_stream": "/model/{model}/converse-stream",
        "embeddings": "/model/{model}/invoke",
        "rerank": "/model/{model}/invoke",
        "batches": "/model-invocation-job",
        "count_tokens": "/model/{model}/count-tokens",
        "moderations": "/guardrail/{id}/version/{version}/apply",
        **dict.fromkeys(_IMAGES, "/model/{model}/invoke"),
    },
    dialects={
        "batches": "bedrock_converse",
        "moderations": "bedrock_guardrail",
        "count_tokens": "bedrock_count",
        "rerank": "bedrock_invoke_rerank",
        **dict.fromkeys(_IMAGES, "bedrock_images"),
    },
    path_of=_path,
    bare=(
        r"(?:(?:us|eu|apac|jp|au|ca|us-gov|global)\.)?"
        r"(?:ai21|amazon|anthropic|cohere|deepseek|meta|minimax|mistral|moonshot|nvidia|openai|qwen|stability|writer|zai)\."
        r"[a-z]"
    ),
    input_header="x-amzn-bedrock-input-token-count",
    stream_usage="always",
)
_EMBEDDING = (
    r"(?:arn:aws[a-z-]*:bedrock:[a-z0-9-]+:\d*:foundation-model/)?(?:[a-z-]+\.)?"
    r"(?:amazon\.(?:titan-embed|nova.*embed)|cohere\.embed)"
)
"""Models that make embeddings, and whose batches do."""
ROW = replace(
    CONVERSE,
    variants=(
        *(
            Variant(
                match=_ANY + way + _EMBEDDING,
                row=replace(CONVERSE, dialect=name, bulk=replace(BULK, operation="embeddings")),
            )
            for way, name in (("", CONVERSE.dialect), ("invoke/", "bedrock_prompt"))
        ),
        *(Variant(match=_ANY + pattern, row=replace(CONVERSE, dialect=name)) for pattern, name in INVOKED),
        Variant(
            match=_BY_ARN,
            cut="rerank/",
            row=replace(CONVERSE, dialects={**CONVERSE.dialects, "rerank": _RERANK}),
        ),
    ),
)
