"""Amazon Bedrock's runtime. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html

A guardrail of one's own is a model of moderations: `bedrock/guardrail/<id>/<version>`, without a version its draft.

A model's name may begin with a region ("us-west-2/") and with the way it is asked: "converse/", which is the rule, or
"invoke/", where the model's maker says the format."""

import re
from urllib.parse import quote, unquote

from msgspec.structs import replace

from headgate.errors import BadRequestError
from headgate.providers.address import join
from headgate.providers.base import Auth, Provider, Site, Variant

_PREFIX = re.compile(
    r"(?P<region>[a-z]{2}(?:-[a-z]+)+-\d+)/|(?P<way>converse|converse_like|invoke|openai|llama|deepseek_r1|qwen2|qwen3)/"
)
_PROFILE = re.compile(r"(?:us|eu|apac|jp|au|ca|us-gov|global)\.(?=[a-z0-9]+\.)")
_ARN = re.compile(r"arn:aws[a-z-]*:bedrock:([a-z0-9-]+):")
_GUARDRAIL = re.compile(r"guardrail/(?P<id>.+?)(?:/(?P<version>DRAFT|\d{1,8}))?")
_HOST = re.compile(r"(?<=://bedrock-runtime)(-fips)?\.[a-z0-9-]+(?=\.amazonaws\.com)")
_IMAGES = ("images", "image_edits", "image_variations")
_INVOKED = ("embeddings", "rerank", *_IMAGES)
"""Operations that are never asked by Converse."""
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
    return _homed(site, home or region, path)


def _path(site: Site) -> str:
    region, model = _named(site.model)
    if site.operation == "moderations":
        return _guardrail(site, region, model)
    if site.operation == "count_tokens":  # of the model itself: profiles for several regions are refused
        return _homed(
            site, region, f"/model/{quote(_PROFILE.sub('', model, count=1), safe='{}')}/count-tokens"
        )
    converse = site.operation not in _INVOKED and site.provider.dialect == CONVERSE.dialect
    path = f"/model/{quote(model, safe='{}')}/{_VERBS[converse, site.operation.endswith('_stream')]}"
    return _homed(site, region, path)


def _homed(site: Site, region: str, path: str) -> str:
    return join(_HOST.sub(rf"\g<1>.{region}", site.base), path) if region else path


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
    lacks="Its batches read from and write to S3, which Headgate does not: make them by its own API.",
    paths={
        "chat": "/model/{model}/converse",
        "chat_stream": "/model/{model}/converse-stream",
        "embeddings": "/model/{model}/invoke",
        "rerank": "/model/{model}/invoke",
        "count_tokens": "/model/{model}/count-tokens",
        "moderations": "/guardrail/{id}/version/{version}/apply",
        **dict.fromkeys(_IMAGES, "/model/{model}/invoke"),
    },
    dialects={
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
ROW = replace(
    CONVERSE,
    variants=tuple(
        Variant(match=_ANY + pattern, row=replace(CONVERSE, dialect=name)) for pattern, name in INVOKED
    ),
)
