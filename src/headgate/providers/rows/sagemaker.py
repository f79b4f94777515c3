"""Amazon SageMaker's endpoints of one's own. https://docs.aws.amazon.com/sagemaker/latest/APIReference

The container decides what is spoken: OpenAI's chat (`sagemaker_chat/`: TGI, vLLM, LMI) or TGI's text generation
(`sagemaker/`). A model's name is its endpoint's. Streams have an address of their own, and AWS's frames around what
the container says.
"""

from typing import Any, Final

from headgate.providers.base import Auth, Provider

_PATH: Final = "/endpoints/{model}/invocations"
_COMMON: Final[dict[str, Any]] = {
    "base_url": "https://runtime.sagemaker.{region}.amazonaws.com",
    "base_url_env": ("SAGEMAKER_BASE_URL",),
    "base_vars": {"region": ("aws_region_name", "AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION")},
    "auth": Auth(optional=True),
    "credential": "aws:sagemaker",
    "embeddings": "feature_extraction",
    "paths": {"chat": _PATH, "chat_stream": f"{_PATH}-response-stream", "embeddings": _PATH},
    "header_params": {"x-amzn-sagemaker-inference-component": "model_id"},
}

ROW = Provider(
    id="sagemaker",
    name="Amazon SageMaker",
    dialect="tgi",
    dialects={"chat_stream": "framed_text"},
    **_COMMON,
)
CHAT = Provider(
    id="sagemaker_chat",
    name="Amazon SageMaker (OpenAI-shaped)",
    aliases=("sagemaker_nova",),
    dialects={"chat_stream": "framed_chat"},
    **_COMMON,
)
