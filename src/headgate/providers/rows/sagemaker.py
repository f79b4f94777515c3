"""Amazon SageMaker's endpoints of one's own. https://docs.aws.amazon.com/sagemaker/latest/APIReference

The container decides what is spoken: OpenAI's chat (`sagemaker_chat/`: TGI, vLLM, LMI) or TGI's text generation
(`sagemaker/`). A model's name is its endpoint's. An answer comes whole, also to a call that wants a stream: this API
frames its streams in AWS's own way.
"""

from typing import Any, Final

from headgate.providers.base import Auth, Provider, Quirks

_PATH: Final = "/endpoints/{model}/invocations"
_COMMON: Final[dict[str, Any]] = {
    "base_url": "https://runtime.sagemaker.{region}.amazonaws.com",
    "base_url_env": ("SAGEMAKER_BASE_URL",),
    "base_vars": {"region": ("aws_region_name", "AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION")},
    "auth": Auth(optional=True),
    "credential": "aws:sagemaker",
    "embeddings": "feature_extraction",
    "paths": {"chat": _PATH, "embeddings": _PATH},
    "header_params": {"x-amzn-sagemaker-inference-component": "model_id"},
    "quirks": Quirks(drop=("stream", "stream_options")),
}

ROW = Provider(id="sagemaker", name="Amazon SageMaker", dialect="tgi", **_COMMON)
CHAT = Provider(
    id="sagemaker_chat", name="Amazon SageMaker (OpenAI-shaped)", aliases=("sagemaker_nova",), **_COMMON
)
